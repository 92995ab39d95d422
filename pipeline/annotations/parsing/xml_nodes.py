"""Parse XML into a small tree with line numbers, without DOCTYPE, entities or deep nesting.

Every known attack on XML parsers (entity bombs, external entities, remote DTDs) needs a DOCTYPE, and
no annotation format has one. A DOCTYPE is therefore refused before anything in it is read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.parsers import expat

from pipeline.annotations.parsing.text import Refused

MAX_DEPTH = 64

#: shape coordinates are the bulk of a CVAT file and no reader uses them, so they are not kept
_NOT_KEPT = frozenset({"xtl", "ytl", "xbr", "ybr", "points", "occluded", "keyframe", "z_order", "rotation"})
_MAX_TEXT = 4096


@dataclass(slots=True)
class Element:
    """One XML element.

    Attributes
    ----------
    tag : str
    line : int
        Of its start tag, from 1.
    attrs : dict of str to str
        Without the coordinates and drawing states of CVAT's shapes.
    children : list of Element
    text : str
        Its own text up to the first child (4096 characters at most), without outer blanks.
    """

    tag: str
    line: int
    attrs: dict[str, str]
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def child(self, tag: str) -> Element | None:
        """Return the first child with a tag."""
        return next((c for c in self.children if c.tag == tag), None)

    def path(self, *tags: str) -> str:
        """Return the text of the element reached by first children of these tags, or an empty string."""
        here: Element | None = self
        for tag in tags:
            here = here.child(tag) if here is not None else None
        return here.text if here is not None else ""


def parse(text: str) -> Element:
    """Parse an XML document.

    Parameters
    ----------
    text : str
        Already decoded; the encoding that the document claims is ignored.

    Returns
    -------
    Element
        The root.

    Raises
    ------
    Refused
        Not well-formed, with a DOCTYPE, or nested deeper than 64 levels.
    """
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    roots: list[Element] = []
    stack: list[Element] = []

    def start(tag: str, attrs: dict[str, str]) -> None:
        if len(stack) >= MAX_DEPTH:
            raise Refused("hostile", f"nested deeper than {MAX_DEPTH}", parser.CurrentLineNumber)
        kept = {key: value for key, value in attrs.items() if key not in _NOT_KEPT}
        element = Element(tag, parser.CurrentLineNumber, kept)
        (stack[-1].children if stack else roots).append(element)
        stack.append(element)

    def end(_tag: str) -> None:
        stack.pop()

    def characters(data: str) -> None:
        if stack and not stack[-1].children and len(stack[-1].text) < _MAX_TEXT:
            stack[-1].text = (stack[-1].text + data).lstrip()

    def doctype(*_: object) -> None:
        raise Refused(
            "hostile",
            "the file has a DOCTYPE, which no annotation needs and entity bombs do; remove it",
            parser.CurrentLineNumber,
        )

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = doctype
    parser.EntityDeclHandler = doctype
    try:
        # lone surrogates cannot occur in decoded UTF-8 or a one-byte encoding
        parser.Parse(text.encode("utf-8"), True)
    except expat.ExpatError as error:
        raise Refused("broken-file", f"not XML: {expat.ErrorString(error.code)}", error.lineno) from None
    for element in roots:
        _strip(element)
    return roots[0]


def _strip(root: Element) -> None:
    stack = [root]
    while stack:
        element = stack.pop()
        element.text = element.text.rstrip()
        stack.extend(element.children)

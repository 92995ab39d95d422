"""Turn a tree of XML elements into a file."""

from __future__ import annotations

from xml.etree import ElementTree

from pipeline.annotations.writing.predicted import clean


def element(
    parent: ElementTree.Element | None, tag: str, text: str = "", **attrs: str
) -> ElementTree.Element:
    """Return a new element, the last child of ``parent`` where there is one; texts are made writable."""
    safe = {name: clean(value) for name, value in attrs.items()}
    made = ElementTree.Element(tag, safe) if parent is None else ElementTree.SubElement(parent, tag, safe)
    if text:
        made.text = clean(text)
    return made


def to_bytes(root: ElementTree.Element, declared: bool = True) -> bytes:
    """Return the document, indented, with a declaration of UTF-8 unless somebody will paste it as text."""
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    head = '<?xml version="1.0" encoding="UTF-8"?>\n' if declared else ""
    return f"{head}{body}\n".encode()

"""Declare an annotation format: how its files are recognised and read.

A module with a module-level ``FORMAT`` in this folder is a built-in format. Another package adds one
through an entry point of the group ``ttprep.formats``; docs/contributing/add-an-annotation-format.md
shows the steps.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from pipeline.annotations.formats.recorder import Recorder
from pipeline.annotations.options import AnnotationOptions
from pipeline.annotations.parsing import json_lines, xml_nodes
from pipeline.annotations.parsing.text import Refused, decode
from pipeline.discovery import VIDEO_SUFFIXES
from stages.base import Params

Syntax = Literal["xml", "json", "text"]

#: bytes that a format looks at to recognise a file without parsing it
HEAD = 4096

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_SUFFIX = re.compile(r"\.[a-z0-9_-]+")


class AnnotationFile:
    """One annotation file in memory, decoded and parsed at most once.

    Parameters
    ----------
    name : str
        Path of the file; it is not opened.
    data : bytes
    options : AnnotationOptions, optional
        What the manifest says about reading annotations.
    """

    def __init__(self, name: str, data: bytes, options: AnnotationOptions | None = None) -> None:
        self.name = name
        self.data = data
        self.options = options or AnnotationOptions()
        self._first = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
        self._parsed: xml_nodes.Element | json_lines.Node | Refused | None = None

    @property
    def suffix(self) -> str:
        """Return the ending of the name in lower case, such as ``.xml``."""
        return PurePosixPath(self.name).suffix.lower()

    @property
    def head(self) -> bytes:
        """Return the first 4096 bytes, without byte order mark and leading blanks."""
        return self.data[: HEAD + 3].removeprefix(b"\xef\xbb\xbf")[:HEAD].lstrip()

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing but blanks."""
        return not self._first

    @property
    def syntax(self) -> Syntax:
        """Tell the syntax from the first character: ``<`` is XML, ``{`` and ``[`` are JSON."""
        return "xml" if self._first == b"<" else "json" if self._first in (b"{", b"[") else "text"

    def text(self, encoding: str = "utf-8") -> str:
        """Decode the file.

        Raises
        ------
        Refused
            NUL bytes, or bytes that are not text in ``encoding``.
        """
        return decode(self.data, encoding)

    @property
    def xml(self) -> xml_nodes.Element | None:
        """Parse XML and return its root, with line numbers; None if the file is of another syntax.

        Raises
        ------
        Refused
            Not well-formed, with a DOCTYPE, nested too deeply, or not UTF-8.
        """
        found = self._parse() if self.syntax == "xml" else None
        return found if isinstance(found, xml_nodes.Element) else None

    @property
    def json(self) -> json_lines.Node | None:
        """Parse JSON and return its root, with line numbers; None if the file is of another syntax.

        Raises
        ------
        Refused
            Not JSON, nested too deeply, with an absurd number, or not UTF-8.
        """
        found = self._parse() if self.syntax == "json" else None
        return found if isinstance(found, json_lines.Node) else None

    def _parse(self) -> xml_nodes.Element | json_lines.Node:
        if self._parsed is None:
            parse = xml_nodes.parse if self.syntax == "xml" else json_lines.parse
            try:
                self._parsed = parse(self.text())
            except Refused as error:
                self._parsed = error
        if isinstance(self._parsed, Refused):
            raise self._parsed
        return self._parsed


@dataclass(frozen=True)
class AnnotationFormat:
    """A file format that annotations are read from.

    Attributes
    ----------
    name : str
        Unique; lower-case letters, digits, ``-`` and ``_``. A format of another package has its options
        under this name in ``annotation_options.formats``.
    title : str
        Name for people.
    told_by : str
        What tells a file of this format from others, for messages and tables.
    syntax : {"xml", "json", "text"}
        How files begin: with ``<``, with ``{`` or ``[``, or with anything. A format of the first two
        is only asked about files of its syntax, a ``text`` format about every file.
    suffixes : tuple of str
        Endings, such as ``".xml"``, of the files that are picked up when a folder is read. A
        file that is named directly is read whatever its ending.
    recognises : callable
        File → whether it is of this format. Looks at name and content and raises nothing but
        :class:`~pipeline.annotations.parsing.text.Refused` (which parsing does).
    read : callable
        File, recorder → None. Hands what the file holds to the recorder, each entry with its line.
        Raises nothing but ``Refused``, after which nothing of the file is used.
    options : type of Params, optional
        What the manifest may set; ``Recorder.options_as`` returns the parsed object.
    precedence : int
        Formats of higher precedence are asked first; among equals those of other packages, then in
        the order of their names.
    clip_label : callable, optional
        Absolute path of a file → its label, if its place in a folder tree says that it is a video
        cut to one stroke; None for every other path.

    Raises
    ------
    ValueError
        A name or suffix that cannot be used.
    """

    name: str
    title: str
    told_by: str
    syntax: Syntax
    suffixes: tuple[str, ...]
    recognises: Callable[[AnnotationFile], bool]
    read: Callable[[AnnotationFile, Recorder], None]
    options: type[Params] | None = None
    precedence: int = 0
    clip_label: Callable[[PurePosixPath], str | None] | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} cannot be a format's name; use lower-case letters and digits")
        if self.syntax not in ("xml", "json", "text"):
            raise ValueError(f"syntax {self.syntax!r} is unknown; use xml, json or text")
        for suffix in self.suffixes:
            if not _SUFFIX.fullmatch(suffix):
                raise ValueError(f"{suffix!r} is not a suffix; write one in lower case, such as '.xml'")
            if suffix in VIDEO_SUFFIXES:
                raise ValueError(f"{suffix!r} is a suffix of videos; annotations need another one")

"""Parse JSON with the line of every value, in one pass and without recursion.

The standard decoder forgets positions, keeps only one of several equal keys, and recurses as deeply as
the file demands. This one keeps all keys in order and refuses deep nesting and absurd numbers. The
standard library decodes the strings.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import cast

from pipeline.annotations.parsing.text import Refused

MAX_DEPTH = 64
MAX_DIGITS = 30

_BLANK = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"[^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORDS = {"true": True, "false": False, "null": None}

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON value with its line.

    Attributes
    ----------
    value : scalar, list of Node, or list of Member
        Objects are lists of members, in the order of the file, equal keys and all.
    line : int
        Of its first character, from 1.
    is_object : bool
    """

    value: Scalar | list[Node] | list[Member]
    line: int
    is_object: bool = False

    @property
    def members(self) -> list[Member]:
        """Return the members of an object; empty for everything else."""
        return cast("list[Member]", self.value) if self.is_object else []

    @property
    def items(self) -> list[Node]:
        """Return the items of an array; empty for everything else."""
        return cast("list[Node]", self.value) if self.is_array else []

    @property
    def is_array(self) -> bool:
        """Tell whether this is an array."""
        return isinstance(self.value, list) and not self.is_object

    @property
    def scalar(self) -> Scalar:
        """Return the value of a string, number, truth value or null; None for the rest."""
        return None if isinstance(self.value, list) else self.value

    def get(self, key: str) -> Node | None:
        """Return the value of the first member with a key; None if there is none."""
        return next((m.node for m in self.members if m.key == key), None)

    def keys(self) -> set[str]:
        """Return the keys of an object; empty for everything else."""
        return {m.key for m in self.members}


@dataclass(frozen=True, slots=True)
class Member:
    """A key of an object with its line and its value."""

    key: str
    line: int
    node: Node


@dataclass(slots=True)
class _Open:
    """A container that is being read."""

    node: Node
    key: str = ""
    key_line: int = 0


def parse(text: str) -> Node:
    """Parse a JSON document.

    Parameters
    ----------
    text : str

    Returns
    -------
    Node

    Raises
    ------
    Refused
        Not JSON, nested deeper than 64, or with a number of more than 30 characters.
    """
    return _Parser(text).run()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.starts = [0, *(m.end() for m in re.finditer("\n", text))]

    def line(self, at: int) -> int:
        return bisect_right(self.starts, at)

    def fail(self, what: str) -> Refused:
        return Refused("broken-file", f"not JSON: {what}", self.line(self.at))

    def peek(self) -> str:
        match = _BLANK.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return self.text[self.at : self.at + 1]

    def string(self) -> str:
        match = _STRING.match(self.text, self.at)
        try:
            value = str(json.loads(match[0])) if match else None
        except ValueError:
            value = None
        if match is None or value is None:
            raise self.fail("a text without end, or with a character that must be written as an escape")
        self.at = match.end()
        if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
            raise self.fail("half a surrogate pair is no text")
        return value

    def scalar(self, char: str) -> Scalar:
        if char == '"':
            return self.string()
        for word, value in _WORDS.items():
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return value
        match = _NUMBER.match(self.text, self.at)
        if match is None:
            raise self.fail("a value was expected" if char else "the file ends too early")
        if len(match[0]) > MAX_DIGITS:
            raise Refused("hostile", f"a number of {len(match[0])} characters", self.line(self.at))
        self.at = match.end()
        number = match[0]
        return float(number) if any(c in number for c in ".eE") else int(number)

    def key(self, top: _Open) -> None:
        if self.peek() != '"':
            raise self.fail("a key in quotation marks was expected")
        top.key_line = self.line(self.at)
        top.key = self.string()
        if self.peek() != ":":
            raise self.fail("':' was expected")
        self.at += 1

    def run(self) -> Node:
        stack: list[_Open] = []
        while True:
            # here a value begins
            char = self.peek()
            line = self.line(self.at)
            if char in ("{", "["):
                if len(stack) >= MAX_DEPTH:
                    raise Refused("hostile", f"nested deeper than {MAX_DEPTH}", line)
                opened = _Open(Node([], line, char == "{"))
                self.at += 1
                if self.peek() != ("}" if char == "{" else "]"):
                    stack.append(opened)
                    if char == "{":
                        self.key(opened)
                    continue
                self.at += 1
                done = opened.node
            else:
                done = Node(self.scalar(char), line)
            # here a value ends, and perhaps the containers around it
            while stack:
                top = stack[-1]
                if top.node.is_object:
                    top.node.members.append(Member(top.key, top.key_line, done))
                else:
                    top.node.items.append(done)
                char = self.peek()
                if char == ",":
                    self.at += 1
                    if top.node.is_object:
                        self.key(top)
                    break
                if char != ("}" if top.node.is_object else "]"):
                    raise self.fail("',' or the end of the object or array was expected")
                self.at += 1
                done = stack.pop().node
            else:
                if self.peek():
                    raise self.fail("something follows the end of the document")
                return done

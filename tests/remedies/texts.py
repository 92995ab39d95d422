"""Find every message of the packages that names a remedy, and every part of one that a test follows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.remedies.following import HOLE, as_pattern

ROOT = Path(__file__).parents[2]
ROOMS = ("pipeline", "stages", "store", "tttrain", "ttdemo")
#: words that a remedy begins with, in the imperative or as a list of what there is
WORDS = (
    "how they are read stands in|add|annotate|begin|check|choose|confirm|convert|copy|correct|create|delete|"
    "did you mean|every side must be|export|free|give|if that is wrong|if they were|the next|"
    "if the table holds|install|is a quotation mark|"
    "is it|keep one|known|leave|list|look|make|map|mend|mount|move|name|nest|put|remove|rename|"
    "restore|run|save|say|see|set|shorten|split|start|switch|take|the presets are|the stages are|"
    "there are|the video has|train|translate|try|uninstall|unset|update|use|wait|what is read|write|`ttprep|"
    "`tttrain"
)
#: before such a word: the begin of the text, or a mark that ends the reason
REMEDY = re.compile(rf"(?:^|; |: |, or |, and |\. )(?:please )?(?:{WORDS})(?![\w-])", re.IGNORECASE)
#: of help and documents; messages begin in small letters, or with a name
_SENTENCE = re.compile("[A-Z][a-z]")
#: shorter constants are names, not messages
_SHORTEST = 15


def is_followed(text: str, part: str) -> bool:
    """Return whether a text of the sources has a part that is followed, and its remedy in it."""
    found, remedy = as_pattern(part).search(text), REMEDY.search(text)
    return found is not None and remedy is not None and found.end() >= remedy.end()


def said(folder: Path) -> dict[str, str]:
    """Return every ``Says("…")`` of the tests in a folder, each with the file where it stands."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Says":
                (text,) = (ast.literal_eval(part) for part in node.args)
                found[text] = path.relative_to(folder).as_posix()
    return found


def texts() -> dict[str, str]:
    """Return every text of the packages that has a remedy, each with the file and line where it stands.

    Literals, f-strings and sums of them, with ``{}`` for what is filled in; constants in capitals are put in
    their places, and reason and remedy of a ``StageError`` are one text. Docstrings and help are none.
    """
    trees = {
        path: ast.parse(path.read_text(encoding="utf-8"))
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
    }
    known: dict[str, str] = {}
    for tree in trees.values():
        known |= constants_of(tree, known)
    return {
        text: f"{path.relative_to(ROOT)}:{line}"
        for path, tree in trees.items()
        for line, text in _texts_of(tree, known | constants_of(tree, known))
        if REMEDY.search(text) and not _SENTENCE.match(text) and "\n" not in text
    }


def constants_of(tree: ast.Module, known: dict[str, str]) -> dict[str, str]:
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name, text = node.targets[0].id, _text(node.value, known)
            if name.isupper() and text is not None and len(text) > _SHORTEST:
                found[name] = text
    return found


def _texts_of(tree: ast.Module, known: dict[str, str]) -> Iterator[tuple[int, str]]:
    done: set[int] = set()
    for node in ast.walk(tree):  # from the outside in
        if id(node) in done:
            continue
        text = None
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            done.add(id(node.value))  # a docstring
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "StageError":
            text = "; ".join(_text(part, known) or HOLE for part in node.args)
            if all(isinstance(part, ast.Name | ast.Attribute) for part in node.args):
                text = None
        elif not isinstance(node, ast.Name):
            text = _text(node, known)
        if text is not None:
            done.update(id(inner) for inner in ast.walk(node))
        if text and " " in text:
            yield getattr(node, "lineno", 0), text


def _text(node: ast.AST, known: dict[str, str]) -> str | None:
    """Return the text that an expression makes; None where it is none."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, known) or HOLE for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return _text(node.value, known)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts = _text(node.left, known), _text(node.right, known)
        return None if parts == (None, None) else "".join(part or HOLE for part in parts)
    return None

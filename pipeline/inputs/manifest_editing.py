"""Write a video's focus into a manifest and leave every other character as it is.

The text is changed where PyYAML says that the video's entry stands; then both texts are read and compared,
so that nothing but this focus can have changed. Where that cannot be done, the manifest stays and the user is
told the line.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.discovery import nfc
from pipeline.errors import USAGE, UserError
from pipeline.inputs.yaml_file import load
from store.atomic import write_bytes

#: one focus: a word of docs/focus.md, or a box in shares of the picture
Value = str | list[float]
#: of a video: one for all of it, or one for each of its players
Focus = Value | Mapping[str, Value]
_PLAIN = re.compile(r"[A-Za-z_À-ɏ][\w./ -]*")


def focus_line(focus: Focus) -> str:
    """Return the setting as it stands in a manifest: ``focus: left``, ``focus: {anna: left, ben: right}``."""
    return f"focus: {_written(focus)}"


def write_focus(manifest: Path, video: Path, focus: Focus) -> list[str]:
    """Write the focus of a video into a manifest.

    Parameters
    ----------
    manifest : Path
    video : Path
        Its file; the entry that names it is changed. Where only a folder of it is named, the video gets an
        entry of its own with what the folder's says.
    focus : Focus

    Returns
    -------
    list of str
        The lines that were taken out and put in, with ``-`` and ``+`` in front; empty where nothing changed.

    Raises
    ------
    UserError
        The manifest cannot be read, or not be changed without touching something else.
    """
    before = _read(manifest)
    after = with_focus(before, manifest, video, focus)
    if after == before:
        return []
    try:
        write_bytes(manifest, after.encode())
    except OSError as e:
        raise UserError(
            f"{manifest}: cannot be written ({e.strerror}); add it yourself: {focus_line(focus)}"
        ) from e
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def with_focus(text: str, manifest: Path, video: Path, focus: Focus) -> str:
    """Return the text of a manifest with the focus of a video; see :func:`write_focus`."""
    mark, text = (text[:1], text[1:]) if text.startswith("\ufeff") else ("", text)
    value = yaml.safe_load(text)
    value = {} if value is None else value
    if not isinstance(value, dict):
        raise _refused(manifest, "is no mapping of names to values", focus)
    entries = value.get("videos") or []
    if not isinstance(entries, list):
        raise _refused(manifest, "has no list under videos", focus)
    _require_no_source(manifest, value.get("sources"), video, focus)
    edited, videos = _edited(text, entries, manifest, video, focus)
    if _parsed(edited) != {**value, "videos": videos}:
        raise _refused(manifest, f"is written in a way in which {video.name} cannot be changed alone", focus)
    return mark + edited


def _edited(
    text: str, entries: list[Any], manifest: Path, video: Path, focus: Focus
) -> tuple[str, list[Any]]:
    """Return the changed text, and what its ``videos`` must say."""
    root = yaml.compose(text, yaml.SafeLoader)
    node = next((n for key, n in root.value if key.value == "videos"), None) if root is not None else None
    eol = "\r\n" if "\r\n" in text else "\n"
    at, whole = _entry(manifest, entries, video)
    given = {} if at is None else entries[at] if isinstance(entries[at], dict) else {"path": entries[at]}
    if at is not None and whole and isinstance(node, yaml.SequenceNode):
        videos = [*entries[:at], given | {"focus": _plain(focus)}, *entries[at + 1 :]]
        return _in_entry(text, node.value[at], focus, eol), videos
    entry = {**given, "path": _path_in(manifest, video)}
    entry.pop("focus", None)
    line = "{" + ", ".join([*(f"{k}: {_written(v)}" for k, v in entry.items()), focus_line(focus)]) + "}"
    return _with_entry(text, root, node, line, eol), [*entries, entry | {"focus": _plain(focus)}]


def _in_entry(text: str, node: yaml.Node, focus: Focus, eol: str) -> str:
    """Put the focus into the entry of a video."""
    setting = focus_line(focus)
    if isinstance(node, yaml.ScalarNode):
        begin, end = _span(node)
        path = text[begin:end] if node.style in ("'", '"') else _written(node.value)
        return f"{text[:begin]}{{path: {path}, {setting}}}{text[end:]}"
    assert isinstance(node, yaml.MappingNode)
    for key, old in node.value:
        if key.value == "focus":
            begin, end = _span(key)[0], _span(old)[1]
            if "#" in text[begin:end]:  # a remark between its lines would be lost
                return text
            return f"{text[:begin]}{setting}{text[end:]}"
    last = _span(node.value[-1][1])[1]
    if node.flow_style:
        return f"{text[:last]}, {setting}{text[last:]}"
    indent = " " * node.start_mark.column
    first = _span(node.value[0][1])[1]
    stop = text.find("\n", first)
    if stop < 0:
        return f"{text}{eol}{indent}{setting}{eol}"
    return f"{text[: stop + 1]}{indent}{setting}{eol}{text[stop + 1 :]}"


def _with_entry(text: str, root: Any, videos: yaml.Node | None, line: str, eol: str) -> str:
    """Put a new entry behind those that are there."""
    if videos is None:
        body = text if not text or text.endswith("\n") else text + eol
        return f"{body}videos:{eol}  - {line}{eol}"
    begin, end = _span(videos)
    if isinstance(videos, yaml.SequenceNode) and videos.value:
        last = videos.value[-1]
        stop = _span(last)[1]
        if videos.flow_style:
            return f"{text[:stop]}, {line}{text[stop:]}"
        newline = text.find("\n", stop)
        dash = " " * videos.start_mark.column
        if newline < 0:
            return f"{text}{eol}{dash}- {line}{eol}"
        return f"{text[: newline + 1]}{dash}- {line}{eol}{text[newline + 1 :]}"
    if isinstance(videos, yaml.SequenceNode) and root.flow_style:
        return f"{text[:begin]}[{line}]{text[end:]}"
    # `videos: []`, or nothing behind the colon
    start = text.rfind(":", 0, begin + 1) + 1 if begin == end else len(text[:begin].rstrip(" "))
    return f"{text[:start]}{eol}  - {line}{text[end:]}"


def _span(node: yaml.Node) -> tuple[int, int]:
    """Return where a node begins and ends; a block ends behind its last content, not before the next key."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return node.start_mark.index, _span(last[1] if isinstance(last, tuple) else last)[1]
    return node.start_mark.index, node.end_mark.index


def _require_no_source(manifest: Path, sources: Any, video: Path, focus: Focus) -> None:
    """Refuse to name a video under ``videos`` that belongs to many under ``sources``."""
    for entry in sources if isinstance(sources, list) else ():
        path = entry.get("path") if isinstance(entry, dict) else None
        if isinstance(path, str) and (manifest.parent / path).resolve() in video.resolve().parents:
            raise UserError(
                f"{manifest}: {video.name} belongs to the source {path}, whose videos have one focus; add to"
                f" that entry: {focus_line(focus)}",
                USAGE,
            )


def _entry(manifest: Path, entries: list[Any], video: Path) -> tuple[int | None, bool]:
    """Return the entry that counts for a video, and whether it is of this video alone."""
    place = video.resolve()
    own: int | None = None
    nearest: tuple[int, int] | None = None
    for number, entry in enumerate(entries):
        path = entry.get("path") if isinstance(entry, dict) else entry
        if not isinstance(path, str):
            continue
        named = (manifest.parent / path).resolve()
        if nfc(str(named)) == nfc(str(place)):
            own = number  # of two the last one counts
        elif named in place.parents and (nearest is None or len(named.parts) >= nearest[0]):
            nearest = len(named.parts), number
    return (own, True) if own is not None else (None if nearest is None else nearest[1], False)


def _path_in(manifest: Path, video: Path) -> str:
    """Return a video's path as the manifest may name it: relative to its folder where it lies below."""
    folder, place = Path(os.path.abspath(manifest.parent)), Path(os.path.abspath(video))
    return place.relative_to(folder).as_posix() if place.is_relative_to(folder) else place.as_posix()


def _written(value: Any) -> str:
    """Return a value in YAML's flow style, on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_written(k)}: {_written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_written, value)) + "]"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str):
        safe = _PLAIN.fullmatch(value) is not None and value == value.strip()
        return value if safe and yaml.safe_load(value) == value else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)


def _plain(focus: Focus) -> Any:
    """Return a focus as reading it back gives it."""
    return yaml.safe_load(_written(focus))


def _parsed(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None


def _read(manifest: Path) -> str:
    load(manifest)  # says what is wrong with it
    return manifest.read_bytes().decode()


def _refused(manifest: Path, why: str, focus: Focus) -> UserError:
    return UserError(f"{manifest}: {why}; add it to the video's entry yourself: {focus_line(focus)}", USAGE)

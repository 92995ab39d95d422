"""The name of everything in a store: decided here, and recognised here.

A file counts as the store's own only if its place and name match one of these patterns completely (and its
content agrees: :mod:`store.ownership`). See docs/store-format.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal

MARKER = "ttprep-store.json"
VIDEOS, SOURCES, SPLITS, LOCKS = "videos", "sources", "splits", "locks"
FOLDERS = (VIDEOS, SOURCES, SPLITS, LOCKS)
PARTS = "parts"
#: what stands between a file's name and the process that is writing it
TEMP_MARK = ".tmp-"
#: hexadecimal digits of a video's sha256 or of a key that become part of a name
DIGITS = 16

Kind = Literal[
    "folder", "marker", "feature", "receipt", "failed", "damaged", "part", "part note", "source", "splits",
    "old lock", "lock", "temporary",
]  # fmt: skip

STAGE = r"[A-Za-z][A-Za-z0-9_-]*"
_HEX = r"[0-9a-f]"
_STAGE = re.compile(STAGE)
_SHA256 = re.compile(rf"{_HEX}{{64}}")
_VIDEO = re.compile(rf"{_HEX}{{{DIGITS}}}")
_RESULT = rf"{VIDEOS}/{_HEX}{{16}}/(?P<stage>{STAGE})-(?P<key>{_HEX}{{16}})"
_PART = rf"{VIDEOS}/{_HEX}{{16}}/{PARTS}/(?P<stage>{STAGE})-(?P<key>{_HEX}{{16}})-[0-9]{{8,19}}"
_WRITER = r"(?P<pid>[1-9][0-9]{0,9})-[0-9a-f]{8}"
_PATTERNS: dict[Kind, str] = {
    "folder": rf"(?:{'|'.join(FOLDERS)})|{VIDEOS}/{_HEX}{{16}}(?:/{PARTS})?",
    "marker": re.escape(MARKER),
    "feature": rf"{_RESULT}\.h5",
    "receipt": rf"{_RESULT}\.json",
    "failed": rf"{_RESULT}\.failed\.json",
    "damaged": rf"{_RESULT}\.damaged\.json",
    "part": rf"{_PART}\.h5",
    "part note": rf"{_PART}\.json",
    "source": rf"{SOURCES}/{_HEX}{{24}}\.json",
    "splits": rf"{SPLITS}/{_HEX}{{16}}\.json",
    "old lock": rf"{SPLITS}/{_HEX}{{16}}\.lock",
    "lock": rf"{LOCKS}/(?P<lock>run|gc|splits)-(?P<host>[^/]+)-{_WRITER}\.json",
}
_TEMP = rf"(?P<base>.+){re.escape(TEMP_MARK)}(?P<host>[^/-]+)-{_WRITER}"


@dataclass(frozen=True)
class Name:
    """What a place and a name inside a store say.

    Attributes
    ----------
    kind : str
    stage, key : str
        Of a result or a part: the stage and the first 16 hex digits of the key; else empty.
    host, pid : str
        Of a lock or a temporary file: who made it; else empty.
    lock : str
        Kind of a lock; else empty.
    """

    kind: Kind
    stage: str = ""
    key: str = ""
    host: str = ""
    pid: str = ""
    lock: str = ""


def recognise(path: Path, root: Path) -> Name | None:
    """Return what the name of a path below ``root`` says, None where it is no name of the store's."""
    place = path.relative_to(root).as_posix()
    temporary = parse_temporary(place)
    if temporary is None:
        return _match(place)
    base, host, pid = temporary
    final = _match(base)
    return Name("temporary", host=host, pid=pid) if final and final.kind != "folder" else None


def _match(place: str) -> Name | None:
    for kind, pattern in _PATTERNS.items():
        if found := re.fullmatch(pattern, place):
            return Name(kind, **found.groupdict())
    return None


def parse_temporary(name: str) -> tuple[str, str, str] | None:
    """Split a temporary file's name into the final name, host and process; None where it is no such name."""
    found = re.fullmatch(_TEMP, name)
    return (found["base"], found["host"], found["pid"]) if found else None


def result_stem(stage: str, key: str) -> str:
    """Return the name of a result's files up to their suffix."""
    return f"{stage}-{key[:DIGITS]}"


def is_stage(text: str) -> bool:
    """Tell whether a text can be the stage in a file's name."""
    return _STAGE.fullmatch(text) is not None


def is_sha256(text: object) -> bool:
    """Tell whether a value is the hex digest of a sha256."""
    return isinstance(text, str) and _SHA256.fullmatch(text) is not None


def is_video(text: str) -> bool:
    """Tell whether a text is the name of a video's folder."""
    return _VIDEO.fullmatch(text) is not None


#: what stands for no byte of a name and no character
_LONE = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def valid_text(text: str) -> str:
    r"""Return text that can be encoded as UTF-8.

    A byte of a file's name that is not UTF-8 (Python holds it as a surrogate) becomes ``\xfc``: backslash, x
    and two hexadecimal digits. Every other text stays as it is.

    Parameters
    ----------
    text : str
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        text = _LONE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return text


def shown(path: PurePath | str) -> str:
    """Return a path that any terminal can print; see :func:`valid_text`."""
    return valid_text(str(path))

"""The store's JSON notes: each carries a checksum over its content, and is checked before it is believed.

A note is a receipt, the note about a source or a part, a verdict on a file, a table of splits, a lock, or
the marker of the store itself. What is wrong with one is raised as :class:`~store.errors.DamagedError`;
what could not be read at all is an :class:`OSError`, which says nothing about the note.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from operator import le, lt
from pathlib import Path
from typing import Any

from store.atomic import read_regular
from store.errors import DamagedError
from store.names import is_sha256, is_stage, shown

#: the field that holds the sha256 of all others
CHECKSUM = "checksum"
#: from this version of the store on a note without a checksum is damaged
SIGNED_VERSION = 2
_LARGEST_INT = 1 << 62
#: bytes: no note of the store is larger
_LARGEST = 1 << 26

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))

#: notes that this process has checked, by their bytes
_sound: set[tuple[str, bool, bytes]] = set()
_MOST_KNOWN = 100_000

Check = Callable[[Any], bool]


def checksum(content: Mapping[str, Any]) -> str:
    """Return the sha256 of the content but the checksum: of JSON with sorted names, no blanks."""
    rest = {name: value for name, value in content.items() if name != CHECKSUM}
    return hashlib.sha256(_CANONICAL.encode(rest).encode()).hexdigest()


def signed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a note's content with its checksum."""
    return {**content, CHECKSUM: checksum(content)}


def read_note(path: Path | str, kind: str, *, unsigned: bool) -> dict[str, Any] | None:
    """Return the content of a note, None where there is none.

    Parameters
    ----------
    path : Path or str
    kind : str
        As in :data:`store.names.Kind`.
    unsigned : bool
        Accept a note without a checksum, as stores of version 1 hold; it must then have exactly the fields
        that were written then.

    Raises
    ------
    DamagedError
        It is not what the store wrote.
    OSError
        It is there and cannot be read now.
    """
    data = read_regular(path, _LARGEST, follow=True)
    if data is None:
        return None
    known = (kind, unsigned, hashlib.sha256(data).digest())
    if known in _sound:  # a plan reads each receipt several times
        value: dict[str, Any] = json.loads(data)
        value.pop(CHECKSUM, None)
        return value
    try:
        value = parse_note(data, kind, unsigned=unsigned)
    except DamagedError as e:
        raise DamagedError(f"{shown(path)}: {e}", Path(path)) from e
    if len(_sound) < _MOST_KNOWN:
        _sound.add(known)
    return value


def parse_note(data: bytes, kind: str, *, unsigned: bool) -> dict[str, Any]:
    """Return the content of a note's bytes, without the checksum; see :func:`read_note`."""
    try:
        value = json.loads(data.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        raise DamagedError("is no JSON") from None
    if not isinstance(value, dict):
        raise DamagedError("is no JSON object")
    required, optional = _SCHEMAS[kind]
    if CHECKSUM in value:
        if _checksum_or_none(value) != value[CHECKSUM]:
            raise DamagedError("its checksum is wrong")
        del value[CHECKSUM]
    elif not unsigned:
        raise DamagedError("its checksum is missing")
    elif strange := value.keys() - required.keys() - optional.keys():
        # a flipped bit may have renamed the checksum itself
        raise DamagedError(f"has a field that nobody writes ({_excerpt(min(strange))})")
    for name in required.keys() - value.keys():
        raise DamagedError(f"has no field {name}")
    for fields in (required, optional):
        for name, check in fields.items():
            if name in value and not check(value[name]):
                raise DamagedError(f"{name} cannot be {_excerpt(value[name])}")
    return value


def _checksum_or_none(value: Mapping[str, Any]) -> str | None:
    try:
        return checksum(value)
    except (ValueError, RecursionError):
        return None


def _excerpt(value: Any) -> str:
    text = repr(value)  # escapes what a terminal would obey
    return text if len(text) <= 40 else f"{text[:37]}..."


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_INT


def _is_time(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST_INT


def _are_ints(values: list[Any], least: int) -> bool:
    """Tell whether all are whole numbers from ``least`` on that 64 bits hold; quick, for there are many."""
    return not values or (
        set(map(type, values)) == {int} and least <= min(values) and max(values) <= _LARGEST_INT
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e18


_COSTS = ("rows", "core_s", "wall_s", "peak_mb", "finished", "samples_kept")


def _is_run(value: Any) -> bool:
    """What a run cost: numbers, the host's name, and whatever else a later version adds."""
    return _is_object(value) and all(_is_number(value[name]) for name in _COSTS if name in value)


def _is_parts(value: Any) -> bool:
    """What a key is made of."""
    return (
        _is_object(value)
        and _is_object(value.get("params", {}))
        and _is_object(inputs := value.get("inputs", {}))
        and set(map(type, inputs.values())) <= {str}
        and isinstance(arrays := value.get("arrays", []), list)
        and set(map(type, arrays)) <= {str}
        and isinstance(samples := value.get("samples", []), list)
        and all(isinstance(s, list) and len(s) == 2 and _are_ints(s, -_LARGEST_INT) for s in samples)
    )


def _is_shapes(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    for shape in value.values():  # no generator: a plan checks thousands
        if not (isinstance(shape, list) and 1 <= len(shape) <= 32 and _are_ints(shape, 0)):
            return False
    return True


def _is_header(value: Any) -> bool:
    """The digest of what is no array data, and where that lies: begin, end, begin, end, …."""
    if value is None:
        return True
    if not _is_object(value) or not is_sha256(value.get("sha256")):
        return False
    places = value.get("ranges")
    return (
        isinstance(places, list)
        and len(places) % 2 == 0
        and _are_ints(places, 0)
        and all(map(lt, places[::2], places[1::2]))
        and all(map(le, places[1::2], places[2::2]))
    )


def _is(text: str) -> Check:
    return lambda value: bool(value == text)


def _is_host(value: Any) -> bool:
    return _is_text(value) and re.fullmatch(r"[^/\x00-\x1f\x7f]+", value) is not None


_RESULT: dict[str, Check] = {"key": is_sha256, "size": _is_count, "sha256": is_sha256}
_VERDICT: dict[str, Check] = {"reason": _is_text}
#: kind → fields that it must have, and fields that it may have
_SCHEMAS: dict[str, tuple[dict[str, Check], dict[str, Check]]] = {
    "marker": ({"format": _is("ttprep-store"), "version": _is_count}, {}),
    "receipt": (
        {
            **_RESULT,
            "stage": lambda value: _is_text(value) and is_stage(value),
            "version": _is_count,
            "parts": _is_parts,
            "mtime_ns": _is_time,
            "shapes": _is_shapes,
            "attrs": _is_object,
            "run": _is_run,
        },
        {"header": _is_header},
    ),
    "part note": ({**_RESULT, "run": _is_run}, {}),
    "failed": (_VERDICT, {"at": _is_number}),
    "damaged": (_VERDICT, {}),
    "source": (
        {"path": _is_text, "sha256": is_sha256},
        {"size": _is_count, "mtime_ns": _is_time, "signature": is_sha256},
    ),
    "splits": (
        {"format": _is("ttprep-splits"), "version": _is_count, "parameters": _is_object, "table": _is_object},
        {},
    ),
    "lock": ({"kind": _is_text, "host": _is_host, "pid": _is_count}, {}),
}

"""Labels of whole trials and clips: a table with one line each; docs/sequences.md."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.annotations.parsing.text import BadField, Refused, decode, safe_name, table_delimiter
from pipeline.annotations.parsing.video_names import VideoNames
from pipeline.discovery import special_kind
from pipeline.errors import USAGE, UserError

MAX_BYTES = 100_000_000
#: what the column that names trial or clip may be called
_NAMES = ("file", "trial", "clip", "video", "name")
_DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True)
class Label:
    """What a table says of one trial or clip.

    Attributes
    ----------
    label : str
        Empty where it says nothing.
    player : str
    line : int
    """

    label: str
    player: str = ""
    line: int = 0


def read_labels(
    path: Path, members: Iterable[str], home: Path | None = None
) -> tuple[dict[str, Label], list[str]]:
    """Read a table of labels.

    Parameters
    ----------
    path : Path
        CSV with the columns ``file`` and ``label``, and ``player`` if players are known.
    members : iterable of str
        Trials or clips that there are, relative to their source.
    home : Path, optional
        The source, for lines that name a member by its absolute path.

    Returns
    -------
    labels : dict of str to Label
        By member.
    notes : list of str
        Lines that name none of them.

    Raises
    ------
    UserError
        The table cannot be read, or names one member twice with different labels: one line for each finding.
    """
    names = VideoNames(dict.fromkeys(members), home)
    labels: dict[str, Label] = {}
    notes: list[str] = []
    problems: list[str] = []
    for line, row in _rows(path):
        try:
            name = next(row[n] for n in _NAMES if n in row)
            member = names.at(name) or names.find(safe_name(name))
        except BadField as e:
            problems.append(f"{path}:{line}: {e.message}")
            continue
        if member is None:
            notes.append(f"{path}:{line}: there is no {name!r}; the line is not used")
            continue
        found = Label(row["label"], row.get("player", ""), line)
        known = labels.setdefault(member, found)
        if (known.label, known.player) != (found.label, found.player):
            problems.append(
                f"{path}:{line}: {member} is {found.label!r} here and {known.label!r} on line {known.line}; "
                "keep one of them"
            )
    if problems:
        raise UserError("\n".join(problems), USAGE)
    return labels, notes


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        status = path.stat()
        if kind := special_kind(status.st_mode):
            raise UserError(f"{path}: is {kind}, not a file; check the manifest", USAGE)
        if status.st_size > MAX_BYTES:
            raise UserError(f"{path}: larger than {MAX_BYTES // 10**6} MB; that is no table of labels", USAGE)
        text = decode(path.read_bytes())
    except OSError as e:
        raise UserError(f"{path}: cannot be read ({e.strerror}); check the manifest", USAGE) from None
    except Refused as e:
        where = f"{path}:{e.line}" if e.line else str(path)
        raise UserError(f"{where}: {e.message}", USAGE) from None
    told, top = table_delimiter(text)
    text, above = text[len(top) :], bool(top)
    first = next(iter(text.splitlines()), "")
    delimiter = told or max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip().casefold() for name in next(reader, [])]
        if "label" not in header or not set(_NAMES) & set(header):
            raise UserError(f"{path}:1: labels need the columns file and label; name them in line 1", USAGE)
        rows = []
        for cells in reader:
            if len(cells) != len(header) and any(c.strip() for c in cells):
                what = f"{len(cells)} cells under {len(header)} columns"
                raise UserError(f"{path}:{reader.line_num + above}: {what}; mend the line", USAGE)
            if any(c.strip() for c in cells):
                row = dict(zip(header, (c.strip() for c in cells), strict=True))
                rows.append((reader.line_num + above, row))
    except csv.Error as e:
        where = f"{path}:{reader.line_num + above}"
        raise UserError(f"{where}: the line cannot be read: {e}; mend it", USAGE) from None
    return rows

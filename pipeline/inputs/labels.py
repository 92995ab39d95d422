"""Labels of whole trials and clips: a table with one line each; docs/sequences.md."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from pipeline.annotations.options import LabelPart, label_parts
from pipeline.annotations.parsing.focus import name_of, read_focus
from pipeline.annotations.parsing.text import BadField, Refused, decode, safe_name, table_delimiter
from pipeline.annotations.parsing.video_names import VideoNames
from pipeline.discovery import special_kind
from pipeline.errors import USAGE, UserError
from stages.base import Params
from stages.focus import Focus

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
    group : str
        What it was taken from.
    focus : Focus or None
        Where its player is.
    """

    label: str
    player: str = ""
    line: int = 0
    group: str = ""
    focus: Focus | None = None


class LabelColumns(Params):
    """Name the columns of a table of labels; upper and lower case are the same.

    A column that is named must be there; ``player``, ``group`` and ``focus`` are used where they are, too.

    Attributes
    ----------
    label : tuple of LabelPart
        Parts of the label, joined with blanks. A part may be given as the name of its column alone.
    player : str
        Who plays: for splits by player.
    group : str
        What a trial or clip was taken from, as a match or a channel: for splits and folds by group.
    focus : str
        Where the player is: a word, or a box or polygon in square brackets. An empty cell says nothing.
    """

    label: tuple[LabelPart, ...] = Field(default=(LabelPart(column="label"),), min_length=1)
    player: str = "player"
    group: str = "group"
    focus: str = "focus"

    @field_validator("label", mode="before")
    @classmethod
    def _label(cls, value: Any) -> Any:
        return label_parts(value)

    @property
    def required(self) -> list[str]:
        """Return the columns that a table must have, without that of the file."""
        named = [
            getattr(self, name) for name in ("player", "group", "focus") if name in self.model_fields_set
        ]
        return [column.strip().casefold() for column in (*(part.column for part in self.label), *named)]


def read_labels(
    path: Path, members: Iterable[str], home: Path | None = None, columns: LabelColumns | None = None
) -> tuple[dict[str, Label], list[str]]:
    """Read a table of labels.

    Parameters
    ----------
    path : Path
        CSV with the columns ``file`` and ``label``; ``player``, ``group`` and ``focus`` where they are known.
    members : iterable of str
        Trials or clips that there are, relative to their source.
    home : Path, optional
        The source, for lines that name a member by its absolute path.
    columns : LabelColumns, optional
        Where the columns have other names, or several make up the label.

    Returns
    -------
    labels : dict of str to Label
        By member.
    notes : list of str
        Lines that name none of them; cells without a translation.

    Raises
    ------
    UserError
        The table cannot be read, or names one member twice with different labels: one line for each finding.
    """
    columns = columns or LabelColumns()
    names = VideoNames(dict.fromkeys(members), home)
    labels: dict[str, Label] = {}
    notes: list[str] = []
    problems: list[str] = []
    strange: dict[str, int] = {}
    for line, row in _rows(path, columns):
        try:
            name = next(row[n] for n in _NAMES if n in row)
            member = names.at(name) or names.find(safe_name(name))
        except BadField as e:
            problems.append(f"{path}:{line}: {e.message}")
            continue
        if member is None:
            notes.append(f"{path}:{line}: there is no {name!r}; the line is not used")
            continue
        player, group, place = (
            row.get(name.strip().casefold(), "") for name in (columns.player, columns.group, columns.focus)
        )
        try:
            focus = read_focus(place) if place else None
        except ValueError as e:
            problems.append(f"{path}:{line}: {columns.focus}: {e}")
            continue
        found = Label(_composed(columns, row, line, strange), player, line, group, focus)
        known = labels.setdefault(member, found)
        here, there = (
            (k.label, k.player, k.group, name_of(k.focus) if k.focus else "") for k in (found, known)
        )
        if here != there:
            pairs = zip(here, there, strict=True)
            one, other = next((a, b) for a, b in pairs if a != b)
            problems.append(
                f"{path}:{line}: {member} is {one!r} here and {other!r} on line {known.line}; "
                "keep one of them"
            )
    notes += [f"{path}:{line}: {cell} has no translation; kept as it is" for cell, line in strange.items()]
    if problems:
        raise UserError("\n".join(problems), USAGE)
    return labels, notes


def _composed(columns: LabelColumns, row: Mapping[str, str], line: int, strange: dict[str, int]) -> str:
    """Compose a label; cells without a translation are kept, and noted with the first line they stand on."""
    words = []
    for part in columns.label:
        cell = row[part.column.strip().casefold()]
        word = part.translate(cell)
        if word is None:
            strange.setdefault(f"{part.column} {cell!r}", line)
            word = cell
        words.append(word)
    return " ".join(word for word in words if word)


def _rows(path: Path, columns: LabelColumns) -> list[tuple[int, dict[str, str]]]:
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
        lacking = [name for name in columns.required if name not in header]
        if lacking or not set(_NAMES) & set(header):
            needed = " and ".join(dict.fromkeys(("file", *columns.required)))
            raise UserError(f"{path}:1: labels need the columns {needed}; name them in line 1", USAGE)
        if len(set(header)) < len(header):
            twice = next(name for name in header if header.count(name) > 1)
            raise UserError(f"{path}:1: two columns are named {twice!r}; rename one", USAGE)
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

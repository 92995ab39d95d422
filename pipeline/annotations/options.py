"""Define ``annotation_options``: what a manifest may say about reading annotations."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from stages.base import Params


class LabelPart(Params):
    """One part of a label that is composed from several columns (CSV) or attributes (CVAT).

    Attributes
    ----------
    column : str
        Column of the CSV table, or attribute of the CVAT track; ``label`` is the track's own label.
    values : dict of str to str, optional
        Cell → translation, ignoring case and outer blanks; an empty translation leaves the part out.
        Without ``values`` a cell is used as written. Empty cells are left out.
    """

    column: str
    values: dict[str, str] | None = None

    def translate(self, cell: str) -> str | None:
        """Translate a cell; None if there is no translation for it."""
        cell = cell.strip()
        if self.values is None or not cell:
            return cell
        table = {key.strip().casefold(): value for key, value in self.values.items()}
        return table.get(cell.casefold())


def label_parts(value: Any) -> Any:
    """Accept a column name for a part without translation, and one part for a list of one."""
    items = value if isinstance(value, list | tuple) else [value]
    return [{"column": item} if isinstance(item, str) else item for item in items]


class CsvColumns(Params):
    """Name the columns of a table.

    A file need not have the default columns ``label``, ``video``, ``annotator``, ``player`` and ``focus``; a
    column that the manifest names must be there.

    Attributes
    ----------
    begin : str
        Column of the interval's first frame or second.
    end : str
        Column of the interval's end.
    instant : str or None
        Column of an instant, as of a contact, in place of ``begin`` and ``end``.
    label : tuple of LabelPart
        Parts of the label, joined with blanks. A part may be given as the name of its column alone.
    video : str
        Column of the video.
    annotator : str
        Column of the annotator.
    player : str
        Column of the player.
    focus : str
        Column of where the player is: a word, or a box or polygon in square brackets.
    """

    begin: str = "begin"
    end: str = "end"
    instant: str | None = Field(default=None, min_length=1)
    label: tuple[LabelPart, ...] = (LabelPart(column="label"),)
    video: str = "video"
    annotator: str = "annotator"
    player: str = "player"
    focus: str = "focus"

    @field_validator("label", mode="before")
    @classmethod
    def _label(cls, value: Any) -> Any:
        return label_parts(value)

    @model_validator(mode="after")
    def _instant_or_interval(self) -> CsvColumns:
        if self.instant is not None and {"begin", "end"} & self.model_fields_set:
            raise ValueError("instant takes the place of begin and end; name one kind of columns")
        return self

    @property
    def required(self) -> frozenset[str]:
        """Return the columns that a file must have to fit the mapping."""
        names = {self.begin, self.end} if self.instant is None else {self.instant}
        optional = ("video", "annotator", "player", "focus")
        names.update(getattr(self, f) for f in optional if f in self.model_fields_set)
        if "label" in self.model_fields_set:
            names.update(part.column for part in self.label)
        return frozenset(names)


class CsvMapping(Params):
    """Define how one kind of CSV table is read.

    Attributes
    ----------
    columns : CsvColumns
        What the columns are called.
    delimiter : str or None
        None: the first of ``, ; tab |`` with which the header has the mapped columns.
    encoding : str
        ``utf-8`` (with or without byte order mark), ``latin-1`` or ``cp1252``.
    unit : {"frames", "seconds"}
        Unit of ``begin`` and ``end``. Seconds are rounded to the nearest frame (halves go up).
    first_frame : int
        Number of a video's first frame, 0 or 1; for ``unit: frames`` only.
    end_inclusive : bool
        Whether ``end`` is the last frame of the interval rather than the first frame after it; for
        ``unit: frames`` only.
    before, after : float
        Seconds of the interval before and after an ``instant``, each rounded to frames; the defaults are
        those of OpenTTGames.
    """

    columns: CsvColumns = CsvColumns()
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    encoding: Literal["utf-8", "latin-1", "cp1252"] = "utf-8"
    unit: Literal["frames", "seconds"] = "frames"
    first_frame: int = Field(default=0, ge=0, le=1)
    end_inclusive: bool = False
    before: float = Field(default=0.3, ge=0, le=10)
    after: float = Field(default=0.3, ge=0, le=10)

    @model_validator(mode="after")
    def _about_an_instant(self) -> CsvMapping:
        if self.columns.instant is None:
            if {"before", "after"} & self.model_fields_set:
                raise ValueError(
                    "before and after lie about an instant; name its column: columns: {instant: NAME}"
                )
        elif self.end_inclusive:
            raise ValueError("an instant has no end; leave end_inclusive out")
        elif not self.before + self.after:
            raise ValueError("before and after are both 0, which leaves nothing of a stroke; give one")
        return self

    @model_validator(mode="after")
    def _frames_only(self) -> CsvMapping:
        if self.unit == "seconds" and (self.first_frame or self.end_inclusive):
            raise ValueError("first_frame and end_inclusive are for unit: frames; leave them out for seconds")
        return self


class OpenTTGamesOptions(Params):
    """Define how OpenTTGames events become intervals.

    Attributes
    ----------
    before, after : float
        Seconds of the stroke before and after the frame of the event, which marks the hit. The default
        of 0.3 + 0.3 s is the shortest stroke that the siamese paper keeps, because the strokes of a
        rally follow each other every 0.4 to 0.6 s.
    fps : float
        Frame rate in 1/s that is assumed for an unknown video.
    strokes : dict of str to str
        Name of a stroke → label; ``{hand}`` becomes Forehand or Backhand. A stroke that is not
        listed is labelled with its hand and its name.
    events : tuple of str
        Events, without ``left_`` or ``right_``, that are not strokes. Other events are kept and reported.
    """

    before: float = Field(default=0.3, ge=0, le=10)
    after: float = Field(default=0.3, ge=0, le=10)
    fps: float = Field(default=120.0, gt=0)
    strokes: dict[str, str] = Field(
        default={
            "serve": "Serve {hand}",
            "loop": "Offensive {hand} Loop",
            "smash": "Offensive {hand} Hit",
            "flick": "Offensive {hand} Flip",
            "push": "Defensive {hand} Push",
            "block": "Defensive {hand} Block",
            "lob": "Defensive {hand} Lob",
        }
    )
    events: tuple[str, ...] = (
        "bounce",
        "net",
        "empty_event",
        "play",
        "pause",
        "point",
        "other",
        "out",
        "winner",
        "double_bounce",
        "not_hitting_ball",
        "miss_on_own_side",
    )


class CvatOptions(Params):
    """Define how CVAT tracks become intervals.

    Attributes
    ----------
    label : tuple of LabelPart
        Track label and attributes that make up the label, joined with blanks. A new interval begins
        where the label changes within a track.
    player : str
        Attribute that names the player; empty: no attribute does.
    bridge_outside : bool
        Whether a track is one interval from its first to its last visible frame. By default each
        visible stretch is one interval, because ``outside`` means that the stroke is over.
    """

    label: tuple[LabelPart, ...] = (LabelPart(column="label"),)
    player: str = ""
    bridge_outside: bool = False

    @field_validator("label", mode="before")
    @classmethod
    def _label(cls, value: Any) -> Any:
        return label_parts(value)


class LabelStudioOptions(Params):
    """Define what the positions of Label Studio count.

    Attributes
    ----------
    frame_rate : float or str, optional
        Positions per second: the ``frameRate`` of the project's labelling configuration. ``video``: that of
        each video, where positions are its frames; another word: the field of a task's data that holds the
        number, as ``frameRate="$fps"`` does. None: 24, Label Studio's default, with a finding where the video
        has another rate.
    """

    frame_rate: float | str | None = None

    @field_validator("frame_rate")
    @classmethod
    def _usable(cls, value: float | str | None) -> float | str | None:
        if isinstance(value, str):
            value = value.strip().lstrip("$")
            if not value:
                raise ValueError("give a number, video, or the name of a field of the tasks' data")
            with suppress(ValueError):
                value = float(value)
        if isinstance(value, float) and not 0 < value <= 1000:
            raise ValueError("a rate lies above 0 and is no more than 1000 positions/s")
        return value


class AnnotationOptions(Params):
    """Everything that a manifest may say about reading annotations.

    Attributes
    ----------
    csv : tuple of CsvMapping
        Column mappings, tried in order; the first whose columns a file has is used. The default mapping
        is tried last. One mapping may stand without a list.
    openttgames : OpenTTGamesOptions
        How OpenTTGames events become intervals.
    cvat : CvatOptions
        How CVAT tracks become intervals.
    label_studio : LabelStudioOptions
        What positions in exports of Label Studio count.
    labels : dict of str to (str or None)
        Label → the label that it means, in every format, compared in the canonical spelling; None: a
        stroke without a label.
    videos : dict of str to str
        Pattern of a file's path or name → its video, for files that do not name their video; or a name that
        annotation files use → the video that it means.
    annotators : dict of str to str
        Pattern of a file's path or name → who annotated it, for files that do not say.
    reviewed : tuple of str
        Patterns of files with a network's predictions that a person has gone through, so that they count.
    formats : dict of str to dict
        Name of a format of another package → its options.
    max_bytes : int
        Larger files are refused.
    """

    csv: tuple[CsvMapping, ...] = ()
    openttgames: OpenTTGamesOptions = OpenTTGamesOptions()
    cvat: CvatOptions = CvatOptions()
    label_studio: LabelStudioOptions = LabelStudioOptions()
    labels: dict[str, str | None] = Field(default_factory=dict)
    videos: dict[str, str] = Field(default_factory=dict)
    annotators: dict[str, str] = Field(default_factory=dict)
    reviewed: tuple[str, ...] = ()
    formats: dict[str, dict[str, Any]] = Field(default_factory=dict)
    max_bytes: int = Field(default=64 << 20, gt=0)

    @field_validator("csv", mode="before")
    @classmethod
    def _one(cls, value: Any) -> Any:
        return [value] if isinstance(value, dict) else value

    @field_validator("reviewed", mode="before")
    @classmethod
    def _one_pattern(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

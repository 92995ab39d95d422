"""Read CSV tables with a column mapping.

The mapping says what the numbers mean: seconds, or frames that count from 0 or 1 with an inclusive or
exclusive end; or one instant, about which the interval lies. They are converted to first frame and first
frame after, counted from 0. A first line ``sep=;``, as spreadsheets write it, names the delimiter.
"""

from __future__ import annotations

import csv
import io
import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from fractions import Fraction

from pipeline.annotations.formats.annotation_format import AnnotationFile, AnnotationFormat
from pipeline.annotations.formats.recorder import Recorder
from pipeline.annotations.intervals import exact
from pipeline.annotations.options import AnnotationOptions, CsvMapping
from pipeline.annotations.parsing.text import (
    BadField,
    Refused,
    decode,
    frame_number,
    shown,
    table_delimiter,
    time_in_seconds,
)

_DELIMITERS = (",", ";", "\t", "|")
_HEADER_BYTES = 1 << 16
#: column that names the network of a stroke that nobody has looked at
PREDICTED_BY = "predicted_by"


def find_mapping(data: bytes, mappings: tuple[CsvMapping, ...]) -> tuple[CsvMapping, str] | None:
    """Find the first mapping whose columns a file has, and the delimiter with which it has them.

    Parameters
    ----------
    data : bytes
        The file, or at least its header.
    mappings : tuple of CsvMapping
        Tried in order.

    Returns
    -------
    (CsvMapping, str) or None
    """
    head = data[:_HEADER_BYTES].removeprefix(BOM_UTF8)
    told, first = table_delimiter(head.decode("latin-1"))  # each byte is a character
    line = re.split(rb"[\r\n]", head[len(first) :], maxsplit=1)[0]
    for mapping in mappings:
        try:
            header = decode(line, mapping.encoding)
        except Refused:
            continue
        usual = (told, *_DELIMITERS) if told else _DELIMITERS
        for delimiter in [mapping.delimiter] if mapping.delimiter else usual:
            if mapping.columns.required <= set(_cells(header, delimiter)):
                return mapping, delimiter
    return None


def mappings_of(options: AnnotationOptions) -> tuple[CsvMapping, ...]:
    """Return the mappings to try: the manifest's, then the default one."""
    return (*options.csv, CsvMapping())


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:
        return []


def _rows(text: str, delimiter: str, out: Recorder) -> Iterator[tuple[int, list[str]]]:
    """Yield each row with the line on which it begins; a line that names the delimiter is no row."""
    _, first = table_delimiter(text)
    text, above = text[len(first) :], bool(first)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1 + above
        try:
            row = next(reader, None)
        except csv.Error as error:
            span = (
                f", up to line {reader.line_num + above}; is a quotation mark open?"
                if reader.line_num + above > line
                else ""
            )
            out.issue(line, "malformed", f"the row cannot be read: {error}{span}")
            continue
        if row is None:
            return
        if any(cell.strip() for cell in row):
            yield line, row


def read_csv(data: bytes, mapping: CsvMapping, delimiter: str, out: Recorder) -> None:
    """Read a table.

    Parameters
    ----------
    data : bytes
        With a header in its first line, but for one that names the delimiter.
    mapping : CsvMapping
    delimiter : str
    out : Recorder

    Raises
    ------
    Refused
        The file is not text in the mapping's encoding, two of its columns have the same name, or it has no
        rows.
    """
    rows = _rows(decode(data, mapping.encoding), delimiter, out)
    first = next(rows, None)
    if first is None:
        raise Refused("broken-file", "the header cannot be read; is a quotation mark open?", 1)
    header = [cell.strip() for cell in first[1]]
    twice = {name for name in header if header.count(name) > 1 and name in mapping.columns.required}
    if twice:
        raise Refused("broken-file", f"two columns are named {shown(sorted(twice)[0])}", 1)
    for line, row in rows:
        if len(row) != len(header):
            out.issue(line, "malformed", f"{len(row)} cells under {len(header)} columns")
            continue
        _row(line, dict(zip(header, (cell.strip() for cell in row), strict=True)), mapping, out)
    if not (out.annotations or out.unplaced or out.issues or out.has_predictions):
        raise Refused("no-entries", "the table has a header and no rows; add them, or remove the file")


def _row(line: int, cells: dict[str, str], mapping: CsvMapping, out: Recorder) -> None:
    columns = mapping.columns
    video: str | None = out.video
    if columns.video in cells:
        video = out.named_video(line, cells[columns.video])
    if video is None:
        return
    if columns.instant is not None:
        span = _about(line, cells[columns.instant], video, mapping, out)
    else:
        read = _times if mapping.unit == "seconds" else _numbers
        span = read(line, cells[columns.begin], cells[columns.end], video, mapping, out)
    who = cells.get(columns.annotator, ""), cells.get(columns.player, "")
    focus = cells.get(columns.focus, "")
    if span is None:
        if not out.is_known(video):
            out.describe_unplaced(line, out.composed(line, columns.label, cells), *who)
        return
    label, by = out.composed(line, columns.label, cells), cells.get(PREDICTED_BY, "")
    out.add(line, video, *span, label, *who, predicted_by=by, focus=focus)


def _numbers(
    line: int, first: str, last: str, video: str, mapping: CsvMapping, out: Recorder
) -> tuple[int, int] | None:
    """Parse the two frame numbers of a row."""
    cells = ((mapping.columns.begin, first), (mapping.columns.end, last))
    begin, end = (_number(line, name, cell, out) for name, cell in cells)
    if begin is None or end is None:
        return None
    return begin - mapping.first_frame, end - mapping.first_frame + mapping.end_inclusive


def _about(line: int, cell: str, video: str, mapping: CsvMapping, out: Recorder) -> tuple[int, int] | None:
    """Parse the instant of a row, and take the interval about it."""
    name = mapping.columns.instant or ""
    if mapping.unit == "seconds":
        time = _time(line, name, cell, out)
        frame = None if time is None else out.frame_at(line, video, time)
    else:
        number = _number(line, name, cell, out)
        frame = None if number is None else number - mapping.first_frame
    if frame is None:
        return None
    return out.around(line, video, frame, exact(mapping.before), exact(mapping.after))


def _time(line: int, name: str, cell: str, out: Recorder) -> Fraction | None:
    """Parse a time in seconds."""
    try:
        return time_in_seconds(cell)
    except BadField as error:
        out.issue(line, error.kind, f"{name}: {error.message}")
        return None


def _number(line: int, name: str, cell: str, out: Recorder) -> int | None:
    """Parse a frame number; what looks like a time is said to."""
    try:
        return frame_number(cell)
    except BadField as error:
        message = f"{name}: {error.message}"
        if error.kind == "malformed" and _is_time(cell):
            message += "; if the table holds seconds: annotation_options: {csv: {unit: seconds}}"
        out.issue(line, error.kind, message)
        return None


def _is_time(cell: str) -> bool:
    try:
        time_in_seconds(cell)
    except BadField:
        return False
    return True


def _times(
    line: int, first: str, last: str, video: str, mapping: CsvMapping, out: Recorder
) -> tuple[int, int] | None:
    """Parse the two times of a row, and find their frames."""
    cells = ((mapping.columns.begin, first), (mapping.columns.end, last))
    times = [time for name, cell in cells if (time := _time(line, name, cell, out)) is not None]
    if len(times) < 2:
        return None
    begin = out.frame_at(line, video, times[0])
    end = None if begin is None else out.frame_at(line, video, times[1])
    if begin is None or end is None:
        return None
    beginning = out.videos[video].time_of(0) if video in out.videos else Fraction(0)
    if 0 <= max(times) < beginning:
        late = f"{first}-{last} s lies before the first picture of {video}, at {float(beginning):.3f} s"
        out.issue(line, "doubtful-time", late)
    return begin, end


def _recognises(file: AnnotationFile) -> bool:
    return file.syntax == "text" and find_mapping(file.data, mappings_of(file.options)) is not None


def _read(file: AnnotationFile, out: Recorder) -> None:
    found = find_mapping(file.data, mappings_of(file.options))
    if found is not None:
        read_csv(file.data, *found, out)


FORMAT = AnnotationFormat(
    name="csv",
    title="CSV table",
    told_by="the columns of its header",
    syntax="text",
    suffixes=(".csv", ".tsv"),
    recognises=_recognises,
    read=_read,
    options=CsvMapping,
)

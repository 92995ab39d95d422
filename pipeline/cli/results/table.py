"""``ttprep table``: write tracks as CSV or Parquet."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline import errors
from pipeline.cli.options import PATH, make_request, note, options, stderr
from pipeline.errors import UserError
from pipeline.terminal import echo, readable

if TYPE_CHECKING:
    from pipeline.inputs.sources import Source
    from pipeline.planning.survey import Overview
    from store import Store


@click.command("table")
@click.argument("track", type=click.Choice(["roi", "descriptor", "statistics", "pose"]))
@click.argument("videos", nargs=-1, metavar="[VIDEO]...")
@click.option(
    "-o",
    "--output",
    type=PATH,
    help="File to write: .csv, or .parquet where pyarrow is installed. Default: CSV on stdout.",
)
@options(paths=False)
def table(
    track: str, videos: tuple[str, ...], output: Path | None, store_root: Path | None, manifest: Path | None
) -> int:
    """Write a track as a table, one row per frame.

    The headings name the units; px are pixels of the stored frame, time_s is the frame's time in the video.
    pose has a row for each person. VIDEO is a path, name or id; by default all videos of the manifest are
    written, one after the other.
    """
    from pipeline.cli.results.finding import made, survey_of
    from pipeline.cli.results.tracks import header
    from store import Store
    from store.atomic import replacing

    suffix = output.suffix.lower() if output else ".csv"
    if suffix not in (".csv", ".parquet"):
        raise UserError(
            f"{output}: a table is a .csv or a .parquet; choose one of these suffixes", errors.USAGE
        )
    request = make_request(store_root, manifest)
    store = Store.open(request.store_root)
    overview = survey_of(request, videos, store, stderr())
    ready, lost = [], list(overview.problems)
    shared: set[str] = set()  # results that all players of a video have in common are written once
    for source in overview.sources:
        try:
            key = made(overview, source, _stage(overview, source, track)).node.key
            if key not in shared:
                ready.append(source)
            shared.add(key)
        except UserError as e:
            lost.append(str(e))
    if not ready:
        raise UserError(lost[0] if lost else "there is no video")
    lines = _rows(overview, store, track, ready)
    if output is None:
        _write_csv(sys.stdout, header(track), lines)
    else:
        try:
            with replacing(output) as temp:
                if suffix == ".csv":
                    with temp.open("w", encoding="utf-8", newline="") as file:
                        _write_csv(file, header(track), lines)
                else:
                    _write_parquet(temp, header(track), lines)
        except OSError as e:
            raise UserError(f"{output}: cannot be written ({e.strerror}); give another -o") from e
        note(f"{len(ready)} videos")
        echo(str(output))
    for line in lost:
        echo(f"left out: {line}", err=True)
    return errors.SOME_FAILED if lost else errors.OK


def _stage(overview: Overview, source: Source, track: str) -> str:
    """Return the stage that holds a track: joints given with a video are in its frames."""
    given = track == "pose" and source.joints is not None
    return "frames" if given else track


def _rows(overview: Overview, store: Store, track: str, sources: list[Source]) -> Iterator[list[Any]]:
    from pipeline.cli.results.finding import made
    from pipeline.cli.results.tracks import rows

    for source in sources:
        nodes = [made(overview, source, s).node for s in (_stage(overview, source, track), "frames")]
        with store.reader(nodes[0].slot) as reader, store.reader(nodes[1].slot) as times:
            yield from rows(track, readable(nodes[0].video), reader, times)


def _write_csv(stream: Any, head: list[str], lines: Iterator[list[Any]]) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(lines)


def _write_parquet(path: Path, head: list[str], lines: Iterator[list[Any]]) -> None:
    """Write a Parquet file: names as text, counts as integers, the rest as float64, nothing as null."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        message = "Parquet needs pyarrow, which is not installed; `pip install pyarrow`, or write a .csv"
        raise UserError(message, errors.USAGE) from None
    counts = {"frame", "moving", "found", "n_poses", "chosen", "person"}
    kinds = {"video": pyarrow.string(), **dict.fromkeys(counts, pyarrow.int32())}
    schema = pyarrow.schema([(name, kinds.get(name, pyarrow.float64())) for name in head])
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        block: list[list[Any]] = []

        def flush() -> None:
            columns = [
                pyarrow.array([_value(name, row[i]) for row in block], type=schema.field(name).type)
                for i, name in enumerate(head)
            ]
            writer.write_table(pyarrow.Table.from_arrays(columns, schema=schema))
            block.clear()

        for row in lines:
            block.append(row)
            if len(block) >= 10_000:
                flush()
        if block:
            flush()


def _value(name: str, cell: Any) -> Any:
    if name == "video" or isinstance(cell, int):
        return cell
    return None if cell == "" else float(cell)

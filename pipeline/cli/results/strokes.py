"""``ttprep strokes``: how each annotated stroke was played, as a table."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline import errors
from pipeline.cli.options import JSON, PATH, WEIGHTS, WORKERS, make_request, note, options, stderr
from pipeline.errors import UserError
from pipeline.terminal import echo, echo_json, say

if TYPE_CHECKING:
    from pipeline.planning.request import Request
    from pipeline.reading.strokes import DescribedStroke

MIRROR = click.option(
    "--mirror", is_flag=True, help="Mirror the strokes of left-handers, to compare them with right-handers."
)
NONE = (
    "there is no stroke to describe: no annotation is of these videos; `ttprep annotations` lists what "
    "the files hold"
)


@click.command("strokes")
@click.argument("videos", nargs=-1, type=PATH, metavar="[VIDEO]...")
@click.option("-o", "--output", type=PATH, help="CSV file to write; default: stdout.")
@click.option("--player", metavar="NAME", help="Only strokes of this player.")
@MIRROR
@WORKERS
@WEIGHTS
@options(paths=False)
@JSON
def strokes(
    videos: tuple[Path, ...], output: Path | None, player: str | None, mirror: bool, workers: int | None,
    pose_weights: Path | None, store_root: Path | None, manifest: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """Describe how each annotated stroke was played: angles, speeds, phases.

    One row for each stroke, from the 13 joints of who plays it; the headings name the units. What the store
    lacks is made first. VIDEO is a path; by default all videos of the manifest are described. Everything is
    measured in the plane of the picture: docs/kinematics.md says what to trust at which camera position.
    """
    from pipeline.planning.request import Where
    from pipeline.reading.strokes import UNITS, heading

    if output is not None and output.suffix.lower() != ".csv":
        raise UserError(f"{output}: the strokes are written as CSV; choose the suffix .csv", errors.USAGE)
    request = make_request(store_root, manifest, videos, (), pose_weights, where=Where(workers))
    if not request.manifest.annotations and not any(s.labels for s in request.manifest.sources):
        raise UserError(
            "strokes are described where annotations say that they are, and the manifest lists none; "
            "add `annotations: [FILE]` to data_manifest.yaml",
            errors.USAGE,
        )
    found, code = _described(request)
    if player is not None:
        found = _of_player(found, player)
    if mirror:
        found = [stroke.as_right_hander() for stroke in found]
    rows = [stroke.row() for stroke in found]
    if as_json:
        echo_json({"units": {n: u for n, u in UNITS.items() if u}, "strokes": rows})
    elif rows:
        _write(output, [heading(name) for name in rows[0]], rows)
    unseen = sum(not stroke.phases.known for stroke in found)
    if unseen:
        note(f"{unseen} of {len(found)} strokes have no phases: the playing wrist or the hips are not seen")
    if output is not None and not as_json:
        note(f"{len(rows)} strokes")
        echo(str(output))
    return code


def _described(request: Request) -> tuple[list[DescribedStroke], int]:
    """Return all strokes, and the exit code of making what was missing.

    Raises
    ------
    UserError
        There is none.
    """
    from pipeline.comparing.strokes import make_strokes

    console = stderr()
    made = make_strokes(request, console)
    found = [stroke for _, _, strokes in made.found for stroke in strokes]
    for line in made.result.overview.notes:
        say(console, f"note: {line}")
    if not found:
        raise UserError(made.failures[0] if made.failures else NONE, errors.FAILED)
    for line in made.failures:
        say(console, f"failed: {line}")
    return found, made.result.code


def _of_player(found: list[DescribedStroke], player: str) -> list[DescribedStroke]:
    """Return the strokes of a player; UserError where nobody is called so."""
    players = [stroke.sample.player or stroke.sample.view for stroke in found]
    wanted = player.strip().casefold()
    chosen = [s for s, own in zip(found, players, strict=True) if own.casefold() == wanted]
    if not chosen:
        names = ", ".join(sorted({own for own in players if own}))
        if not names:
            raise UserError(
                f"no stroke is of a player {player!r}; leave --player out, for the annotations name nobody",
                errors.USAGE,
            )
        raise UserError(f"no stroke is of a player {player!r}; known: {names}", errors.USAGE)
    return chosen


def _write(output: Path | None, head: list[str], rows: list[dict[str, Any]]) -> None:
    """Write CSV to a file, which is replaced as a whole, or to stdout."""
    from store.atomic import replacing

    lines = [[_cell(value) for value in row.values()] for row in rows]
    if output is None:
        _write_csv(sys.stdout, head, lines)
        return
    try:
        with replacing(output) as temp, temp.open("w", encoding="utf-8", newline="") as file:
            _write_csv(file, head, lines)
    except OSError as e:
        raise UserError(f"{output}: cannot be written ({e.strerror}); give another -o") from e


def _write_csv(stream: Any, head: list[str], lines: list[list[Any]]) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(lines)


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else value

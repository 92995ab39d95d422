"""``ttprep compare``: what is different about a stroke, beside reference strokes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline import errors
from pipeline.cli.options import JSON, PATH, WEIGHTS, WORKERS, make_request, options, stderr, stdout
from pipeline.cli.results.strokes import MIRROR
from pipeline.terminal import echo_json, say

if TYPE_CHECKING:
    from pipeline.comparing.compare import Comparison


@click.command()
@click.argument("stroke", metavar="STROKE")
@click.option(
    "--with", "references", multiple=True, metavar="REFERENCE",
    help="Stroke or strokes to compare it with; may be repeated. VIDEO:BEGIN-END, a VIDEO for all of its "
    "strokes, class:NAME, player:NAME, or class:NAME,player:NAME. Default: the stroke's own class.",
)  # fmt: skip
@MIRROR
@click.option(
    "-o", "--output", type=PATH, metavar="FOLDER",
    help="Folder of the report in which the page is written. Default: beside the store, STORE-report.",
)  # fmt: skip
@click.option("--no-page", is_flag=True, help="Write no page.")
@WORKERS
@WEIGHTS
@options(paths=False)
@JSON
def compare(
    stroke: str, references: tuple[str, ...], mirror: bool, output: Path | None, no_page: bool,
    workers: int | None, pose_weights: Path | None, store_root: Path | None, manifest: Path | None,
    as_json: bool,
) -> int:  # fmt: skip
    """Compare a stroke with reference strokes and say what is different, the largest first.

    STROKE is VIDEO:BEGIN-END in frames, as `ttprep strokes` lists them, or a video that holds one stroke.
    Three references or more have a spread of their own, against which the stroke is measured; fewer give
    differences alone. What the store lacks is made first. The page, part of the report, shows both
    skeletons, the angles and the pictures in step.
    """
    from pipeline.comparing.compare import compare as compared
    from pipeline.comparing.pages import write_page
    from pipeline.comparing.strokes import described_strokes, many_strokes, one_stroke
    from pipeline.planning.request import Where
    from pipeline.report.request import default_folder

    request = make_request(store_root, manifest, (), (), pose_weights, where=Where(workers))
    strokes = described_strokes(request, stderr(), mirror)
    one = one_stroke(stroke, strokes.found)
    found = compared(one, many_strokes(references, strokes.found, one))
    page = None if no_page else write_page(output or default_folder(request.store_root), found, strokes.store)
    if as_json:
        told = {"exit_code": strokes.code, **found.to_json(), "problems": strokes.problems}
        echo_json(told | {"page": str(page) if page else None})
        return strokes.code
    _print(found)
    if page is not None:
        say(stdout(), str(page))
    for line in strokes.problems:
        say(stderr(), f"failed: {line}")
    for line in strokes.notes:
        say(stderr(), f"note: {line}")
    return strokes.code


def _print(found: Comparison) -> None:
    out, err = stdout(), stderr()
    count = len(found.references)
    say(out, f"{found.stroke.name} beside {count} reference{'s' * (count > 1)}: {found.verdict}")
    for number, finding in enumerate(found.judged.findings, 1):
        size = f" ({finding.spreads:.1f} spreads)" if len(found.judged.usual) else ""
        say(out, f"{number}: {finding.text}{size}")
    if not found.judged.findings:
        say(out, "nothing differs by more than the references differ from one another")
    for note in found.notes:
        say(err, f"note: {note}")


@click.command()
@click.argument("classes", nargs=-1, metavar="[CLASS]...")
@click.option("--all", "every", is_flag=True, help="List every stroke, not only those that stand out.")
@MIRROR
@WORKERS
@WEIGHTS
@options(paths=False)
@JSON
def outliers(
    classes: tuple[str, ...], every: bool, mirror: bool, workers: int | None, pose_weights: Path | None,
    store_root: Path | None, manifest: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """List the strokes that are least like their class, and those that look like another one.

    First come strokes that are nearer to another class than to their own, whose labels may be wrong; then
    those that are further from their class than three of its spreads. By default strokes of all classes are
    listed; they are compared with all in any case. What the store lacks is made first.
    """
    from pipeline.comparing.compare import outliers as unlike
    from pipeline.comparing.strokes import described_strokes
    from pipeline.errors import UserError
    from pipeline.planning.request import Where

    request = make_request(store_root, manifest, (), (), pose_weights, where=Where(workers))
    strokes = described_strokes(request, stderr(), mirror)
    names = {s.kind.casefold(): s.kind for s in strokes.found if s.kind}
    unknown = next((name for name in classes if name.casefold() not in names), None)
    if unknown is not None:
        known = ", ".join(sorted(names.values()))
        raise UserError(f"{unknown}: no stroke is of this class; the classes are {known}", errors.USAGE)
    wanted = {name.casefold() for name in classes} or set(names)
    found, notes = unlike(strokes.found)
    listed = [o for o in found if o.stroke.kind.casefold() in wanted and (every or o.unlike.told)]
    if as_json:
        told = {"exit_code": strokes.code, "outliers": [o.to_json() for o in listed], "notes": notes}
        echo_json(told | {"problems": strokes.problems})
        return strokes.code
    for number, outlier in enumerate(listed, 1):
        say(stdout(), f"{number}: {outlier.stroke.name} ({outlier.stroke.kind}): {outlier.reason}")
    if not listed:
        say(stdout(), "no stroke stands out")
    for line in strokes.problems:
        say(stderr(), f"failed: {line}")
    for line in (*strokes.notes, *notes):
        say(stderr(), f"note: {line}")
    return strokes.code

"""Print or write what annotation files hold and what the cleaning leaves of it: ``ttprep annotations``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from pipeline.annotations import Step, count_kinds, draw_waterfall
from pipeline.cli.output.table import Column, Grid, columns_of
from pipeline.planning.annotation_report import AnnotationReport
from pipeline.terminal import say
from store.atomic import write_bytes, write_json

#: number of findings printed; --verbose and the JSON file have all of them
PRINTED = 30


def write_report(result: AnnotationReport, stem: Path) -> tuple[Path, Path]:
    """Write ``<stem>.json`` and ``<stem>.png``, and return their paths."""
    files = stem.with_name(f"{stem.name}.json"), stem.with_name(f"{stem.name}.png")
    write_json(files[0], result.to_json())
    write_bytes(files[1], draw_waterfall(result.cleaned.waterfall))
    return files


def print_report(result: AnnotationReport, stdout: Console, *, verbose: bool = False) -> None:
    """Print the waterfall, its classes and annotators, and the findings: all of them where ``verbose``."""
    steps = result.cleaned.waterfall.steps
    table = Grid(Column("rule"), Column("left", "number"), Column("of"), Column("dropped", "prose"))
    for step in steps:
        dropped = ", ".join(f"{n} {reason}" for reason, n in step.dropped.items())
        table.add(step.name, step.count, step.unit, dropped)
    table.print(stdout)
    _breakdown(f"class ({result.cleaned.waterfall.taxonomy})", "by_class", steps, stdout)
    _breakdown("annotator", "by_annotator", [s for s in steps if s.unit != "negatives"], stdout)
    issues = (*result.annotations.issues, *result.cleaned.issues)
    for issue in issues if verbose else issues[:PRINTED]:
        say(stdout, issue)
    if len(issues) > PRINTED and not verbose:
        say(stdout, f"… and {len(issues) - PRINTED} more findings; --verbose prints all")
    counts = ", ".join(f"{n} {kind}" for kind, n in count_kinds(issues).items())
    say(stdout, f"findings: {counts or 'none'}")
    for problem in (*result.problems, *result.lost.values()):
        say(stdout, f"failed: {problem}")
    for note in result.notes:
        say(stdout, f"note: {note}")
    if not result.videos:
        say(stdout, "no video is known, so no interval lies inside one; name videos with --videos")


def _breakdown(title: str, what: str, steps: Iterable[Step], stdout: Console) -> None:
    """Print a table with one row per class or annotator and one column per rule."""
    steps = list(steps)
    counts: list[dict[str, int]] = [getattr(step, what) for step in steps]
    names = list(dict.fromkeys(name for by in counts for name in by))
    table = Grid(Column(title), *columns_of((step.name for step in steps), "number"))
    for name in names:
        table.add(name, *(by.get(name, 0) for by in counts))
    table.print(stdout)

"""A flipped bit in any kind of file of a store: named, and made anew or refused; never another result."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import click
import pytest

from tests.support import bitflips
from tests.support.bitflips import (
    ANEW,
    BAD,
    DIFFERENT,
    HANG,
    REFUSED,
    TRACEBACK,
    Bit,
    Kind,
    Project,
    choose,
    scan,
    table,
    warm,
    whole,
)
from tests.support.flipped_store import store_kinds

#: bits per kind of file; docs/store-format.md has the table of a longer scan
FLIPS = 2


def test_no_flip_in_a_store_is_silently_wrong(tmp_path: Path) -> None:
    kinds = store_kinds(tmp_path)
    warm(kinds)
    tallies = {kind.name: scan(kind, choose(kind, FLIPS)) for kind in kinds}
    assert len(tallies) == 22
    bad = {name: tally.bad for name, tally in tallies.items() if tally.bad}
    assert not bad, bad
    assert tallies["receipt"].counts == {ANEW: FLIPS}
    assert tallies["note on a source"].counts == {ANEW: FLIPS}
    assert tallies["table of splits"].counts == {REFUSED: FLIPS}
    assert tallies["marker"].counts == {REFUSED: FLIPS}
    for name, tally in tallies.items():
        # half of the bits lie in the header; the others may lie in what nobody reads, as all of the quality
        # does, whose flags come from its receipt
        if name.endswith("`.h5`") and not name.startswith("quality"):
            assert tally.counts[ANEW] + tally.counts[REFUSED] >= FLIPS // 2, name
    assert f"| marker | {FLIPS} | 0 | 0 | {FLIPS} | 0 | 0 | 0 |" in table(tallies.values())


@click.command()
def reader() -> None:
    """Read x.txt, with every fault that a program can have over a flipped bit."""
    path = Path("x.txt")
    text = path.read_text()
    if "c" in text:
        time.sleep(60)
    if "e" in text:
        os._exit(0)
    if "i" in text:
        raise ValueError(text)
    if "q" in text:
        click.echo("x.txt: is damaged", err=True)
    if "q" in text or "A" in text:
        sys.exit(1)
    if "!" in text:
        text = "a"
        path.write_text(text)
    click.echo(text)


@pytest.mark.parametrize(
    ("bit", "outcome"),
    list(enumerate((DIFFERENT, HANG, TRACEBACK, TRACEBACK, REFUSED, TRACEBACK, ANEW))),
)
def test_the_scan_sees_what_goes_wrong(tmp_path: Path, bit: int, outcome: str) -> None:
    """It would not be worth much if another result, a hang, a death or a silent refusal went unseen."""
    (tmp_path / "x.txt").write_text("a")
    project = Project(tmp_path)

    def set_up() -> None:
        bitflips._main = lambda program: reader  # in the process of the trials

    kind = Kind("x", project, (whole(project.state, ["x.txt"]),), ("reader",), set_up=set_up)
    tally = scan(kind, [Bit("x.txt", 0, bit)], limit=1.0)
    assert tally.counts == {outcome: 1}, tally
    assert bool(tally.bad) == (outcome in BAD)
    assert (tmp_path / "x.txt").read_text() == "a"

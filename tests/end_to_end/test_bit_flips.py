"""A flipped bit in a dataset or a run: the same result, or a line; no hang, no traceback, nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

from tests.support.bitflips import HANG, REFUSED, Kind, choose, kinds, make_folder, scan, table

#: bits per kind of file; docs/dataset-format.md has the table of a longer scan
FLIPS = 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with all that lies beside it, and a run trained on it."""
    return make_folder(tmp_path_factory.mktemp("flips"))


def test_no_flip_is_silently_wrong(folder: Path) -> None:
    tallies = [scan(kind, choose(kind, FLIPS)) for kind in kinds(folder)]
    bad = {tally.name: tally.bad for tally in tallies if tally.bad}
    assert not bad, bad
    by_name = {tally.name: tally for tally in tallies}
    assert by_name["dataset.h5, its head"].counts[REFUSED] == FLIPS
    assert by_name["run/best-*.pt"].counts[REFUSED] == FLIPS
    assert "| run/best-*.pt | 30 | 0 | 30 | 0 | 0 | 0 |" in table(tallies)


def test_the_scan_sees_what_goes_wrong(folder: Path, tmp_path: Path) -> None:
    """It would not be worth much if a hang, a traceback or another result went unseen."""
    place = Path(shutil.copytree(folder, tmp_path / "g"))
    (place / "x.txt").write_text("aaaa")
    words = ("tttrain", "models", "--json")
    for result, outcome in (
        (lambda f: (f / "x.txt").read_bytes(), "different result, exit 0"),
        (lambda f: b"", "same result"),
    ):
        tally = scan(Kind("x", place, "x.txt", words, result), [3, 9])
        assert tally.counts == {outcome: 2}, tally
    slow = Kind("x", place, "x.txt", ("tttrain", "models", "--json"), lambda f: b"")
    assert scan(slow, [1], limit=0.0).counts == {HANG: 1}

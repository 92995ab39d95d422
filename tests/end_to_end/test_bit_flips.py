"""A flipped bit in a dataset or a run: the same result, or a line; no hang, no traceback, nothing else."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

from tests.support.bitflips import ANEW, REFUSED, Kind, choose, scan, table, warm
from tests.support.flipped_training import training_kinds

#: bits per kind of file; docs/dataset-format.md has the table of a longer scan
FLIPS = 12


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> list[Kind]:
    """Of a dataset with all that lies beside it, and of a run trained on it."""
    return training_kinds(tmp_path_factory.mktemp("flips"))


def test_no_flip_is_silently_wrong(kinds: list[Kind]) -> None:
    warm(kinds)
    tallies = {kind.name: scan(kind, choose(kind, FLIPS)) for kind in kinds}
    bad = {name: tally.bad for name, tally in tallies.items() if tally.bad}
    assert not bad, bad
    for name in ("d.h5`, its head", "run/run.json`", "run/checkpoint.json`", "run/best-*.pt`"):
        assert tallies[f"`{name}"].counts == {REFUSED: FLIPS}
    assert tallies["`run/history.json`"].counts == {ANEW: FLIPS}
    assert f"| `run/best-*.pt` | {FLIPS} | 0 | 0 | {FLIPS} | 0 | 0 | 0 |" in table(tallies.values())

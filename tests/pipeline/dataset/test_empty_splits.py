"""A split that is to have samples and has none is said, and what is said to do fills it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.annotations import Sample, SplitParams, assign_splits, split_counts
from pipeline.dataset.exporting import Exported
from pipeline.dataset.split_table import redraw_note, split_params, stable_splits
from pipeline.inputs.manifest import Manifest, Splits
from store import Store
from tests.remedies.following import Says

#: those of the tutorial
SHARES = {"train": 0.5, "validation": 0.25, "test": 0.25}


def _lines(videos: int, each: int, **splits: object) -> list[str]:
    rule = Splits.model_validate(splits)
    samples = [
        Sample(f"{v}:{10 * n}-{10 * n + 5}", v, 10 * n, 10 * n + 5, "Up")
        for v in map(str, range(videos))
        for n in range(each)
    ]
    counts = split_counts(samples, assign_splits(samples, SplitParams(**rule.model_dump())))
    done = Exported(Path("d.h5"), True, len(samples), 1, 1, counts, (), 0.0)
    return done.empty_splits(rule)


@pytest.mark.parametrize("follow", [{"videos": 4}, {"by": "sample"}])
def test_two_videos_leave_a_split_empty(follow: dict[str, object]) -> None:
    asked: dict[str, object] = {"videos": 2, "each": 20, "by": "video", **SHARES}
    (line,) = _lines(**asked)  # type: ignore[arg-type]
    Says("label strokes of more of them, or set splits: {by: sample}").of(line)
    assert "test: each video" in line
    assert _lines(**asked | follow) == []  # type: ignore[arg-type]


def test_another_rule_is_said_to_draw_anew(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store")
    first, other = Manifest(), Manifest(splits=Splits(by="video"))
    assert redraw_note(store, first) == []
    stable_splits(store, split_params(first), [Sample("v:0-9", "v", 0, 9, "Up")])
    assert redraw_note(store, first) == []
    assert "drawn anew" in redraw_note(store, other)[0]


def test_few_samples_leave_a_split_empty() -> None:
    (line,) = _lines(1, 3)
    Says("no sample is for {}: there are only {}; label more strokes").of(line)
    assert _lines(1, 30) == []
    assert _lines(1, 3, train=1, validation=0, test=0) == []

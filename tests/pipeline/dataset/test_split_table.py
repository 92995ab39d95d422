"""The table of splits in the store: what was assigned stays, through every way of losing it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from pipeline.annotations import Sample, SplitParams
from pipeline.dataset.split_table import split_params, stable_splits, table_path
from pipeline.errors import UserError
from pipeline.inputs.manifest import Manifest, Splits
from store import Store


def samples(source: str, numbers: Iterable[int], label: str = "Up") -> list[Sample]:
    return [
        Sample(f"{source}:{100 * n}-{100 * n + 80}", source, 100 * n, 100 * n + 80, label) for n in numbers
    ]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


def test_more_samples_move_none(store: Store) -> None:
    params = SplitParams()
    first = stable_splits(store, params, samples("a", range(20)))
    grown = stable_splits(store, params, samples("a", range(40)) + samples("b", range(30), "Down"))
    assert {k: grown[k] for k in first} == first
    shrunk = stable_splits(store, params, samples("a", range(5)))
    assert shrunk == {k: first[k] for k in shrunk}
    back = stable_splits(store, params, samples("a", range(40)) + samples("b", range(30), "Down"))
    assert back == grown
    assert set(grown.values()) == {"train", "validation", "test"}


def test_each_rule_has_its_own_table_and_coming_back_finds_it(store: Store) -> None:
    every = samples("a", range(30))
    rules = [
        SplitParams(),
        SplitParams(seed=1),
        SplitParams(by="video"),
        SplitParams(train=0.5, validation=0.3, test=0.2),
    ]
    found = [stable_splits(store, params, every) for params in rules]
    assert len({json.dumps(f) for f in found}) > 1
    assert len({table_path(store, p) for p in rules}) == len(rules)
    assert [stable_splits(store, params, every) for params in rules] == found


def test_the_manifests_rule_is_the_one_used() -> None:
    manifest = Manifest(splits=Splits(train=0.6, validation=0.2, test=0.2, seed=4, by="player"))
    params = split_params(manifest)
    assert (params.train, params.validation, params.test, params.seed, params.by) == (
        0.6,
        0.2,
        0.2,
        4,
        "player",
    )


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"format": "other"}', '{"format": "ttprep-splits", "table": 3}']
)
def test_a_damaged_table_is_never_begun_anew_in_silence(store: Store, content: str) -> None:
    params = SplitParams()
    stable_splits(store, params, samples("a", range(5)))
    path = table_path(store, params)
    path.write_text(content)
    with pytest.raises(UserError, match=r"table of splits is damaged \(.*\); restore it .* or delete it"):
        stable_splits(store, params, samples("a", range(9)))
    assert path.read_text() == content


def test_an_unchanged_table_is_not_written(store: Store) -> None:
    params = SplitParams()
    stable_splits(store, params, samples("a", range(9)))
    path = table_path(store, params)
    before = path.stat().st_mtime_ns, path.stat().st_ino
    stable_splits(store, params, samples("a", range(9)))
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before


def test_two_exports_at_once_forget_nothing(store: Store) -> None:
    script = """
import sys
from pathlib import Path
from pipeline.dataset.split_table import stable_splits
from pipeline.annotations import Sample, SplitParams
from store import Store
store, source = Store.open(Path(sys.argv[1])), sys.argv[2]
for n in range(40):
    spans = [(100 * i, 100 * i + 80) for i in range(n + 1)]
    stable_splits(store, SplitParams(), [Sample(f"{source}:{b}-{e}", source, b, e, "Up") for b, e in spans])
"""
    words = [sys.executable, "-c", script, str(store.root)]
    both = [subprocess.Popen([*words, name]) for name in ("a", "b")]
    assert [p.wait(timeout=120) for p in both] == [0, 0]
    table = json.loads(table_path(store, SplitParams()).read_text())["table"]
    assert len(table) == 80

"""Which videos show the same: many are compared by projections, with the same result."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.planning.quality import copies
from stages.quality.likeness import COLUMNS, LENGTH, ROWS

Moment = dict[str, Any]
LIMIT = 0.92


def moment(change: NDArray[np.float64]) -> Moment:
    stored = np.clip(np.rint(change), -127, 127).astype(np.int8)
    return {"frame": 0, "change": base64.b64encode(zlib.compress(stored.tobytes())).decode()}


def recordings(n: int, seed: int) -> dict[str, list[Moment]]:
    """Recordings of three moments; every fifth is like the one before it: by 0.89, 0.92, 0.94 or 0.995."""
    rng = np.random.default_rng(seed)
    size = LENGTH * ROWS * COLUMNS
    made: dict[str, list[Moment]] = {}
    before = np.zeros(size)
    for i in range(n):
        active = rng.random(size) < 0.15
        changes = [rng.normal(0, 12, size) * active for _ in range(3)]
        if i % 5 == 4:
            changes[1] = before + rng.normal(0, (6.1, 5.1, 4.3, 1.2)[i // 5 % 4], size) * (before != 0)
        made[f"v{i}"] = [moment(c) for c in changes]
        before = changes[2]
    return made


@pytest.mark.parametrize("seed", range(3))
def test_many_are_compared_as_few_are(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    given = recordings(120, seed)
    given["nothing"] = []
    given["damaged"] = [{"frame": 0, "change": base64.b64encode(zlib.compress(b"x")).decode()}]
    contents = {name: "same" if name in ("v8", "v9") else name for name in given}
    monkeypatch.setattr(copies, "BATCH", 50)
    few = copies.find_copies(given, contents, LIMIT)
    assert 10 < len(few) < 24
    assert "v9" not in few
    monkeypatch.setattr(copies, "MANY", 0)
    many = copies.find_copies(given, contents, LIMIT)
    assert {name: other for name, (other, _) in many.items()} == {n: other for n, (other, _) in few.items()}
    assert [v for _, v in many.values()] == pytest.approx([v for _, v in few.values()], abs=1e-5)


def test_a_low_limit_compares_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Projections of unlike moments correlate that much, and each pair would be looked at again by itself."""
    given = recordings(20, 7)
    contents = {name: name for name in given}
    unit, sizes = copies._unit, []

    def noted(moments: Sequence[Moment]) -> NDArray[np.float32]:
        sizes.append(len(moments))
        return unit(moments)

    monkeypatch.setattr(copies, "MANY", 0)
    monkeypatch.setattr(copies, "_unit", noted)
    found = [copies.find_copies(given, contents, limit) for limit in (LIMIT, 0.3)]
    assert 2 in sizes[:-1]
    assert sizes[-1] == 60
    assert found[0].keys() <= found[1].keys()

"""No flipped bit of a store hangs a command, ends in a traceback or changes a result unseen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.store.bitflips import kind_of, scan

KINDS = 13


@pytest.mark.slow
def test_flipped_bits_are_harmless_or_named(tmp_path: Path) -> None:
    counts, bad = scan(tmp_path / "project", 60, seed=1)
    assert len(counts) == KINDS
    assert {sum(found.values()) for found in counts.values()} == {60}
    assert not bad
    # the scan sees what there is to see
    assert counts["table of splits"]["refused"] > 40
    assert all(counts[kind]["named, made anew"] > 55 for kind in counts if kind.endswith(" file"))


def test_every_file_of_a_store_has_a_kind() -> None:
    assert kind_of("store/ttprep-store.json") == "marker"
    assert kind_of("store/videos/0123456789abcdef/flow-0123456789abcdef.h5") == "flow file"
    assert kind_of("store/videos/0123456789abcdef/flow-0123456789abcdef.json") == "receipt"
    assert kind_of("videos/a.mp4") == ""

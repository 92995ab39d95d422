"""Settings of `ttprep demo` for training sets: how long strokes and pauses last, how it is split."""

from itertools import pairwise
from xml.etree import ElementTree

import pytest

from pipeline.demos.strokes import seconds
from pipeline.errors import UserError
from pipeline.inputs.manifest import read_manifest
from tests.support.command_line import ttprep


def test_strokes_and_pauses_last_as_long_as_asked(tmp_path):
    done = ttprep(
        "demo", "d", "--clips", "2", "--strokes", "4", "--size", "160x90", "--stroke-seconds", "0.9-1.0",
        "--pause-seconds", "0.5-0.55", "--render-only", "--workers", "1", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for number in (1, 2):
        actions = ElementTree.parse(tmp_path / "d" / "clips" / f"demo_{number:02d}.xml").getroot()
        spans = [(int(a.get("begin")), int(a.get("end"))) for a in actions]
        assert len(spans) == 4
        assert all(107 <= end - begin <= 121 for begin, end in spans)
        assert all(59 <= after[0] - before[1] <= 67 for before, after in pairwise(spans))
    assert read_manifest(tmp_path / "d" / "data_manifest.yaml").splits.by == "video"


@pytest.mark.parametrize("text", ["1", "1-", "a-b", "-1-2", "1-2-3", "1,2"])
def test_a_range_that_is_none_is_told(text):
    with pytest.raises(UserError, match=r"--pause-seconds .*: give SHORTEST-LONGEST in seconds"):
        seconds("--pause-seconds", text)


def test_a_range_that_cannot_be_rendered_is_told(tmp_path):
    done = ttprep("demo", "d", "--stroke-seconds", "2-1", "--render-only", cwd=tmp_path)
    assert done.returncode == 2
    assert "duration 2.0…1.0 s" in done.stderr

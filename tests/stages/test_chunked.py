"""Every stage gives the same bytes however its input is cut into blocks and ranges.

Parametrised over the registry: a new stage is tested by being there.
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.base import Block, Params, Stage, VideoInfo
from stages.contract import (
    assert_same,
    blocks,
    check_outputs,
    cuts_anywhere,
    joined,
    rows_of,
    run_whole,
    takes_whole,
)
from stages.registry import registry
from tests.conftest import scene
from tests.stages.pose3d.blazepose import networks

Arrays = dict[str, NDArray[Any]]

SIZE = (96, 64)
STAGES = [name for name in registry() if name != "frames"]
#: those that take their rows in any blocks: the others are handed whole samples
IN_BLOCKS = [name for name in STAGES if not takes_whole(registry()[name])]
#: fewer iterations than the paper's, the same code: what matters here is where the cuts are
PARAMS: dict[str, dict[str, Any]] = {
    "flow": {"n_outer": 2, "n_sor": 5},
    "roi": {"crop_width": 40, "crop_height": 40},
    "cuboids": {"crop_width": 40, "crop_height": 32},
    "untrimmed": {"crop_width": 40, "crop_height": 32},
}
#: the background model needs more frames than its warm-up; the others need only a few
LENGTH = {"foreground": 75}


def params_of(stage: Stage[Any]) -> Params:
    params: Params = stage.params.model_validate(PARAMS.get(stage.name, {}))
    return params


def video(n: int) -> tuple[VideoInfo, Arrays]:
    """A short clip and everything that stages make of it, each array by its own stage but the poses."""
    # so slow that a third of a second ends within the clip
    info = VideoInfo(n, Fraction(12), *SIZE)
    rng = np.random.default_rng(n)
    n_poses = rng.integers(0, 4, n).astype(np.uint8)
    alive = np.arange(10) < n_poses[:, None]
    data: Arrays = {
        "frames.rgb": np.stack(list(scene(n, SIZE, seed=2, speed=3))),
        "frames.time": np.arange(n) / 12,
        "pose.n_poses": n_poses,
        "pose.pose_scores": (rng.random((n, 10)) * alive).astype(np.float32),
        "pose.keypoint_scores": (rng.random((n, 10, 17)) * alive[..., None]).astype(np.float32),
        "pose.keypoints": (rng.uniform(0, 90, (n, 10, 17, 2)) * alive[..., None, None]).astype(np.float32),
    }
    for stage in registry().values():
        if stage.name in ("foreground", "flow", "people", "player", "roi", "descriptor"):
            for name, values in run_whole(stage, params_of(stage), info, data).items():
                data[f"{stage.name}.{name}"] = values
    return info, data


@pytest.fixture(scope="module")
def videos() -> dict[int, tuple[VideoInfo, Arrays]]:
    made = {n: video(n) for n in (1, 2, 9)}
    # long enough for the warm-up; nothing but the background model reads it
    rgb = np.stack(list(scene(75, (48, 32), seed=6, speed=2)))
    made[75] = VideoInfo(75, Fraction(120), 48, 32), {"frames.rgb": rgb}
    return made


@pytest.fixture
def stage(request: pytest.FixtureRequest) -> Stage[Any]:
    found = registry()[request.param]
    if found.name == "pose":
        request.getfixturevalue("pose_weights")
    if found.name == "pose3d":
        networks()
    return found


each_stage = pytest.mark.parametrize("stage", STAGES, indirect=True)
each_in_blocks = pytest.mark.parametrize("stage", IN_BLOCKS, indirect=True)


def inputs(stage: Stage[Any], data: Arrays) -> Arrays:
    wanted = stage.reads(params_of(stage)) if stage.reads else stage.inputs
    return {name: data[name] for name in wanted}


def test_the_clip_has_something_in_every_array(videos: dict[int, tuple[VideoInfo, Arrays]]) -> None:
    """Equal nothings would prove nothing."""
    _, data = videos[9]
    for name in (
        "flow.flow",
        "people.track",
        "player.swing",
        "roi.moving",
        "descriptor.found",
        "descriptor.joints",
    ):
        assert data[name].any(), name
    assert len(np.unique(data["roi.raw"], axis=0)) > 3
    info, long = videos[75]
    mask = run_whole(registry()["foreground"], params_of(registry()["foreground"]), info, long)["mask"]
    assert mask.any(axis=(1, 2)).mean() > 0.9


@each_stage
def test_outputs_are_as_declared(stage: Stage[Any], videos: dict[int, tuple[VideoInfo, Arrays]]) -> None:
    for n in (1, 2, 9):
        info, data = videos[n]
        check_outputs(stage, params_of(stage), info, inputs(stage, data))


@each_in_blocks
@given(data=st.data())
@settings(max_examples=8)
def test_any_blocks_equal_the_whole(
    stage: Stage[Any], videos: dict[int, tuple[VideoInfo, Arrays]], data: st.DataObject
) -> None:
    info, arrays = videos[LENGTH.get(stage.name, 9)]
    n_rows = rows_of(stage, info)
    given_, params = inputs(stage, arrays), params_of(stage)
    whole = run_whole(stage, params, info, given_)
    cuts = data.draw(st.sets(st.integers(1, n_rows - 1), max_size=n_rows), label="cuts")
    parts = list(stage.compute(blocks(stage, given_, [0, *sorted(cuts), n_rows]), params, info))
    assert_same(joined(stage, parts), whole)


@each_in_blocks
@pytest.mark.parametrize("size", [1, 2, 4])
def test_equal_blocks_equal_the_whole(
    stage: Stage[Any], videos: dict[int, tuple[VideoInfo, Arrays]], size: int
) -> None:
    info, arrays = videos[LENGTH.get(stage.name, 9)]
    n_rows = rows_of(stage, info)
    given_, params = inputs(stage, arrays), params_of(stage)
    whole = run_whole(stage, params, info, given_)
    edges = [*range(0, n_rows, size), n_rows]
    assert_same(joined(stage, list(stage.compute(blocks(stage, given_, edges), params, info))), whole)


@pytest.mark.parametrize(
    "stage", [s for s in STAGES if registry()[s].splittable or cuts_anywhere(registry()[s])], indirect=True
)
@given(data=st.data())
@settings(max_examples=6)
def test_ranges_computed_apart_equal_the_whole(
    stage: Stage[Any], videos: dict[int, tuple[VideoInfo, Arrays]], data: st.DataObject
) -> None:
    """Each range by a call of its own, as on another worker, in any order."""
    info, arrays = videos[9]
    n_rows = 9 - (stage.rows == "pairs")
    given_, params = inputs(stage, arrays), params_of(stage)
    whole = run_whole(stage, params, info, given_)
    cuts = data.draw(st.sets(st.integers(1, n_rows - 1), min_size=1), label="ranges")
    edges = [0, *sorted(cuts), n_rows]
    ranges = list(itertools.pairwise(edges))
    made: dict[int, Arrays] = {}
    for start, stop in data.draw(st.permutations(ranges), label="order"):
        middle = data.draw(st.integers(start, stop), label="cut inside")
        inner = sorted({start, middle, stop})
        made[start] = joined(stage, list(stage.compute(blocks(stage, given_, inner), params, info)))
    assert_same(joined(stage, [made[start] for start, _ in ranges]), whole)


@each_in_blocks
@pytest.mark.parametrize("n", [1, 2])
def test_clips_of_one_and_two_frames(
    stage: Stage[Any], videos: dict[int, tuple[VideoInfo, Arrays]], n: int
) -> None:
    info, arrays = videos[n]
    n_rows = n - (stage.rows == "pairs")
    given_, params = inputs(stage, arrays), params_of(stage)
    whole = run_whole(stage, params, info, given_)
    edges = [0, 0] if n_rows == 0 else list(range(n_rows + 1))
    assert_same(joined(stage, list(stage.compute(blocks(stage, given_, edges), params, info))), whole)
    for name, values in whole.items():
        assert len(values) == n_rows, name


def test_a_block_that_lacks_its_halo_is_no_block() -> None:
    """Otherwise the tests above would pass with any halo: the flow stage needs the frame after."""
    flow = registry()["flow"]
    assert flow.halo == (0, 1)
    info, data = video(3)
    given_ = inputs(flow, {**data, "foreground.mask": np.ones_like(data["foreground.mask"])})
    short = Block(0, 1, 0, {name: values[:1] for name, values in given_.items()})
    with pytest.raises(IndexError):
        list(flow.compute(iter([short]), params_of(flow), info))

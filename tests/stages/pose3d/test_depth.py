"""Joints lifted by the depth under them: known bodies, known planes, unknown scales."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.base import Params, StageError, VideoInfo
from stages.contract import StageContract, run_whole
from stages.pose3d import STAGE, Pose3dParams
from stages.pose3d.depth import DepthNetwork, lifted, scales, under
from tests.remedies.following import Says
from tests.stages.pose3d.blazepose import body, write_depth_network

INFO = VideoInfo(6, Fraction(25), 320, 180)
#: postures whose limbs point in many directions: scales of picture and depth can be told apart
BODIES = np.stack([body(0.5 * np.sin(t), t / 2) for t in range(12)])


@given(st.floats(20, 300), st.floats(1e-3, 1e3), st.floats(-1e3, 1e3))
def test_unknown_scale_and_shift_of_inverse_depth_fall_out(px: float, step: float, shift: float) -> None:
    pixels = BODIES[..., :2] * (px, -px) + 90
    depths = BODIES[..., 2] * step + shift
    s, k = scales(pixels, depths, np.ones((12, 13)), 1.75, 0.3, metric=False)
    assert s == pytest.approx(1 / px, rel=1e-3)
    assert k == pytest.approx(1 / step, rel=1e-3)
    np.testing.assert_allclose(lifted(pixels, depths, s, k, metric=False), BODIES, atol=2e-3)


def test_metric_depth_keeps_its_scale() -> None:
    pixels, depths = BODIES[..., :2] * (80, -80) + 90, 6.0 - BODIES[..., 2]
    s, k = scales(pixels, depths, np.ones((12, 13)), 1.75, 0.3, metric=True)
    assert s == pytest.approx(1 / 80, rel=1e-3)
    assert k == 1.0
    np.testing.assert_allclose(lifted(pixels, depths, s, k, metric=True), BODIES, atol=2e-3)


def test_limbs_that_nobody_saw_count_for_nothing() -> None:
    pixels, depths, scores = BODIES[..., :2] * (80, -80), BODIES[..., 2].copy(), np.ones((12, 13))
    pixels[:, 9], scores[:, 9] = 500, 0.1  # a wrist that was guessed
    s, k = scales(pixels, depths, scores, 1.75, 0.3, metric=False)
    assert s == pytest.approx(1 / 80, rel=1e-3)
    assert k == pytest.approx(1, rel=1e-3)
    assert scales(pixels, depths, 0 * scores, 1.75, 0.3, metric=False) == (0.0, 0.0)


def film() -> dict[str, Any]:
    """Bodies in front of a wall whose red is the depth under each joint; nobody in frame 2."""
    rgb = np.full((6, 180, 320, 3), 40, np.uint8)
    described = np.zeros((6, 14, 3), np.float32)
    found = np.array([1, 1, 0, 1, 1, 1], np.uint8)
    for t in np.flatnonzero(found):
        at = BODIES[2 * t][:, :2] * (90, -90) + (160, 100)
        for (x, y), z in zip(at, BODIES[2 * t][:, 2], strict=True):
            near = np.s_[round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3]
            rgb[t][near] = (round(128 + 150 * z), 40, 40)
        described[t, 1:] = np.hstack([at, np.full((13, 1), 0.8)])
    return {"frames.rgb": rgb, "descriptor.joints": described, "descriptor.found": found}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_depth_network(tmp_path_factory.mktemp("depth") / "red.onnx", height=180, width=320)


def test_a_network_lifts_the_player(network: Path) -> None:
    params = Pose3dParams(method="depth", depth_network=network, depth_input="unit")
    data = film()
    out = run_whole(STAGE, params, INFO, data)
    np.testing.assert_array_equal(out["found"], data["descriptor.found"])
    seen = out["found"] == 1
    # 150 levels a metre, and eyes and nose lie over each other
    np.testing.assert_allclose(out["joints"][seen][:, 5:], BODIES[::2][seen][:, 5:], atol=0.03)
    assert not out["joints"][~seen].any()
    assert not out["scores"][~seen].any()
    np.testing.assert_array_equal(out["pixels"][seen], data["descriptor.joints"][seen][:, 1:, :2])
    # what differs is the network's scale: the lengths of the limbs take it out
    half = {**data, "frames.rgb": data["frames.rgb"] // 2 + 60}
    again = run_whole(STAGE, params, INFO, half)
    np.testing.assert_allclose(again["joints"][seen], out["joints"][seen], atol=0.05)


def test_nothing_is_found_where_nobody_is(network: Path) -> None:
    data = {**film(), "descriptor.found": np.zeros(6, np.uint8)}
    out = run_whole(STAGE, Pose3dParams(method="depth", depth_network=network), INFO, data)
    assert not out["found"].any()
    assert not out["joints"].any()


class TestContract(StageContract):
    stage = STAGE
    info = INFO

    @pytest.fixture(autouse=True)
    def _network(self, network: Path) -> None:
        type(self).params = Pose3dParams(method="depth", depth_network=network, depth_input="unit")

    params: ClassVar[Params | None] = None

    def arrays(self) -> dict[str, Any]:
        return film()

    def test_ranges_computed_apart_give_the_same_bytes(self) -> None:
        assert STAGE.in_order(
            STAGE.typed(self._params())
        )  # the whole video decides the scales: it is never cut
        assert not STAGE.in_order(Pose3dParams())


def test_the_depth_under_a_joint_is_the_median_around_it() -> None:
    depth = np.zeros((10, 20), np.float32)
    depth[4:7, 8:11] = 3.0
    depth[5, 9] = 50.0
    found = under(depth, np.array([[9.2, 5.4], [-7.0, 0.0], [19.4, 9.4]]))
    assert found.tolist() == [3.0, 0.0, 0.0]


def test_a_network_that_takes_any_size_gets_multiples(tmp_path: Path) -> None:
    path = write_depth_network(tmp_path / "any.onnx", height="h", width="w")
    params = Pose3dParams(method="depth", depth_network=path, depth_side=70, depth_input="unit")
    network = DepthNetwork(path, params)
    assert network._size(320, 180) == (126, 70)
    rgb = np.full((180, 320, 3), 51, np.uint8)
    np.testing.assert_allclose(network.depth(rgb), np.full((180, 320), 0.2), atol=1e-6)


def test_what_is_no_depth_network_is_said_to_be(tmp_path: Path, network: Path) -> None:
    (tmp_path / "text.onnx").write_text("no network")
    write_depth_network(tmp_path / "flat.onnx", rank=3)
    for name in ("text.onnx", "flat.onnx"):
        with pytest.raises(StageError) as error:
            DepthNetwork(tmp_path / name, Pose3dParams())
        text = str(error.value)
        assert "\n" not in text
        Says("is no depth network that can be run ({}); name the ONNX file of one as {}").of(text)
    DepthNetwork(network, Pose3dParams())
    data = film()
    gone = tmp_path / "gone.onnx"
    with pytest.raises(StageError) as error:
        run_whole(STAGE, Pose3dParams(method="depth", depth_network=gone), INFO, data)
    Says("the depth network {} cannot be read ({}); name an ONNX file as stages.pose3d.depth_network").of(
        str(error.value)
    )
    with pytest.raises(StageError) as error:
        run_whole(STAGE, Pose3dParams(method="depth"), INFO, data)
    Says("takes the ONNX file of a network; name it as stages.pose3d.depth_network").of(str(error.value))
    planned = Pose3dParams(method="depth", depth_network=network, weights_sha256="0" * 64)
    with pytest.raises(StageError) as error:
        run_whole(STAGE, planned, INFO, data)
    Says("is not the one that this run was planned with; restore it or run again").of(str(error.value))
    given = STAGE.derive(Pose3dParams(method="depth"), network, False) if STAGE.derive else None
    assert given is not None
    assert run_whole(STAGE, given.params, INFO, data)["found"].any()

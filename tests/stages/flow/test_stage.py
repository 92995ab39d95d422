"""The flow stage: masked, stored as int16, the same whatever the blocks; and the other methods."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from stages.base import Block, StageError, VideoInfo
from stages.contract import run_whole
from stages.flow import STAGE, FlowParams, IrlsFlow, irls_flow, irls_flow_video, masked_flow, quantise
from stages.flow.methods import VideoFlow
from stages.foreground import STAGE as FOREGROUND
from tests.support.flow import shared, texture

Frames = NDArray[np.uint8]
FAST = {"n_outer": 2, "n_sor": 5}
METHODS = ("irls", "deepflow", "tvl1", "farneback", "dis")


def video(n: int = 7, height: int = 48, width: int = 80) -> tuple[Frames, Frames]:
    """A texture that drifts by (1, 0.5) px a frame, and a mask that moves."""
    picture = texture(height + n, width + 2 * n, seed=2)
    frames = np.stack([picture[n - t // 2 - 1 :, n - t :][:height, :width] for t in range(n)])
    mask = np.zeros((n, height, width), np.uint8)
    for t in range(n):
        mask[t, 10 : 20 + t, 5 + 3 * t : 40 + t] = 1
    return np.rint(255 * frames).astype(np.uint8), mask


def whole(frames: Frames, mask: Frames, params: FlowParams) -> dict[str, NDArray[np.generic]]:
    info = VideoInfo(len(frames), Fraction(120), frames.shape[2], frames.shape[1])
    return run_whole(STAGE, params, info, {"frames.rgb": frames, "foreground.mask": mask})


def test_declares_what_it_yields() -> None:
    frames, mask = video()
    out = whole(frames, mask, FlowParams(**FAST))
    assert STAGE.upstream == ("frames", "foreground")
    assert set(out) == {spec.name for spec in STAGE.outputs}
    for spec in STAGE.outputs:
        assert out[spec.name].dtype == np.dtype(spec.dtype)
        assert out[spec.name].shape[0] == len(frames) - 1
        assert out[spec.name].ndim == len(spec.axes)


def test_is_smoothed_masked_flow_of_the_pair() -> None:
    frames, mask = video()
    out = whole(frames, mask, FlowParams(**FAST))
    for t in range(len(frames) - 1):
        raw = irls_flow(frames[t], frames[t + 1], **FAST)
        expected = cv2.GaussianBlur(raw, (3, 3), 0) * mask[t][:, :, np.newaxis]
        error = np.abs(out["flow"][t] * STAGE.output("flow").scale - expected)
        assert error.max() <= 7 / 128 + 1e-6
        assert np.median(error) <= 1 / 128
        assert not out["flow"][t][mask[t] == 0].any()
        assert out["flow"][t][mask[t] == 1].any(axis=1).all()
    assert not out["clipped"].any()
    rough = whole(frames, mask, FlowParams(**FAST, ksize=1))
    assert not np.array_equal(rough["flow"], out["flow"])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [1, 2, 5])
def test_blocks_equal_the_whole(size: int, method: str) -> None:
    frames, mask = video()
    params = FlowParams(method=method, **FAST)
    expected = whole(frames, mask, params)
    n, pairs = len(frames), len(frames) - 1
    blocks = []
    for start in range(0, pairs, size):
        stop = min(start + size, pairs)
        rows = slice(start, min(stop + STAGE.halo[1], n))
        blocks.append(Block(start, stop, start, {"frames.rgb": frames[rows], "foreground.mask": mask[rows]}))
    info = VideoInfo(n, Fraction(120), frames.shape[2], frames.shape[1])
    for chosen in (blocks, blocks[::2]):  # in a row, and with gaps as where parts are done already
        parts = list(STAGE.compute(iter(chosen), params, info))
        for block, part in zip(chosen, parts, strict=True):
            for name, array in expected.items():
                assert part[name].tobytes() == array[block.start : block.stop].tobytes()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("empty", [(0,), (1, 2), (0, 2, 4), range(7)])
def test_pairs_without_foreground_are_zero_and_change_no_other(empty: Sequence[int], method: str) -> None:
    frames, mask = video()
    mask[list(empty)] = 0
    params = FlowParams(**FAST, method=method)
    out = whole(frames, mask, params)
    for t in range(len(frames) - 1):
        engine = VideoFlow(frames.shape[1], frames.shape[2], params)
        engine.push(frames[t])
        engine.push(frames[t + 1])
        expected, clipped = quantise(masked_flow(engine.flow(), mask[t]))
        assert out["flow"][t].tobytes() == expected.tobytes()
        assert out["clipped"][t] == clipped


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_the_drift(method: str) -> None:
    frames, mask = video(n=3, height=120, width=160)
    mask[:] = 0
    mask[:, 30:90, 30:130] = 1
    params = FlowParams(method=method)
    flow = whole(frames, mask, params)["flow"][0] / 64
    inside = flow[40:80, 40:120]
    motion = np.median(inside, axis=(0, 1))
    expected = np.median(irls_flow(frames[0], frames[1])[40:80, 40:120], axis=(0, 1))
    assert abs(expected[0] - 1) < 0.05
    assert np.abs(motion - expected).max() < 0.3


@pytest.mark.parametrize("method", METHODS)
def test_threads_of_opencv_do_not_matter(method: str) -> None:
    frames, mask = video(n=3, height=120, width=160)
    fields = set()
    for threads in (1, 4):
        cv2.setNumThreads(threads)
        fields.add(whole(frames, mask, FlowParams(method=method, **FAST))["flow"].tobytes())
    cv2.setNumThreads(1)
    assert len(fields) == 1


def test_too_small_a_picture_is_a_stage_error() -> None:
    frames, mask = video(height=30)
    with pytest.raises(StageError, match=r"flow cannot be computed: expected pictures from 40 pixels"):
        whole(frames, mask, FlowParams())


def test_parameters_are_checked() -> None:
    with pytest.raises(ValueError, match="odd"):
        FlowParams(ksize=4)
    with pytest.raises(ValueError, match="method"):
        FlowParams(method="magic")
    with pytest.raises(ValueError, match="alfa"):
        FlowParams(alfa=1)  # type: ignore[call-arg]
    assert IrlsFlow(48, 64, 3, FlowParams()).levels == IrlsFlow(48, 64, 3).levels


def decode(path: Path, frames: int) -> tuple[Frames, Fraction]:
    """The first frames, 320 px wide."""
    out: list[Frames] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for frame in container.decode(stream):
            rgb = frame.to_ndarray(format="rgb24")
            size = (320, round(rgb.shape[0] * 320 / rgb.shape[1]))
            out.append(np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8))
            if len(out) == frames:
                break
        return np.stack(out), stream.average_rate or Fraction(30)


def raw_centre(flow: NDArray[np.generic], crop: int = 120) -> NDArray[np.float64]:
    """Centre of the region of interest before smoothing in time ([3S] §2.2); NaN without motion."""
    speed = np.abs(flow.astype(np.float32)).sum(axis=2)
    rows, columns = np.nonzero(speed)
    if not len(rows):
        return np.full(2, np.nan)
    fastest = np.array(np.unravel_index(speed.argmax(), speed.shape), float)
    mean = np.array([rows.mean(), columns.mean()])
    extent = np.array(speed.shape)
    low, high = np.full(2, crop / 2), extent - crop / 2
    inside = [np.maximum(np.minimum(p, high), low) for p in (fastest, mean)]
    return np.asarray(0.6 * inside[0] + 0.4 * inside[1], float)


CLIPS = (
    "lab_person_cam01_1080x1920p60.mp4",
    "opencv_vtest_576p10.avi",
    "tennis_behind_480p30.mp4",
    "tt_net_1080p120_a.mp4",
    "tt_net_1080p120_static.mp4",
    "tt_rally_720p30_progressive.mp4",
)


@pytest.mark.parametrize("clip", CLIPS)
def test_the_store_does_not_move_the_roi(clip: str) -> None:
    """Over the shared clips, the ROI from int16 lies within 0.25 px of the ROI from float32."""
    frames, fps = decode(shared("videos", clip), 25)
    info = VideoInfo(len(frames), fps, frames.shape[2], frames.shape[1])
    mask = run_whole(FOREGROUND, FOREGROUND.params(), info, {"frames.rgb": frames})["mask"]
    for t, raw in enumerate(irls_flow_video(frames)):
        flow = masked_flow(raw, mask[t])
        stored, clipped = quantise(flow)
        expected = raw_centre(flow)
        assert clipped == 0
        assert np.array_equal(np.isnan(expected), np.isnan(raw_centre(stored)))
        assert np.nan_to_num(np.abs(raw_centre(stored) - expected)).max() <= 0.25

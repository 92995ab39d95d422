"""The engine against an independent implementation, known motion, and everything a caller may hand it."""

from __future__ import annotations

import threading
import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.flow import IrlsFlow, IrlsParams, chosen_variant, irls_flow, irls_flow_video, variants
from stages.flow.engine import ISA_VARIABLE
from tests.support import flow_oracle
from tests.support.flow import texture

CASES: dict[str, tuple[tuple[int, int, int], dict[str, Any]]] = {
    "colour": ((25, 38, 3), {"n_inner": 1}),
    "grey": ((33, 21, 1), {"n_inner": 1}),
    "two inner iterations": ((22, 27, 3), {"n_inner": 2, "n_sor": 4}),
    "small ratio": ((20, 47, 3), {"ratio": 0.5}),
    "large ratio": ((24, 26, 1), {"ratio": 0.9, "n_sor": 3}),
    "stiff": ((19, 23, 3), {"alpha": 0.3}),
}


def shifted(shape: tuple[int, int, int], seed: int = 3) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A textured pair that moves by (1, 1) px and a little brightness."""
    height, width, channels = shape
    picture = texture(height + 4, width + 4, seed, channels)
    return picture[2:-2, 2:-2], picture[1:-3, 1:-3] * 0.97


@pytest.mark.parametrize("variant", ["avx512", "avx2", "baseline"])
@pytest.mark.parametrize("case", CASES)
def test_equals_the_literal_implementation(case: str, variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if variant not in variants():
        pytest.skip(f"this processor does not run {variant}")
    monkeypatch.setenv(ISA_VARIABLE, variant)
    shape, changes = CASES[case]
    defaults = {"alpha": 0.012, "ratio": 0.75, "min_width": 9, "n_outer": 2, "n_inner": 1, "n_sor": 6}
    parameters: dict[str, Any] = {**defaults, **changes}
    a, b = shifted(shape)
    expected = flow_oracle.flow(a.astype(float), b.astype(float), **parameters)
    flow = irls_flow(a, b, **parameters)
    assert np.abs(expected).max() > 0.05  # or all this would prove little
    error = np.abs(flow - expected)
    assert error.mean() <= 5e-6
    assert error.max() <= 2e-4


@pytest.mark.parametrize("motion", [(3, 0), (0, -2), (-5, 4)])
def test_finds_a_known_shift(motion: tuple[int, int]) -> None:
    dx, dy = motion
    picture = texture(140, 200, seed=5)
    flow = irls_flow(picture[10:130, 10:190], picture[10 - dy : 130 - dy, 10 - dx : 190 - dx])
    assert np.abs(np.median(flow, axis=(0, 1)) - motion).max() < 0.02


@pytest.mark.parametrize("shape", [(40, 40), (41, 67, 1), (180, 320, 3), (101, 43, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_identical_frames_give_exactly_zero(shape: tuple[int, ...], dtype: type) -> None:
    frame = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    frame = frame if dtype is np.uint8 else (frame / 255).astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        flow = irls_flow(frame, frame.copy())
    assert flow.shape == (*shape[:2], 2)
    assert not flow.any()


def test_dtypes_layouts_and_strides_do_not_matter() -> None:
    a, b = (np.rint(255 * f).astype(np.uint8) for f in shifted((60, 71, 3)))
    expected = irls_flow(a, b)
    reversed_twice = a[::-1, ::-1].copy()[::-1, ::-1]
    assert np.array_equal(irls_flow(reversed_twice, np.asfortranarray(b)), expected)
    wide = np.zeros((60, 142, 6), np.uint8)
    wide[:, ::2, ::2] = b
    assert np.array_equal(irls_flow(a, wide[:, ::2, ::2]), expected)
    assert np.abs(irls_flow(a / 255, (b / 255).astype(np.float32)) - expected).max() < 1e-4
    a.flags.writeable = False
    assert np.array_equal(irls_flow(a, b), expected)
    grey = a[:, :, 0]
    assert np.array_equal(irls_flow(grey, b[:, :, 0]), irls_flow(grey[:, :, np.newaxis], b[:, :, :1]))


GOOD = np.zeros((48, 64, 3), np.uint8)
HOLE = np.zeros((48, 64), np.float32)
HOLE[3, 4] = np.nan


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        (GOOD, GOOD[:-1], "one shape"),
        (GOOD, GOOD[:, :, 0], "one shape"),
        (GOOD[:, :, :2], GOOD[:, :, :2], r"frame0: expected shape \(H, W\)"),
        (GOOD[0, 0], GOOD, "frame0: expected shape"),
        (GOOD, GOOD[np.newaxis], "frame1: expected shape"),
        (GOOD[:39], GOOD[:39], "from 40 pixels"),
        (GOOD[:, :30], GOOD[:, :30], "twice min_width=20"),
        (np.zeros((0, 0, 3)), np.zeros((0, 0, 3)), "from 40 pixels"),
        (HOLE, HOLE, "without NaN"),
        (HOLE * 0 + 1, HOLE, "frame0: .*without NaN"),
        (GOOD, GOOD / 1.0 + 255, r"frame1: expected float pixels in \[0, 1\]"),
        (GOOD / 1.0 - 0.1, GOOD, r"\[0, 1\]"),
        (np.full((48, 64), np.inf), HOLE, r"\[0, 1\]"),
        (GOOD.astype(np.int16), GOOD, "expected uint8 or float pixels, got int16"),
        (GOOD.astype(bool), GOOD, "got bool"),
        (GOOD.astype(complex), GOOD, "got complex128"),
        (np.full((48, 64), None), GOOD, "got object"),
    ],
)
def test_says_what_was_expected(first: NDArray[np.generic], second: NDArray[np.generic], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        irls_flow(first, second)


@pytest.mark.parametrize(
    "bad",
    [
        {"alpha": 0.0},
        {"alpha": -1.0},
        {"alpha": float("nan")},
        {"ratio": 1.0},
        {"ratio": 0.2},
        {"min_width": 0},
        {"n_outer": 0},
        {"n_inner": 0},
        {"n_sor": 0},
        {"n_sor": 1.5},
        {"n_outer": "many"},
    ],
)
def test_parameters_are_checked(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        irls_flow(GOOD, GOOD, **bad)  # type: ignore[arg-type]


def test_video_says_which_frame_is_wrong() -> None:
    with pytest.raises(ValueError, match="frame 2: expected shape"):
        list(irls_flow_video([GOOD, GOOD, GOOD[:-1]]))
    assert list(irls_flow_video([])) == []
    assert list(irls_flow_video([GOOD])) == []
    with pytest.raises(RuntimeError, match="two pictures"):
        IrlsFlow(48, 64, 3).flow()


def test_the_variable_forces_a_variant(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in variants():
        monkeypatch.setenv(ISA_VARIABLE, name)
        assert IrlsFlow(48, 64, 3).variant == name
    monkeypatch.setenv(ISA_VARIABLE, "")
    assert chosen_variant() == variants()[0]
    monkeypatch.setenv(ISA_VARIABLE, "mmx")
    with pytest.raises(ValueError, match=r"TTPREP_FLOW_ISA=mmx: this processor runs .*baseline"):
        irls_flow(GOOD, GOOD)


def test_threads_give_the_same_bytes() -> None:
    """No state is shared: several videos at once, each with its own size and parameters."""
    videos = [
        [
            np.rint(255 * f).astype(np.uint8)
            for f in (*shifted((60 + 7 * k, 71, 3), k), shifted((60 + 7 * k, 71, 3))[0])
        ]
        for k in range(4)
    ]
    parameters = [IrlsParams(n_outer=2 + k) for k in range(4)]
    expected = [
        b"".join(f.tobytes() for f in irls_flow_video(v, p)) for v, p in zip(videos, parameters, strict=True)
    ]
    got: list[list[bytes]] = [[] for _ in videos]

    def work(k: int) -> None:
        for _ in range(3):
            got[k].append(b"".join(f.tobytes() for f in irls_flow_video(videos[k], parameters[k])))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [[one] * 3 for one in expected]


def test_one_engine_is_not_for_two_threads_at_a_time() -> None:
    engine = IrlsFlow(180, 320, 3)
    frames = [np.rint(255 * texture(180, 320, k)).astype(np.uint8) for k in range(2)]
    engine.push(frames[0])
    engine.push(frames[1])
    errors: list[RuntimeError] = []
    start = threading.Barrier(3)

    def work() -> None:
        start.wait()
        for _ in range(4):
            try:
                engine.flow()
            except RuntimeError as error:
                errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors  # they did meet, and none of them read a half-written field
    assert all("in use by another thread" in str(error) for error in errors)
    assert np.array_equal(engine.flow(), irls_flow(*frames))


def test_a_pair_knows_nothing_of_the_pairs_before_it() -> None:
    # the memory of one pair serves the next
    pictures = [texture(60, 80, seed) for seed in range(3)]
    grey = [picture[..., 0] for picture in pictures]
    for a, b in ((0, 1), (2, 0), (1, 1), (0, 1)):
        for pair, channels in ((pictures, 3), (grey, 1)):
            first, second = np.atleast_3d(pair[a]), np.atleast_3d(pair[b])
            for params in (IrlsParams(), IrlsParams(n_outer=2)):
                fresh = IrlsFlow(60, 80, channels, params)
                fresh.push(first)
                fresh.push(second)
                given = params.model_dump(include=set(IrlsParams.model_fields))
                assert irls_flow(pair[a], pair[b], **given).tobytes() == fresh.flow().tobytes()


def test_the_callers_floating_point_mode_survives() -> None:
    tiny = np.array([1e-42], np.float32)
    irls_flow(GOOD, GOOD)
    assert (tiny * np.float32(0.5))[0] != 0

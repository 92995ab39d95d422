"""Whatever is asked of an array is what numpy gives of all of it."""

from __future__ import annotations

import datetime
import gc
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import ttprep
from pipeline.annotations.timeline import Timeline
from pipeline.reading import arrays as reading
from tests.support.projects import QUIET

Array = NDArray[Any]


def by_hand(path: Path, name: str) -> Array:
    """All of an array, read and decoded as docs/store-format.md says."""
    with h5py.File(path) as file:
        data = file[name]
        rows = data[:]
        if data.attrs["encoding"] == "temporal-delta":
            size = data.chunks[0]
            rows = np.concatenate(
                [
                    np.add.accumulate(rows[a : a + size], axis=0, dtype=np.uint8)
                    for a in range(0, len(rows), size)
                ]
            )
        scale = float(data.attrs["scale"])
    return np.asarray(rows if scale == 1 else (rows * scale).astype(np.float32))


@pytest.fixture(scope="module")
def wholes(demo: Path) -> dict[str, tuple[ttprep.VideoArray, Array]]:
    v = ttprep.open(demo / "ttprep-store")["match1.mp4"]
    places = {r.stage: r.path for r in v.results()}
    return {
        "frames": (v.frames, by_hand(places["frames"], "rgb")),
        "flow": (v.flow, by_hand(places["flow"], "flow")),
        "mask": (v.mask, by_hand(places["foreground"], "mask")),
        "centre": (v.array("roi", "centre"), by_hand(places["roi"], "centre")),
    }


@pytest.mark.parametrize("name", ["frames", "flow", "mask", "centre"])
def test_all_of_it(wholes: dict[str, tuple[ttprep.VideoArray, Array]], name: str) -> None:
    array, whole = wholes[name]
    assert (array.shape, array.dtype, array.ndim, array.size, array.nbytes) == (
        whole.shape, whole.dtype, whole.ndim, whole.size, whole.nbytes,
    )  # fmt: skip
    assert len(array) == len(whole)
    for found in (array[:], array[...], array[()], np.asarray(array), np.stack(list(array))):
        assert found.dtype == whole.dtype
        np.testing.assert_array_equal(found, whole)
    assert whole.any()


bounds = st.none() | st.integers(-160, 160)
slices = st.builds(slice, bounds, bounds, st.none() | st.integers(-60, 60).filter(bool))
inner = st.builds(slice, st.integers(0, 50), st.none() | st.integers(40, 90), st.integers(1, 9))


@settings(max_examples=150)
@given(
    name=st.sampled_from(["frames", "flow", "mask", "centre"]),
    rows=slices,
    rest=st.none() | inner | st.integers(-2, 1),
)
def test_any_slice(
    wholes: dict[str, tuple[ttprep.VideoArray, Array]], name: str, rows: slice, rest: slice | int | None
) -> None:
    array, whole = wholes[name]
    key: Any = rows if rest is None else (rows, rest)
    found = array[key]
    assert found.dtype == whole.dtype
    np.testing.assert_array_equal(found, whole[key])


@settings(max_examples=100)
@given(
    name=st.sampled_from(["frames", "flow", "mask"]),
    rows=st.lists(st.integers(-144, 143), max_size=12),
    as_array=st.booleans(),
)
def test_any_list(
    wholes: dict[str, tuple[ttprep.VideoArray, Array]], name: str, rows: list[int], as_array: bool
) -> None:
    array, whole = wholes[name]
    np.testing.assert_array_equal(
        array[np.array(rows, int) if as_array else rows], whole[np.array(rows, int)]
    )


@settings(max_examples=30)
@given(seed=st.integers(0, 999), as_array=st.booleans())
def test_any_mask(wholes: dict[str, tuple[ttprep.VideoArray, Array]], seed: int, as_array: bool) -> None:
    array, whole = wholes["flow"]
    mask = np.random.default_rng(seed).random(144) < seed / 999
    np.testing.assert_array_equal(array[mask if as_array else mask.tolist()], whole[mask])


@given(row=st.integers(-145, 144))
@settings(max_examples=20)
def test_one_frame(wholes: dict[str, tuple[ttprep.VideoArray, Array]], row: int) -> None:
    array, whole = wholes["frames"]
    np.testing.assert_array_equal(array[row], whole[row])
    np.testing.assert_array_equal(array[np.int16(row)], whole[row])


def test_what_is_returned_is_ones_own(wholes: dict[str, tuple[ttprep.VideoArray, Array]]) -> None:
    array, whole = wholes["frames"]
    for key in (3, slice(3, 9), [3, 4], slice(None)):
        array[key][...] = 0
        np.testing.assert_array_equal(array[key], whole[key])


def test_wide_frames_are_read_in_bands(
    wholes: dict[str, tuple[ttprep.VideoArray, Array]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", 1 << 18)
    for array, whole in (wholes["frames"], wholes["flow"]):
        for key in (slice(45, 58, 3), slice(57, 20, -7), [58, 2, 2], (slice(3, 6), slice(20, 80), 3), 7):
            np.testing.assert_array_equal(array[key], whole[key])


def test_memory_goes_with_the_slice(demo: Path) -> None:
    """A tenth of a megabyte of flow at a time; the video's takes 17."""
    flow = ttprep.open(demo / "ttprep-store")["match1.mp4"].flow
    chunk = flow.chunk * flow.nbytes // len(flow) // 2  # int16
    flow[0]
    gc.collect()
    tracemalloc.start()
    for t in range(len(flow)):
        flow[t]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.5 * chunk + 2**19 < flow.nbytes / 3


def test_a_chunk_is_decoded_once(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from store import FeatureReader

    read: list[tuple[int, int]] = []
    real = FeatureReader.span

    def span(self: FeatureReader, name: str, start: int, stop: int, **more: Any) -> Array:
        read.append((start, stop))
        return real(self, name, start, stop, **more)

    monkeypatch.setattr(FeatureReader, "span", span)
    array = ttprep.open(demo / "ttprep-store")["match1.mp4"].flow
    array[:]
    assert read == [(0, 25), (25, 50), (50, 75), (75, 100), (100, 125), (125, 144)]
    read.clear()
    array[[58, 0, 30, 1, 57, 31]]
    assert read == [(0, 2), (30, 32), (50, 75)]
    read.clear()
    for t in range(50, 75):
        array[t]
    assert read == []
    array[140:70:-1]
    assert read == [(75, 100), (100, 125), (125, 141)]


# -- times -------------------------------------------------------------------------------------


def test_slices_of_times(wholes: dict[str, tuple[ttprep.VideoArray, Array]]) -> None:
    array, whole = wholes["flow"]
    for key, same in {
        ("1.2s", "2.4s"): slice(12, 24),
        ("1200ms", "0:02.4"): slice(12, 24),
        ("1.2s", 20): slice(12, 20),
        ("1.16s", "1.24s"): slice(12, 12),
        ("1.15s", "1.25s"): slice(12, 13),
        (None, "0.6s"): slice(0, 6),
        ("-1s", None): slice(135, None),
        ("-1s", "-0.5s"): slice(135, 140),
        ("14s", "1:00"): slice(140, None),
        ("9min", None): slice(145, None),
        ("2.4s", "1.2s"): slice(24, 12),
        (datetime.timedelta(milliseconds=1200), np.timedelta64(2400, "ms")): slice(12, 24),
    }.items():
        np.testing.assert_array_equal(array[slice(*key)], whole[same], err_msg=str(key))
    np.testing.assert_array_equal(array["1.2s":"2.4s":3], whole[12:24:3])
    np.testing.assert_array_equal(array["2.4s":"1.2s":-1], whole[24:12:-1])
    np.testing.assert_array_equal(array["0s":"4s":"1s"], whole[[0, 10, 20, 30]])
    np.testing.assert_array_equal(array[::"1200ms"], whole[::12])
    np.testing.assert_array_equal(array["4.8s"::"-2.4s"], whole[[48, 24, 0]])
    np.testing.assert_array_equal(array["0s":"0.3s":"0.05s"], whole[[0, 1, 1, 2, 2, 3]])
    np.testing.assert_array_equal(array["1.2s"], whole[12])
    np.testing.assert_array_equal(array["-1s"], whole[135])
    np.testing.assert_array_equal(array[["1.2s", 3, "1.24s"]], whole[[12, 3, 12]])
    np.testing.assert_allclose(array.times, np.arange(144) / 10)


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> tuple[ttprep.Video, Array]:
    """A video whose rate changes: its frames, and their times."""
    from pipeline.inputs.manifest import Manifest
    from pipeline.planning.request import Request, Where
    from pipeline.run import run
    from tests.support.timed_videos import write_timed

    root = tmp_path_factory.mktemp("uneven")
    rng = np.random.default_rng(3)
    steps = np.where(np.arange(50) < 25, rng.integers(20, 30, 50), rng.integers(40, 70, 50))
    shown = np.cumsum(steps) / 1000
    path = write_timed(root / "phone.mp4", shown - shown[0])
    request = Request(Manifest(dataset=None), root / "store", (path,), ("frames",), Where(workers=0))
    assert run(request, QUIET).code == 0
    v = ttprep.open(root / "store")["phone.mp4"]
    return v, v.times


@settings(max_examples=80)
@given(begin=st.floats(0, 2.5), length=st.floats(0, 1), step=st.sampled_from([None, 1, 3, -2]))
def test_a_variable_rate(
    uneven: tuple[ttprep.Video, Array], begin: float, length: float, step: int | None
) -> None:
    """The frames are those that an annotation of the same seconds means."""
    from fractions import Fraction

    v, times = uneven
    line = Timeline(np.ascontiguousarray(times).tobytes())
    a, b = (max(0, line.frame_at(Fraction(f"{t:.6f}"))) for t in (begin, begin + length))
    found = v.frames[f"{begin:.6f}s" : f"{begin + length:.6f}s" : step]
    np.testing.assert_array_equal(found, v.frames[a:b:step])


def test_a_variable_rate_is_not_mapped_by_fps(uneven: tuple[ttprep.Video, Array]) -> None:
    v, times = uneven
    assert v.info["rate"] == "variable"
    middle = len(times) // 2
    assert abs(times[middle] - middle / v.info["fps"]) > 2 / v.info["fps"]
    np.testing.assert_array_equal(v.frames[f"{times[middle]}s"], v.frames[middle])


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (144, "there is no 144; it has 144 rows, 0 to 143"),
        (-145, "there is no -145"),
        ([0, 199], "there is no 199"),
        (1.5, 'write "1.5s" for seconds'),
        (slice(0.5, 1.0), 'write "0.5s" for seconds'),
        ("soon", "is no time"),
        ("12", "is no time"),
        ("14.6s", "lies outside; it lasts from 0.000 to 14.500 s"),
        ("-14.6s", "lies outside"),
        (True, "is neither a frame's number nor a time"),
        ([True, False], "2 truth values for 144 rows"),
        (np.zeros((2, 2), int), "one axis"),
        (slice(0, 5, 0), "cannot be 0"),
        (slice(0, 5, "0s"), "cannot be 0"),
        (None, "is neither"),
    ],
    ids=str,
)
def test_what_is_no_index(wholes: dict[str, tuple[ttprep.VideoArray, Array]], key: Any, said: str) -> None:
    with pytest.raises(ttprep.BadIndex) as error:
        wholes["flow"][0][key]
    assert said in str(error.value)
    assert isinstance(error.value, IndexError)


def test_pickled(wholes: dict[str, tuple[ttprep.VideoArray, Array]]) -> None:
    array, whole = wholes["flow"]
    again = pickle.loads(pickle.dumps(array))
    np.testing.assert_array_equal(again[3:30:2], whole[3:30:2])

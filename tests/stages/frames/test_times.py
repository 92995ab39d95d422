"""When pictures are shown: ascending, from the file's start, at even steps where that is asked for."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.frames.times import Clock, Follower, nearest, rate_of
from tests.support.ffmpeg import ffmpeg, needs_ffmpeg, pattern, stored, tone

X264 = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"]


@needs_ffmpeg
@pytest.mark.parametrize("codec", [[*X264, "-bf", 3], ["-c:v", "mpeg4", "-bf", 2]], ids=["h264", "mpeg4"])
def test_avi_with_b_frames(tmp_path: Path, codec: list[object]) -> None:
    """AVI numbers packets, not pictures; players show the n-th picture at n steps."""
    path = tmp_path / "b.avi"
    ffmpeg(*pattern(seconds=1), *codec, path)
    _, time, attrs = stored(path)
    np.testing.assert_allclose(time, np.arange(30) / 30, atol=1e-9)
    assert (attrs["rate"], attrs["timestamps_not_increasing"], attrs["notes"]) == ("constant", 0, [])


@needs_ffmpeg
def test_a_raw_stream_without_times(tmp_path: Path) -> None:
    path = tmp_path / "raw.h264"
    ffmpeg(*pattern(seconds=1, rate=50), *X264, "-bf", 2, path)
    _, time, attrs = stored(path)
    assert attrs["fps"] == 50
    np.testing.assert_allclose(np.diff(time), 1 / 50, atol=1e-6)


@needs_ffmpeg
@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_a_phone_that_halves_its_rate(tmp_path: Path, container: str) -> None:
    path = tmp_path / f"phone.{container}"
    ffmpeg(
        *pattern(seconds=4), "-vf", "select='gte(t,2)+not(mod(n,2))'", "-fps_mode", "passthrough",
        "-enc_time_base", "1:90000", *X264, path,
    )  # fmt: skip
    _, time, attrs = stored(path)
    assert (attrs["rate"], attrs["rate_of_source"], attrs["fps"]) == ("variable", "variable", 30)
    assert "half a step" in attrs["rate_tolerance"]
    truth = [k / 30 for k in range(120) if k >= 60 or k % 2 == 0]
    np.testing.assert_allclose(time, truth, atol=1e-3)
    assert any(note.startswith("variable frame rate") for note in attrs["notes"])

    native = stored(path)[0]
    rgb, even, attrs = stored(path, rate="constant")
    assert (attrs["rate"], attrs["rate_of_source"], attrs["frames_decoded"]) == ("constant", "variable", 90)
    np.testing.assert_allclose(even, np.arange(120) / 30, atol=1e-6)
    at = np.array(truth)
    expected = [int(np.argmin(np.abs(at - t) - 1e-6 * (at < t))) for t in even]
    for k, choice in enumerate(expected):
        near = {choice, *np.flatnonzero(np.abs(np.abs(at - even[k]) - np.abs(at[choice] - even[k])) < 2e-3)}
        assert any((rgb[k] == native[j]).all() for j in near), k


@needs_ffmpeg
def test_even_steps_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "even.mp4"
    ffmpeg(*pattern(seconds=1), *X264, path)
    for one, other in zip(stored(path)[:2], stored(path, rate="constant")[:2], strict=True):
        np.testing.assert_array_equal(one, other)
    assert stored(path)[2]["rate"] == "constant"


@needs_ffmpeg
@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_pictures_that_begin_after_the_sound(tmp_path: Path, container: str) -> None:
    ffmpeg(*pattern(seconds=1), *X264, tmp_path / "b.mp4")
    path = tmp_path / f"late.{container}"
    ffmpeg(
        *tone(3), "-itsoffset", 1.5, "-i", tmp_path / "b.mp4", "-map", "1:v", "-map", "0:a", "-c:v", "copy",
        "-c:a", "aac", path,
    )  # fmt: skip
    _, time, attrs = stored(path)
    np.testing.assert_allclose(time, 1.5 + np.arange(30) / 30, atol=0.03)  # a sound encoder's delay
    assert attrs["first_picture"] == pytest.approx(1.5, abs=0.03)
    assert attrs["file_start"] == pytest.approx(0, abs=0.03)
    assert attrs["rate"] == "constant"
    assert any("its first picture is shown 1.5" in note for note in attrs["notes"])


@needs_ffmpeg
def test_a_broadcast_clock_counts_from_the_files_start(tmp_path: Path) -> None:
    """MPEG streams start anywhere (ffmpeg's at 1.4 s); a player shows 0."""
    path = tmp_path / "a.ts"
    ffmpeg(*pattern(seconds=1), *X264, "-f", "mpegts", path)
    _, time, attrs = stored(path)
    np.testing.assert_allclose(time, np.arange(30) / 30, atol=1e-4)
    assert (attrs["file_start"], attrs["first_picture"]) == (0, pytest.approx(0, abs=1e-4))


def clock(stamps: list[int | None], jumps: bool = False, by_packets: bool = False) -> Clock:
    found = Clock(Fraction(1, 100), Fraction(10), by_packets, jumps)
    for stamp in stamps:
        found.feed(SimpleNamespace(pts=stamp, dts=stamp))
        found.show(stamp)
    return found


def test_a_clock_that_is_set_back_goes_on() -> None:
    found = clock([100, 110, 120, 0, 10, 20])
    assert found.times == [100, 110, 120, 130, 140, 150]
    assert found.restarts == [3]


def test_a_gap_is_a_gap_where_the_clock_is_the_files_own() -> None:
    assert clock([0, 10, 5000, 5010]).times == [0, 10, 5000, 5010]
    assert clock([0, 10, 5000, 5010], jumps=True).times == [0, 10, 20, 30]


def test_missing_and_equal_times_are_filled_in() -> None:
    assert clock([0, None, 20]).times == [0, 10, 20]
    assert clock([0, 10, 10, 20]).times == [0, 10, 15, 20]


@given(
    st.lists(st.one_of(st.none(), st.integers(-(10**6), 10**6)), max_size=60), st.booleans(), st.booleans()
)
def test_times_always_ascend(stamps: list[int | None], jumps: bool, by_packets: bool) -> None:
    assert (np.diff(clock(stamps, jumps, by_packets).times) > 0).all()


TIMES = st.lists(st.floats(0.001, 0.3), min_size=1, max_size=50).map(lambda steps: list(np.cumsum(steps)))


@given(TIMES, st.sampled_from([10, 24, 30, 60]))
def test_the_nearest_picture_is_the_nearest(times: list[float], fps: int) -> None:
    chosen = nearest(times, Fraction(fps))
    steps = times[0] + np.arange(len(chosen)) / fps
    away = np.abs(np.array(times)[None] - steps[:, None])
    np.testing.assert_allclose(away[np.arange(len(steps)), chosen], away.min(axis=1), atol=3e-9)
    assert chosen[0] == 0
    assert abs(steps[-1] - times[-1]) <= 0.5 / fps + 1e-9
    follower = Follower(iter([(t, k) for k, t in enumerate(times)]))
    half = len(steps) // 2
    assert [*follower.at(steps[:half]), *follower.at(steps[half:])] == list(chosen)


@pytest.mark.parametrize("fps", [24, 30, 60, 120, 240])
def test_what_counts_as_even(fps: int) -> None:
    even = np.arange(600) / fps
    tick = Fraction(1, 1000)
    assert not rate_of(Fraction(fps), tick, list(np.round(even, 3))).variable, "milliseconds"
    lost = np.delete(even, 300)
    assert rate_of(Fraction(fps), tick, list(np.round(lost, 3))).variable, "one picture lost"
    shaken = even + np.random.default_rng(0).uniform(-0.2, 0.2, 600) / fps
    assert not rate_of(Fraction(fps), tick, list(shaken)).variable, "a phone's jitter"


@needs_ffmpeg
@pytest.mark.parametrize("rate", [15, 24, 40])
def test_a_rate_of_ones_own_takes_the_nearest_pictures(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "even.mp4"
    ffmpeg(*pattern(seconds=2), *X264, path)
    native = stored(path)[0]
    rgb, time, attrs = stored(path, rate=rate)
    assert (attrs["fps"], attrs["fps_of_source"], attrs["fps_from"]) == (rate, 30, "rate")
    assert (attrs["rate"], attrs["frames_decoded"]) == ("constant", 60)
    np.testing.assert_allclose(time, np.arange(2 * rate) / rate, atol=1e-6)
    for k, at in enumerate(time):
        near = np.flatnonzero(np.abs(np.arange(60) / 30 - at) <= 1 / 60 + 1e-6)
        assert any((rgb[k] == native[j]).all() for j in near), k

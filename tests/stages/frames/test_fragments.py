"""Fragmented files that end too early: what the fragments promise is counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.base import StageError
from stages.frames.fragments import read_promise
from tests.support.ffmpeg import ffmpeg, needs_ffmpeg, pattern, stored, tone

pytestmark = needs_ffmpeg

FLAGS = {
    "plain": "frag_keyframe+empty_moov+default_base_moof",
    "hybrid": "frag_keyframe+default_base_moof",
    "dash": "dash+global_sidx+frag_keyframe+empty_moov",
}


@pytest.fixture(scope="module", params=list(FLAGS))
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four fragments of two seconds, with sound."""
    path = tmp_path_factory.mktemp("fragments") / "whole.mp4"
    ffmpeg(
        *pattern("320x180", 8), *tone(8), "-c:v", "libx264", "-preset", "ultrafast", "-bf", 2, "-g", 60,
        "-sc_threshold", 0, "-pix_fmt", "yuv420p", "-c:a", "aac", "-movflags", FLAGS[request.param], path,
    )  # fmt: skip
    return path


def test_a_whole_file_keeps_its_promise(whole: Path) -> None:
    rgb, _, attrs = stored(whole)
    assert len(rgb) == attrs["frames_claimed"] == read_promise(whole, 1).samples == 240
    assert attrs["faults"] == []


@pytest.mark.parametrize("keep", [k / 10 for k in range(1, 10)])
def test_every_truncation_is_seen(whole: Path, tmp_path: Path, keep: float) -> None:
    path = tmp_path / "cut.mp4"
    data = whole.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(StageError, match=r"damaged|not a video that can be opened|no frame could be decoded"):
        stored(path)


def test_what_is_there_is_kept(whole: Path, tmp_path: Path) -> None:
    """The end of the sound does not end the pictures."""
    data = whole.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: int(len(data) * 0.45)])
    rgb, _, attrs = stored(path, damaged="keep")
    assert len(rgb) >= 0.4 * 240
    assert attrs["faults"]


def test_a_cut_between_fragments_is_seen_where_an_index_lists_them(tmp_path: Path) -> None:
    path = tmp_path / "whole.mp4"
    ffmpeg(*pattern("320x180", 4), "-c:v", "libx264", "-g", 30, "-movflags", FLAGS["dash"], path)
    data = path.read_bytes()
    first = (
        data.index(b"moof", data.index(b"moof") + 4) - 4 if data.count(b"moof") > 1 else len(data) * 3 // 4
    )
    path.write_bytes(data[:first])
    with pytest.raises(StageError, match="damaged"):
        stored(path)


def test_lost_sound_is_no_damage_of_pictures(tmp_path: Path) -> None:
    """All pictures lie before the place of the cut; what is lost is sound."""
    path = tmp_path / "av.mp4"
    ffmpeg(
        *pattern("320x180", 1), *tone(9), "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac",
        "-movflags", "faststart", path,
    )  # fmt: skip
    data = path.read_bytes()
    path.write_bytes(data[:-2000])
    rgb, _, attrs = stored(path)
    assert len(rgb) == 30
    assert attrs["faults"] == []
    assert any("ends 2000 bytes before its part mdat does" in note for note in attrs["notes"])

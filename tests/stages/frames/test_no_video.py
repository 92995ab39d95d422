"""Files that are no video, or cannot be read, end in one line."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.stages.frames.decoding import refused


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.touch()
    assert "empty (0 bytes)" in refused(path)


def test_a_text_file(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_text("This is not a video.\n" * 200)
    assert "not a video that can be opened" in refused(path)


def test_a_file_of_zeros(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(100_000))
    assert "not a video that can be opened" in refused(path)


@pytest.mark.parametrize("name", ["tone.m4a", "tone.mp4", "tone.wav"])
def test_sound_without_picture(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("pcm_s16le" if name.endswith("wav") else "aac", rate=44100)
        for k in range(20):
            tone = (np.sin(np.arange(1024) / 20) * 0.3).astype(np.float32)[None]
            frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 44100, 1024 * k
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    assert "holds no video stream (only audio)" in refused(path)


@pytest.mark.parametrize("name", ["none.mp4", "none.mkv", "none.avi"])
def test_a_video_without_a_frame(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    options = {"movflags": "empty_moov"} if name.endswith("mp4") else {}
    with av.open(str(path), "w", options=options) as out:
        stream: Any = out.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        out.start_encoding()
    for damaged in ("fail", "keep"):
        text = refused(path, damaged=damaged)
        assert "no frame could be decoded" in text or "not a video that can be opened" in text


def test_a_directory(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").mkdir()
    assert "is a directory" in refused(tmp_path / "clip.mp4")


def test_a_missing_file_and_a_dangling_link(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "clip.mp4")
    (tmp_path / "link.mp4").symlink_to("nowhere")
    assert "no such file" in refused(tmp_path / "link.mp4")
    (tmp_path / "file").touch()
    assert "no such file" in refused(tmp_path / "file" / "clip.mp4")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "clip.mp4")
    assert "not a regular file" in refused(tmp_path / "clip.mp4")


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A folder that everybody may enter, and a process without root's right to read everything."""
    if not hasattr(os, "geteuid"):
        pytest.skip("no user ids here")
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        was_root = os.geteuid() == 0
        if was_root:
            os.seteuid(65534)
        try:
            yield Path(name)
        finally:
            if was_root:
                os.seteuid(0)
            for path in Path(name).rglob("*"):
                path.chmod(0o755)


def test_an_unreadable_file(formats: dict[str, Path], nobody: Path) -> None:
    euid = os.geteuid()
    if euid == 65534:
        os.seteuid(0)
    data = formats["h264.mp4"].read_bytes()
    (nobody / "clip.mp4").write_bytes(data)
    (nobody / "clip.mp4").chmod(0)
    (nobody / "closed").mkdir()
    (nobody / "closed" / "clip.mp4").write_bytes(data)
    (nobody / "closed").chmod(0)
    os.seteuid(euid)
    assert "may not be read" in refused(nobody / "clip.mp4")
    assert "cannot be reached (Permission denied)" in refused(nobody / "closed" / "clip.mp4")

"""Fixtures of all tests: the shared reference material, real little videos, a moving scene."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray

from tests import slow_list
from tests.not_tested import missing

Picture = NDArray[np.uint8]

# a shell's background job ignores ^C, and so would every process that tests start and interrupt
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "ttprep",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("ttprep")


#: files of few but long tests; begun last, one of them would keep a single core busy at the end
FIRST = (
    "tests/tttrain/training/test_full_size.py",
    "tests/end_to_end/test_shared_disk.py",
    "tests/tttrain/training/test_learning.py",
    "tests/docs/test_tutorial.py",
    "tests/end_to_end/test_train_demo.py",
    "tests/end_to_end/test_robust.py",
    "tests/end_to_end/test_bad_input.py",
    "tests/end_to_end/test_machine.py",
    "tests/pipeline/execution/test_cluster_messages.py",
    "tests/tttrain/training/test_run.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of tests/slow.txt, and put the longest files first."""
    items.sort(key=lambda i: FIRST.index(f) if (f := i.nodeid.partition("::")[0]) in FIRST else len(FIRST))
    slow = slow_list.read()
    for item in items:
        name = item.nodeid.partition("[")[0]
        if name in slow or name.partition("::")[0] in slow:
            item.add_marker(pytest.mark.slow)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end what was not tested for want of something."""
    skips = terminalreporter.getreports("skipped")
    lines = list(missing([str(report.longrepr) for report in skips]))
    if lines:
        terminalreporter.section("not tested")
    for line in lines:
        terminalreporter.line(line)


@pytest.fixture(autouse=True)
def _interruptible() -> None:
    """Whatever another test's library did to ^C: this one's may be heard."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The reference material that is not part of the project."""
    root = os.environ.get("TTPREP_SHARED")
    if not root:
        pytest.skip("TTPREP_SHARED is not set: no reference material")
    return Path(root)


@pytest.fixture
def pose_weights(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The published PoseNet checkpoint, set up for the pose stage."""
    folder = shared / "posenet" / "mobilenet_v1_075"
    if not folder.is_dir():
        pytest.skip("TTPREP_SHARED holds no posenet/mobilenet_v1_075")
    monkeypatch.setenv("TTPREP_POSENET_WEIGHTS", str(folder))
    return folder


def scene(
    n: int, size: tuple[int, int] = (320, 180), seed: int = 0, noise: float = 3.0, speed: float = 1.0
) -> Iterator[Picture]:
    """Textured shapes that move over a textured background, with sensor noise.

    Parameters
    ----------
    n : int
        Frames.
    size : (int, int)
        Width and height, px.
    noise : float
        Standard deviation, grey levels.
    speed : float
        1 = the fastest shape crosses a hundredth of the width in a frame.

    Yields
    ------
    (H, W, 3) uint8, RGB
    """
    width, height = size
    rng = np.random.default_rng(seed)

    def texture(h: int, w: int, mean: NDArray[Any], spread: float) -> NDArray[np.float32]:
        coarse = rng.normal(0, spread, (max(2, h // 8), max(2, w // 8), 3)).astype(np.float32)
        return np.asarray(cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC) + mean, np.float32)

    background = texture(height, width, rng.uniform(80, 170, 3), 30)
    shapes = []
    for k in range(3):
        h, w = max(2, height // (3 + k)), max(2, width // (5 + k))
        y, x = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
        alpha = ((x**2 + y**2 <= 1) if k % 2 else np.ones((h, w)))[..., None].astype(np.float32)
        start, step = rng.uniform(0, 1, 2), rng.uniform(-0.01, 0.01, 2) * speed
        shapes.append((texture(h, w, rng.uniform(30, 225, 3), 40), alpha, start, step))
    for t in range(n):
        picture = background.copy()
        for patch, alpha, start, step in shapes:
            h, w = patch.shape[:2]
            # to and fro between the borders, in whole pixels
            way = np.abs((start + t * step) % 2 - 1)
            x, y = (way * (width - w, height - h)).astype(int)
            under = picture[y : y + h, x : x + w]
            under[:] = alpha * patch + (1 - alpha) * under
        picture += rng.normal(0, noise, picture.shape).astype(np.float32)
        yield np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def encode(
    path: Path,
    frames: Iterable[Any],
    *,
    fps: Fraction | int = 30,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    container: str | None = None,
    colour: tuple[int, int] | None = None,
    pixel_aspect: Fraction | None = None,
    sound: bool = False,
    prepare: Callable[[Any], None] | None = None,
) -> Path:
    """Write a real video file.

    Parameters
    ----------
    frames : iterable of (H, W, 3) uint8 or av.VideoFrame
    codec, pix_fmt, options, container, container_options
        As FFmpeg knows them; the container follows from the file's ending unless named.
    colour : (int, int), optional
        Matrix (ITU-T H.273) and range (1 limited, 2 full) that the stream is tagged with; the pictures
        must be made so (RGB ones become BT.601, limited).
    sound : bool
        With a sine tone beside the picture.
    prepare : callable, optional
        Gets the stream before the first frame.
    """
    with av.open(str(path), "w", format=container, options=container_options or {}) as out:
        stream: Any = out.add_stream(codec, rate=Fraction(fps), options=options or {})
        tone: Any = out.add_stream("aac", rate=44100) if sound else None
        count = 0
        for picture in frames:
            frame = picture
            if not isinstance(frame, av.VideoFrame):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
                frame = frame.reformat(format=pix_fmt)  # BT.601, limited range
            if count == 0:
                stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, pix_fmt
                stream.codec_context.thread_count = 1
                if colour:
                    stream.codec_context.colorspace, stream.codec_context.color_range = colour
                if pixel_aspect:
                    stream.codec_context.sample_aspect_ratio = pixel_aspect
                if prepare:
                    prepare(stream)
            frame.pts, frame.time_base = count, 1 / Fraction(fps)
            out.mux(stream.encode(frame))
            count += 1
        out.mux(stream.encode(None))
        if tone is not None:
            samples = np.sin(np.arange(int(44100 * count / fps)) / 20).astype(np.float32)[None] * 0.3
            sound_frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            sound_frame.sample_rate, sound_frame.pts = 44100, 0
            out.mux(tone.encode(sound_frame))
            out.mux(tone.encode(None))
    return path


def remux(source: Path, target: Path, container: str | None = None, **options: str) -> Path:
    """Move the compressed pictures of a file into another container, untouched."""
    with av.open(str(source)) as given, av.open(str(target), "w", format=container, options=options) as out:
        stream = given.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for packet in given.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                out.mux(packet)
    return target


@pytest.fixture
def clip_factory(tmp_path: Path) -> Callable[..., Path]:
    """``clip_factory(name, n=30, size=(320, 180), seed=0, **encode's options)`` → a real video file."""

    def make(
        name: str = "clip.mp4",
        *,
        n: int = 30,
        size: tuple[int, int] = (320, 180),
        seed: int = 0,
        noise: float = 3.0,
        frames: Iterable[Any] | None = None,
        **options: Any,
    ) -> Path:
        pictures = scene(n, size, seed, noise) if frames is None else frames
        return encode(tmp_path / name, pictures, **options)

    return make

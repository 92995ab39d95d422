"""Make many annotated videos of a few: variants of real clips, encoded anew, one annotation file each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np

from pipeline.annotations import STROKES

#: fewer frames than this hold no stroke worth cutting
SHORTEST = 40


def _frames(path: Path) -> Iterator[Any]:
    with av.open(str(path)) as clip:
        for frame in clip.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def variant(clip: Path, target: Path, number: int, fps: int = 120) -> int:
    """Write the clip mirrored, reversed, shifted or darkened, as ``number`` decides; return its frame count.

    No two variants of a clip have the same pixels; all have the texture and motion of a real clip.
    """
    frames = list(_frames(clip))
    frames = frames[number % 7 :]
    if number % 2:
        frames = [f[:, ::-1] for f in frames]
    if number // 2 % 2:
        frames.reverse()
    gain = 1 - 0.03 * (number // 4 % 8)
    height, width = frames[0].shape[0] // 2 * 2, frames[0].shape[1] // 2 * 2
    with av.open(str(target), "w") as out:
        options = {"crf": "20", "preset": "ultrafast"}
        stream: Any = out.add_stream("libx264", rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1
        for frame in frames:
            shifted = np.roll(frame[:height, :width], number, axis=1) * gain
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(shifted, np.uint8), format="rgb24")
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return len(frames)


def annotate(video: Path, folder: Path, n_frames: int, number: int) -> Path:
    """Write an annotation file with one stroke in the middle of the video."""
    length = min(n_frames - 2, 110)
    begin = max(1, (n_frames - length) // 2)
    stroke = STROKES[number % len(STROKES)]
    path = folder / f"{video.stem}.xml"
    path.write_text(f'<video><action begin="{begin}" end="{begin + length}" move="{stroke}"/></video>\n')
    return path


def _make(job: tuple[int, Path], videos: Path, annotations: Path) -> Path:
    number, clip = job
    target = videos / f"v{number:03d}.mp4"
    n = variant(clip, target, number)
    annotate(target, annotations, n, number)
    return target


def make_videos(clips: Sequence[Path], folder: Path, count: int, workers: int) -> list[Path]:
    """Make ``count`` videos in ``folder/videos`` and their annotations in ``folder/annotations``."""
    usable = [c for c in clips if sum(1 for _ in _frames(c)) >= SHORTEST]
    videos, annotations = folder / "videos", folder / "annotations"
    for place in (videos, annotations):
        place.mkdir(parents=True, exist_ok=True)
    jobs = [(number, usable[number % len(usable)]) for number in range(count)]
    with ProcessPoolExecutor(workers) as pool:
        return list(pool.map(partial(_make, videos=videos, annotations=annotations), jobs))

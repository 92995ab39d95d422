"""Write H.264 videos: from planes to an MP4 with its colour tags."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from numpy.typing import NDArray

from ttdemo.replacing import replacing

Array = NDArray[Any]

#: code points of ITU-T H.273: BT.709 primaries, transfer and matrix; limited range in FFmpeg's numbering
BT709, LIMITED = 1, 1


def encode(
    path: Path,
    frames: Iterable[Array],
    *,
    fps: Fraction,
    size: tuple[int, int],
    preset: str = "ultrafast",
    crf: float = 20.0,
) -> int:
    """Encode frames as H.264 in MP4, on one thread, with the same bytes for the same frames.

    Parameters
    ----------
    path : Path
        The .mp4 to write; it appears once it is complete.
    frames : iterable of array (3·h/2, w), uint8
        Planar 4:2:0: h rows of luma, then the two chroma planes. May be reused by the producer.
    fps : Fraction
        Frame rate, 1/s.
    size : (int, int)
        Width, height in px.
    preset, crf
        As libx264 understands them.

    Returns
    -------
    int
        Number of frames written.
    """
    count = 0
    with (
        replacing(path) as part,
        av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"}) as container,
    ):
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        # frame threads would make x264's rate control, and so the bytes, depend on the machine
        stream.options = {"preset": preset, "crf": str(crf), "threads": "1"}
        context = stream.codec_context
        context.thread_count = 1
        context.color_primaries = context.color_trc = context.colorspace = BT709
        context.color_range = LIMITED
        context.gop_size = max(1, round(fps))
        for picture in frames:
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.colorspace, frame.color_range = BT709, LIMITED
            frame.pts, frame.time_base = count, 1 / fps
            container.mux(stream.encode(frame))
            count += 1
        container.mux(stream.encode())
    return count

"""ROI crops of whole videos, for sliding-window detection [3S §3.3]: no augmentation, so no margin."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from stages.base import WHOLE, ArraySpec, Block, Params, Result, Stage, VideoInfo
from stages.crop import cut_modalities, window_origin
from stages.flow.quantise import QUANTUM

#: rows per chunk: what sliding windows read at a time
ROWS = 25


class UntrimmedParams(Params):
    """Parameters of the untrimmed crops."""

    crop_width: int = Field(120, ge=2, le=4096, description="width of the crop, px")
    crop_height: int = Field(120, ge=2, le=4096, description="height of the crop, px")


def compute(blocks: Iterator[Block], params: UntrimmedParams, info: VideoInfo) -> Iterator[Result]:
    """Cut the crop around the ROI out of every frame.

    Parameters
    ----------
    blocks : iterator of Block
        ``roi.centre`` (n, 2) and, as far as the modality is on, ``frames.rgb`` (n, H, W, 3) and
        ``flow.flow`` (n or n-1, H, W, 2).
    params : UntrimmedParams
    info : VideoInfo

    Yields
    ------
    Result
        ``rgb`` (n, h, w, 3) uint8, ``flow`` (n, h, w, 2) int16 (zero for the last frame, which has no
        pair), ``window`` (n, 2) int16: x, y of the crop's first pixel in the frame.
    """
    size = (min(params.crop_width, info.width), min(params.crop_height, info.height))
    for block in blocks:
        origin = window_origin(block.rows("roi.centre"), size, (info.width, info.height))
        out = Result({"window": origin})
        out |= cut_modalities(block, origin, size)
        yield out


STAGE = Stage(
    name="untrimmed",
    version=3,
    title="ROI crops of the whole video",
    params=UntrimmedParams,
    inputs=("frames.rgb", "flow.flow", "roi.centre"),
    outputs=(
        ArraySpec(
            "rgb",
            "uint8",
            ("frame", "y", "x", "channel"),
            kind="samples",
            description="RGB crop",
            chunk=(ROWS, 30, WHOLE),
            given_by="frames.rgb",
        ),
        ArraySpec(
            "flow",
            "int16",
            ("frame", "y", "x", "component"),
            "px",
            "vectors",
            QUANTUM,
            "masked flow crop",
            chunk=(ROWS, 60, WHOLE),
            given_by="flow.flow",
        ),
        ArraySpec("window", "int16", ("frame", "xy"), "px", description="first pixel of the crop"),
    ),
    compute=compute,
    optional={"frames.rgb": "rgb", "flow.flow": "flow"},
    applies=lambda setting: setting.untrimmed,
)

"""Region of interest: where the player moves, as one smoothed point a frame [3S §2.2]."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer

from stages.base import Array, ArraySpec, Block, Params, Result, Stage, StageError, VideoInfo
from stages.focus import Focus, pixels_of
from stages.people.following import FOLLOWED, followed, followed_input


class RoiParams(Params):
    """Parameters of the region of interest."""

    alpha: float = Field(0.6, ge=0, le=1, description="weight of the fastest pixel against the mean position")
    crop_width: int = Field(120, ge=2, le=4096, description="cuboid width, px: the crop stays inside")
    crop_height: int = Field(120, ge=2, le=4096, description="cuboid height, px")
    smoothing: Literal["three-stream", "siamese", "reflected", "none"] = Field(
        "three-stream",
        description="three-stream: ksize = odd(fps/3), sigma 0.3((ksize-1)/2-1)+0.8; siamese: 40, 4.44; "
        "reflected: three-stream with mirrored ends, as the authors' code",
    )
    region: tuple[float, float, float, float] | None = Field(
        None, description="[left, top, right, bottom]: where the player is, in shares of the frame; null: all"
    )
    focus: Focus | None = Field(
        None, description="where the player of this video is; the pipeline fills it in"
    )

    @field_validator("region")
    @classmethod
    def _holds_something(
        cls, region: tuple[float, float, float, float] | None
    ) -> tuple[float, float, float, float] | None:
        if region is not None:
            left, top, right, bottom = region
            if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
                raise ValueError("give [left, top, right, bottom] in 0 to 1; [0, 0, 0.5, 1] is the left half")
        return region

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is not there: keys of stores made before it existed stay the same."""
        values: dict[str, Any] = handler(self)
        for name in ("region", "focus"):
            if values.get(name) is None:
                values.pop(name, None)
        return values


Place = tuple[slice, slice, NDArray[np.bool_] | None]


def place_of(params: RoiParams, width: int, height: int) -> Place:
    """Return where motion is looked at: rows, columns and, for a polygon, which pixels of these.

    Raises
    ------
    StageError
        Where the focus lies outside the region.
    """
    rows, columns = pixels_of(params.region, width, height)
    focus = params.focus
    if focus is None or focus.follow:
        return rows, columns, None
    inside = focus.mask(width, height)[rows, columns]
    filled = [np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0)]
    if not len(filled[0]):
        raise StageError(
            "the focus of this video lies outside stages.roi.region",
            "remove the region from the manifest, or move the focus into it",
        )
    (top, bottom), (left, right) = ((int(part[0]), int(part[-1]) + 1) for part in filled)
    inside = inside[top:bottom, left:right]
    return (
        slice(rows.start + top, rows.start + bottom),
        slice(columns.start + left, columns.start + right),
        None if inside.all() else inside,
    )


def middle_of(params: RoiParams, width: int, height: int) -> tuple[float, float]:
    """Return the mean (x, y) of the pixels at which motion is looked at, px."""
    rows, columns, inside = place_of(params, width, height)
    if inside is None:
        return (columns.start + columns.stop - 1) / 2, (rows.start + rows.stop - 1) / 2
    y, x = np.nonzero(inside)
    return columns.start + float(x.mean()), rows.start + float(y.mean())


def clamp(u: NDArray[np.float64], size: float, extent: float) -> NDArray[np.float64]:
    """Keep a crop of ``size`` centred at ``u`` inside an image of ``extent``, all in px [3S eq. 1].

    f_ω(u, S) = max(min(u, ω − S/2), S/2). [SSTC] prints the roles of ω and S swapped. A crop larger
    than the image, which the paper does not have, counts as the whole image.
    """
    size = min(size, extent)
    return np.maximum(np.minimum(u, extent - size / 2), size / 2)


def raw_centre(flow: Array, params: RoiParams, boxes: Array | None = None) -> NDArray[np.float64]:
    """The unsmoothed centre for each flow field [3S §2.2, eq. 1].

    Parameters
    ----------
    flow : (n, H, W, 2) real
        Masked flow, any scale: only zero or not, and the place of the maximum, matter.
    params : RoiParams
    boxes : (n, 4) float, optional
        left, top, right, bottom, px: of each field, only what lies in its box is looked at.

    Returns
    -------
    (n, 2) float64
        x, y in px of the frame; NaN for a field that is zero wherever motion is looked at.
    """
    height, width = flow.shape[1:3]
    place = place_of(params, width, height)
    # wide enough for |-32768| + |-32768|
    wide = np.float32 if np.issubdtype(flow.dtype, np.floating) else np.int32
    fastest, mean = np.full((len(flow), 2), np.nan), np.full((len(flow), 2), np.nan)
    for t, whole in enumerate(flow):
        rows_seen, columns_seen, mask = place if boxes is None else _within(place, boxes[t])
        ys, xs = np.arange(height)[rows_seen], np.arange(width)[columns_seen]
        if not (len(ys) and len(xs)):
            continue
        field = whole[rows_seen, columns_seen]
        speed = np.abs(field[..., 0], dtype=wide)
        speed += np.abs(field[..., 1], dtype=wide)
        if mask is not None:
            speed *= mask
        moving = (speed != 0).view(np.uint8)
        # the mean position needs no list of the pixels, only how many there are in each column and row
        columns = cv2.reduce(moving, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel().astype(np.int64)
        rows = cv2.reduce(moving, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel().astype(np.int64)
        count = int(columns.sum())
        if count:
            y, x = divmod(int(speed.argmax()), len(xs))
            fastest[t] = xs[x], ys[y]
            mean[t] = int(columns @ xs) / count, int(rows @ ys) / count
    out = np.empty((len(flow), 2))
    for axis, (crop, extent) in enumerate(((params.crop_width, width), (params.crop_height, height))):
        at_max, at_mean = clamp(fastest[:, axis], crop, extent), clamp(mean[:, axis], crop, extent)
        out[:, axis] = params.alpha * at_max + (1 - params.alpha) * at_mean
    return out


def _within(place: Place, box: Array) -> Place:
    """The part of a place that lies in a box; rows or columns may be none."""
    rows, columns, _ = place
    left, top, right, bottom = (int(edge) for edge in (*np.floor(box[:2]), *np.ceil(box[2:])))
    return (
        slice(max(rows.start, top), max(rows.start, min(rows.stop, bottom + 1))),
        slice(max(columns.start, left), max(columns.start, min(columns.stop, right + 1))),
        None,
    )


def kernel(params: RoiParams, fps: float) -> NDArray[np.float64]:
    """The temporal Gaussian, normalised; ``[1]`` for no smoothing.

    At 120 fps the three-stream paper's: 41 taps (⅓ s), σ = 6.5 frames. At another rate the odd number
    nearest to fps/3 (ties upwards).
    """
    if params.smoothing == "none":
        return np.ones(1)
    if params.smoothing == "siamese":
        ksize, sigma = 40, 4.44
    else:
        ksize = max(1, 2 * int(np.floor(fps / 6)) + 1)
        sigma = max(0.3 * ((ksize - 1) * 0.5 - 1) + 0.8, 1e-3)
    t = np.arange(ksize) - (ksize - 1) / 2
    weights = np.exp(-(t**2) / (2 * sigma**2))
    return np.asarray(weights / weights.sum(), np.float64)


def smooth(
    raw: NDArray[np.float64], weights: NDArray[np.float64], ends: Literal["edge", "reflect"] = "edge"
) -> NDArray[np.float64]:
    """Filter a track along time.

    Parameters
    ----------
    raw : (n, 2) float64
    weights : (k,) float64
    ends : {"edge", "reflect"}
        edge: they are continued with their own value; reflect: mirrored about the last frame, which is not
        repeated (OpenCV's usual border, REFLECT_101).
    """
    before, after = len(weights) // 2, (len(weights) - 1) // 2
    padded = np.pad(raw, ((before, after), (0, 0)), mode=ends)
    return np.stack([np.convolve(padded[:, axis], weights[::-1], "valid") for axis in range(2)], axis=1)


def hold(raw: NDArray[np.float64], centre: tuple[float, float]) -> NDArray[np.float64]:
    """Fill frames without motion with the last known centre (before the first: the first known).

    Parameters
    ----------
    raw : (n, 2) float64
        NaN where nothing moved.
    centre : (float, float)
        What to take where nothing ever moved.
    """
    known = np.flatnonzero(~np.isnan(raw[:, 0]))
    if not len(known):
        return np.tile(np.array(centre, float), (len(raw), 1))
    last = np.searchsorted(known, np.arange(len(raw)), side="right") - 1
    return np.asarray(raw[known[np.maximum(last, 0)]])


def compute(blocks: Iterator[Block], params: RoiParams, info: VideoInfo) -> Iterator[Result]:
    """The ROI track of a whole video.

    Parameters
    ----------
    blocks : iterator of Block
        ``flow.flow`` (pairs, H, W, 2), masked, in order; where somebody is followed, his boxes.
    params : RoiParams
    info : VideoInfo

    Yields
    ------
    Result
        One, after the last block: ``centre`` (frames, 2) float32, ``raw`` (frames, 2) float32, ``moving``
        (frames,) uint8. The last frame has no pair of its own and holds the centre before it.
    """
    tracks, middle = [], middle_of(params, info.width, info.height)
    for block in blocks:
        boxes = followed(block, params.focus, "box")
        if boxes is not None and block.start == 0 and len(boxes):
            middle = float(boxes[0, [0, 2]].mean()), float(boxes[0, [1, 3]].mean())
        tracks.append(raw_centre(block.rows("flow.flow"), params, boxes))
    raw = np.full((info.n_frames, 2), np.nan)
    found = np.concatenate([np.zeros((0, 2)), *tracks])
    raw[: len(found)] = found
    held = hold(raw, middle)
    ends: Literal["edge", "reflect"] = "reflect" if params.smoothing == "reflected" else "edge"
    centre = smooth(held, kernel(params, float(info.fps)), ends)
    yield Result(
        {
            "centre": centre.astype(np.float32),
            "raw": held.astype(np.float32),
            "moving": (~np.isnan(raw[:, 0])).astype(np.uint8),
        }
    )


STAGE = Stage(
    name="roi",
    version=2,
    title="smoothed region-of-interest track",
    params=RoiParams,
    inputs=("flow.flow", *FOLLOWED["box"]),
    reads=lambda params: ("flow.flow", *followed_input(params.focus, "box")),
    outputs=(
        ArraySpec("centre", "float32", ("frame", "xy"), "px", description="smoothed ROI centre"),
        ArraySpec("raw", "float32", ("frame", "xy"), "px", description="ROI centre before smoothing"),
        ArraySpec("moving", "uint8", ("frame",), description="1 = the frame's own flow gave the raw centre"),
    ),
    compute=compute,
    focus="focus",
    hidden=("focus",),
    attrs=lambda params, info: {"smoothing_taps": len(kernel(params, float(info.fps)))},
)

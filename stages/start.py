"""Start-frame detection of a trial: where the action begins [GRU §IV-A].

A trial shows one action with idle frames before and after it. With pictures x_t and joint positions θ_t,
t = 1 … T, and Δx_t = ‖x_t − x_10‖_F, Δθ_t = ‖θ_t − θ_10‖_2 for t = 11 … T, the action starts at the
least i with

a) Δx_t ≥ δ1 for t = i … i+7,
b) Δx_{t+1} ≥ Δx_t for t = i … i+6,
c) Δθ_i ≥ δ2,

δ1 = 6, δ2 = 0.16. The paper's 10 and 8 frames are at 30 fps; at another rate they last as long. Frames count
from 0 here: the reference is frame 9, the first candidate frame 10.

What the paper leaves open and how it is read:

- *normalised, central-cropped RGB*: values / 255, the central 240×240 px that the paper's networks are fed
  from. With the mean and deviation of ImageNet instead, δ1 would lie below the noise of any camera. Of a
  frame smaller than the crop all there is counts, and the norm is scaled to that of 240×240×3 values.
- *joint positions* are divided by width and height of the frame, as the method normalises them (method.md
  §6); in pixels, 0.16 would be the jitter of one joint.
- A joint that is missing in a frame or in the reference (score 0) has not moved.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from stages.base import Array, ArraySpec, Block, Params, Result, Stage, VideoInfo

#: found nowhere
NO_START = -1
CONDITIONS = ("picture changed", "change grows", "joints moved")


class StartParams(Params):
    """Parameters of the start-frame detection; the defaults are those of [GRU] §IV-A."""

    picture: float = Field(6.0, gt=0, description="least change of the picture, delta 1")
    joints: float = Field(0.16, gt=0, description="least change of the joints, delta 2")
    still_seconds: float = Field(0.333, gt=0, description="no action begins earlier; 10 frames at 30 fps")
    growing_seconds: float = Field(
        0.267, gt=0, description="the change must grow so long; 8 frames at 30 fps"
    )
    crop: int = Field(240, ge=2, le=4096, description="side of the central square that is compared, px")

    def still(self, fps: float) -> int:
        """Frames in which no action begins; the last of them is the reference."""
        return max(1, round(self.still_seconds * fps))

    def growing(self, fps: float) -> int:
        """Frames over which the picture's change must not shrink."""
        return max(1, round(self.growing_seconds * fps))


def central(width: int, height: int, crop: int) -> tuple[slice, slice, float]:
    """The central crop of a frame.

    Returns
    -------
    rows, columns : slice
    scale : float
        By which a norm over it is to be multiplied to be one over crop·crop pixels; 1 where it fits.
    """
    w, h = min(crop, width), min(crop, height)
    x, y = (width - w) // 2, (height - h) // 2
    return slice(y, y + h), slice(x, x + w), float(np.sqrt(crop * crop / (w * h)))


def picture_change(rgb: Array, reference: Array, scale: float) -> NDArray[np.float64]:
    """Δx: Frobenius norms of the differences from a reference picture.

    Parameters
    ----------
    rgb : (n, h, w, 3) uint8
    reference : (h, w, 3) uint8
    scale : float
        See :func:`central`.

    Returns
    -------
    (n,) float64
        In units of full brightness (values / 255).
    """
    against = reference.astype(np.int32)
    # whole numbers up to the root: the same on every machine
    squares = [int(np.square(frame.astype(np.int32) - against).sum(dtype=np.int64)) for frame in rgb]
    return np.sqrt(np.array(squares, np.float64)) * (scale / 255)


def joint_change(joints: Array, reference: Array, width: int, height: int) -> NDArray[np.float64]:
    """Δθ: Euclidean distances from the reference posture.

    Parameters
    ----------
    joints : (n, J, 3)
        x, y in px of the frame, score.
    reference : (J, 3)
    width, height : int
        Of the frame, px.

    Returns
    -------
    (n,) float64
        In widths and heights of the frame.
    """
    moved = (joints[..., :2].astype(np.float64) - reference[:, :2].astype(np.float64)) / (width, height)
    known = (joints[..., 2] > 0) & (reference[:, 2] > 0)
    kept = np.where(known[..., None], moved, 0)
    return np.asarray(np.sqrt(np.square(kept).reshape(len(joints), -1).sum(axis=1)))


def conditions(
    dx: NDArray[np.float64], dtheta: NDArray[np.float64], params: StartParams, fps: float
) -> NDArray[np.uint8]:
    """Which of the conditions a, b, c hold at each frame.

    Parameters
    ----------
    dx, dtheta : (n,) float64
        Changes of picture and joints against the reference frame.
    params : StartParams
    fps : float

    Returns
    -------
    (n, 3) uint8
        1 = holds. Nothing holds before the first candidate, and a and b not at the last frames, behind
        which there are too few.
    """
    n, first, run = len(dx), params.still(fps), params.growing(fps)
    met = np.zeros((n, 3), np.uint8)
    met[first:, 2] = dtheta[first:] >= params.joints
    for i in range(first, n - run + 1):
        window = dx[i : i + run]
        met[i, 0] = (window >= params.picture).all()
        met[i, 1] = (window[1:] >= window[:-1]).all()
    return met


def find_start(dx: NDArray[np.float64], dtheta: NDArray[np.float64], params: StartParams, fps: float) -> int:
    """The start frame, from 0; :data:`NO_START` where no frame meets a, b and c."""
    found = np.flatnonzero(conditions(dx, dtheta, params, fps).all(axis=1))
    return int(found[0]) if len(found) else NO_START


def why_none(dx: NDArray[np.float64], dtheta: NDArray[np.float64], params: StartParams, fps: float) -> str:
    """In words, what kept every frame from being the start."""
    n, first, run = len(dx), params.still(fps), params.growing(fps)
    if n < first + run:
        return f"it has {n} frames, and {first + run} are the fewest in which an action can be found"
    met = conditions(dx, dtheta, params, fps).astype(bool)
    largest = float(dx[first:].max())
    if not met[:, 0].any():
        return f"its picture never changes by {params.picture:g} for {run} frames (at most by {largest:.2f})"
    if not met[:, 2].any():
        return f"its joints never move by {params.joints:g} (at most by {float(dtheta[first:].max()):.3f})"
    if not met[:, 1].any():
        return f"the change of its picture never grows over {run} frames"
    return "no frame meets all three conditions at once"


def compute(blocks: Iterator[Block], params: StartParams, info: VideoInfo) -> Iterator[Result]:
    """Find the start of one trial.

    Parameters
    ----------
    blocks : iterator of Block
        ``frames.rgb`` (n, H, W, 3) uint8 and ``descriptor.joints`` (n, 14, 3) float32 in order.
    params : StartParams
    info : VideoInfo
        ``fps`` turns seconds into frames.

    Yields
    ------
    Result
        One, after the last block: ``picture``, ``joints`` (frames,) float64, ``met`` (frames, 3) uint8,
        ``start`` (frames,) uint8, 1 at the start frame; all 0 where there is none.
    """
    fps = float(info.fps)
    at = params.still(fps) - 1
    rows, columns, scale = central(info.width, info.height, params.crop)
    early: list[tuple[Array, Array]] = []  # what comes before the reference is known
    reference: tuple[Array, Array] | None = None
    dx, dtheta = [np.zeros(0)], [np.zeros(0)]

    def measure(rgb: Array, joints: Array) -> None:
        assert reference is not None
        dx.append(picture_change(rgb, reference[0], scale))
        dtheta.append(joint_change(joints, reference[1], info.width, info.height))

    last = min(at, info.n_frames - 1)
    for block in blocks:
        # row 0 of the descriptor is the mean of the others
        rgb = block.rows("frames.rgb")[:, rows, columns]
        joints = block.rows("descriptor.joints")[:, 1:]
        if reference is None and block.stop <= last:
            early.append((rgb, joints))
            continue
        if reference is None and len(rgb):
            reference = rgb[last - block.start].copy(), joints[last - block.start].copy()
            for pair in early:
                measure(*pair)
            early = []
        if reference is not None:
            measure(rgb, joints)
    picture, moved = np.concatenate(dx), np.concatenate(dtheta)
    start = np.zeros(len(picture), np.uint8)
    found = find_start(picture, moved, params, fps)
    if found != NO_START:
        start[found] = 1
    met = conditions(picture, moved, params, fps)
    yield Result({"picture": picture, "joints": moved, "met": met, "start": start})


def attributes(params: StartParams, info: VideoInfo) -> dict[str, Any]:
    """Constants in frames, for the reader of the file."""
    fps = float(info.fps)
    return {
        "reference_frame": params.still(fps) - 1,
        "frames_growing": params.growing(fps),
        "norm_scale": central(info.width, info.height, params.crop)[2],
        "conditions": list(CONDITIONS),
    }


STAGE = Stage(
    name="start",
    version=1,
    title="where the action of a trial begins",
    params=StartParams,
    inputs=("frames.rgb", "descriptor.joints"),
    outputs=(
        ArraySpec("picture", "float64", ("frame",), description="change of the central picture, delta x"),
        ArraySpec("joints", "float64", ("frame",), description="change of the joints, delta theta"),
        ArraySpec("met", "uint8", ("frame", "condition"), description="1 where condition a, b, c holds"),
        ArraySpec("start", "uint8", ("frame",), description="1 at the start frame; 0 everywhere: none found"),
    ),
    compute=compute,
    applies=lambda setting: setting.starts,  # a long video has many actions: this is for trials
    attrs=attributes,
)

"""Who plays: of the two people of a match, the one who swings an arm towards the other.

Both move all the time. What tells the player of a stroke from the one who steps back from the stroke before
is the direction: a stroke goes towards the other side of the table. So it is the optical flow at the wrists
that is measured, as far as it points at the other one, and its square, so that a swing counts more than a
long walk.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from stages.base import Array, ArraySpec, Block, Params, Result, Stage, VideoInfo
from stages.flow.quantise import QUANTUM
from stages.people.sides import WRISTS, windowed_mean

Floats = NDArray[np.float64]

#: half of the square around a wrist in which the fastest flow is looked for, in body sizes
REACH = 0.3
#: standard deviation, s, of what a swing is smoothed with
SWING_SECONDS = 0.2
#: and of what says how much swinging there is at all around a frame
MATCH_SECONDS = 5.0


class PlayerParams(Params):
    """Parameters of the choice."""

    least_stay: float = Field(
        0.15,
        ge=0,
        le=60,
        description="seconds of undivided swinging that it takes to go over to the other one",
    )


def swing(field: Array, wrists: Array, size: float, towards: Floats | None) -> float:
    """Return how fast an arm moves towards somebody, in body sizes a frame.

    Parameters
    ----------
    field : (H, W, 2) float
        Flow, px a frame.
    wrists : (2, 2) float
        x, y, px.
    size : float
        Body size, px.
    towards : (2,) float64 or None
        Unit vector to the other person; None: any direction counts.

    Returns
    -------
    float
        The largest component in the squares around both wrists, 0 where all point away.
    """
    height, width = field.shape[:2]
    reach, fastest = max(1, round(REACH * size)), 0.0
    for x, y in np.clip(wrists, 0, (width - 1, height - 1)).astype(int):
        near = field[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1].astype(np.float64)
        speed = np.hypot(near[..., 0], near[..., 1]) if towards is None else near @ towards
        fastest = max(fastest, float(speed.max()))
    return fastest / size


def seats(player: Array) -> NDArray[np.int8]:
    """Give each of the two a column of its own, whichever side it is on.

    Parameters
    ----------
    player : (n, 2) int
        Numbers of who stands left and right, -1: nobody.

    Returns
    -------
    (n,) int8
        1 where column 0 of the result is who stands right: who crosses over keeps the column.
    """
    out = np.zeros(len(player), np.int8)
    held: list[int] = [-1, -1]
    turned = 0
    for t, (left, right) in enumerate(player.tolist()):
        now = (left, right)
        straight = sum(who >= 0 and who == held[column ^ turned] for column, who in enumerate(now))
        crossed = sum(who >= 0 and who == held[column ^ turned ^ 1] for column, who in enumerate(now))
        if crossed > straight:
            turned ^= 1
        for column, who in enumerate(now):
            if who >= 0:
                held[column ^ turned] = who
        out[t] = turned
    return out


def choose(energy: Floats, size: Floats, fps: float, least_stay: float) -> NDArray[np.int8]:
    """Choose one of two for every frame so that few changes follow most of the swinging.

    Each frame is worth to each of the two his share of the (smoothed) energy, less where there is less of it
    than around; a change costs ``least_stay`` seconds of all. The best sum is found by dynamic programming.

    Parameters
    ----------
    energy : (n, 2) float64
        Squared speed of the swings.
    size : (n, 2) float64
        Body sizes, px, 0: nobody is there. Where nobody swings, the larger one is chosen.
    fps, least_stay : float

    Returns
    -------
    (n,) int8
        0 or 1.
    """
    n = len(energy)
    smooth = _smoothed(energy, SWING_SECONDS * fps)
    total = smooth.sum(axis=1)
    usual = windowed_mean(total, MATCH_SECONDS * fps)
    worth = smooth / np.maximum(np.maximum(total, usual), 1e-12)[:, None]
    # who is there is better than nobody, and who is near than who is far, however little they move
    worth += (size > 0) + 1e-3 * size / np.maximum(size.sum(axis=1, keepdims=True), 1e-12)
    cost, best, came = least_stay * fps, np.zeros(2), np.zeros((n, 2), np.int8)
    for t in range(n):
        over = best[::-1] - cost
        came[t] = np.where(over > best, (1, 0), (0, 1))
        best = np.maximum(best, over) + worth[t]
    out = np.zeros(n, np.int8)
    now = int(best[1] > best[0])
    for t in range(n - 1, -1, -1):
        out[t] = now
        now = int(came[t, now])
    return out


def _smoothed(values: Floats, sigma: float) -> Floats:
    """Filter (n, 2) along time with a Gaussian; beyond the ends is nothing."""
    reach = max(1, round(4 * sigma))
    t = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (t / max(sigma, 1e-3)) ** 2)
    weights /= weights.sum()
    padded = np.pad(values, ((reach, reach), (0, 0)))
    return np.stack([np.convolve(padded[:, k], weights, "valid") for k in (0, 1)], axis=1)


def compute(blocks: Iterator[Block], params: PlayerParams, info: VideoInfo) -> Iterator[Result]:
    """Say for every frame of a video who plays.

    Parameters
    ----------
    blocks : iterator of Block
        ``flow.flow`` (pairs, H, W, 2), ``pose.keypoints``, and of ``people``: ``player``, ``pose``, ``box``,
        ``size``, in order.
    params : PlayerParams
    info : VideoInfo

    Yields
    ------
    Result
        One, after the last block; see the declared outputs. The last frame has no flow of its own and nobody
        swings in it.
    """
    fps = float(info.fps)
    swings, players, poses, boxes, sizes = [], [], [], [], []
    for block in blocks:
        flow, keypoints = block.rows("flow.flow"), block.rows("pose.keypoints")
        player, pose, box = (block.rows(f"people.{name}")[:, :2] for name in ("player", "pose", "box"))
        size = block.rows("people.size")[:, :2]
        rows = np.zeros((block.stop - block.start, 2))
        for t, field in enumerate(flow):
            middle = (box[t, :, :2].astype(np.float64) + box[t, :, 2:]) / 2
            for side in (0, 1):
                index = int(pose[t, side])
                if index < 0:
                    continue
                towards = _towards(middle[side], middle[1 - side]) if player[t, 1 - side] >= 0 else None
                wrists = keypoints[t, index][list(WRISTS)]
                rows[t, side] = swing(field, wrists, float(size[t, side]), towards)
        swings.append(rows * QUANTUM * fps)
        players.append(player)
        poses.append(pose)
        boxes.append(box)
        sizes.append(size)
    empty = np.zeros((0, 2))
    speed = np.concatenate([empty, *swings])
    player = np.concatenate([empty.astype(np.int32), *players])
    here = np.where(player >= 0, np.concatenate([empty, *sizes]), 0)
    turned = seats(player)
    crossed = turned[:, None] == 1
    seated = [np.where(crossed, values[:, ::-1], values) for values in (speed**2, here)]
    who = choose(seated[0], seated[1], fps, params.least_stay) ^ turned
    each = np.arange(len(who))
    yield Result(
        {
            "player": player[each, who],
            "pose": np.concatenate([empty.astype(np.int8), *poses])[each, who],
            "box": np.concatenate([np.zeros((0, 2, 4), np.float32), *boxes])[each, who],
            "swing": speed.astype(np.float32),
        }
    )


def _towards(here: Floats, there: Floats) -> Floats | None:
    way = there - here
    length = float(np.hypot(*way))
    return way / length if length > 0 else None


def attributes(params: PlayerParams, info: VideoInfo) -> dict[str, Any]:
    """Names of the columns."""
    return {"side_names": ["left", "right"], "box_names": ["left", "top", "right", "bottom"]}


STAGE = Stage(
    name="player",
    version=1,
    title="who plays, of the two people of a match",
    params=PlayerParams,
    inputs=("flow.flow", "pose.keypoints", "people.player", "people.pose", "people.box", "people.size"),
    outputs=(
        ArraySpec("player", "int32", ("frame",), description="number of who plays, -1 for nobody"),
        ArraySpec("pose", "int8", ("frame",), description="which of the detections, -1 where not seen"),
        ArraySpec(
            "box",
            "float32",
            ("frame", "edge"),
            units="px",
            description="left, top, right, bottom around who plays, padded; held where not seen",
        ),
        ArraySpec(
            "swing",
            "float32",
            ("frame", "side"),
            units="body sizes/s",
            description="how fast the arm of who stands left, right moves towards the other",
        ),
    ),
    compute=compute,
    modality="pose",
    applies=lambda setting: False,  # where a focus follows who plays, the ROI and the descriptor read it
    attrs=attributes,
)

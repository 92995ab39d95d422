"""Storing masked flow as int16 without moving the region of interest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Pixels per stored unit.
QUANTUM = 1 / 64
LIMIT = 32767


def quantise(flow: NDArray[np.float32]) -> tuple[NDArray[np.int16], int]:
    """Round flow to multiples of 1/64 px so that a ROI computed from it stays where it was.

    The ROI takes the pixel of largest ``|vx|+|vy|`` and the mean position of all pixels that move. Plain
    rounding moves both: slow pixels vanish, and near-equal maxima change places. Therefore

    * a pixel that moves keeps at least one unit, in its larger component;
    * where rounding would hand the maximum to another pixel, the true one is raised by the few units it
      lacks (at most 3).

    Parameters
    ----------
    flow : (H, W, 2) float32
        Masked flow of one pair, pixels.

    Returns
    -------
    stored : (H, W, 2) int16
        ``stored / 64`` is the flow in pixels, off by at most 1/128 px per component but for the pixels
        named above (1/64 px, and 7/128 px at the maximum).
    clipped : int
        Components beyond ±512 px, which are stored as ±32767.
    """
    stored = np.zeros(flow.shape, np.int16)
    speed = np.abs(flow[:, :, 0]) + np.abs(flow[:, :, 1])
    moving = np.flatnonzero(speed)
    if not len(moving):
        return stored, 0
    vectors = flow.reshape(-1, 2)[moving]
    units = np.rint(vectors * np.float32(1 / QUANTUM))
    clipped = int(np.count_nonzero(np.abs(units) > LIMIT))
    units = np.clip(units, -LIMIT, LIMIT).astype(np.int32)
    larger = (np.abs(vectors[:, 1]) > np.abs(vectors[:, 0])).astype(np.intp)

    lost = np.flatnonzero((units[:, 0] == 0) & (units[:, 1] == 0))
    units[lost, larger[lost]] = np.where(vectors[lost, larger[lost]] > 0, 1, -1)

    peak = int(speed.ravel()[moving].argmax())
    stored_speed = np.abs(units[:, 0]) + np.abs(units[:, 1])
    if int(stored_speed.argmax()) != peak:
        component = larger[peak]
        missing = int(stored_speed.max() - stored_speed[peak]) + 1
        raised = int(abs(units[peak, component])) + missing
        units[peak, component] = min(raised, LIMIT) * (1 if vectors[peak, component] > 0 else -1)
    stored.reshape(-1, 2)[moving] = units
    return stored, clipped

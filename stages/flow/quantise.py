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
    units = np.rint(flow * np.float32(1 / QUANTUM))
    clipped = int(np.count_nonzero(np.abs(units) > LIMIT))
    stored = np.clip(units, -LIMIT, LIMIT).astype(np.int16)

    speed = np.abs(flow).sum(axis=2)
    lost = (speed != 0) & ~stored.any(axis=2)
    if lost.any():
        rows, columns = np.nonzero(lost)
        vectors = flow[rows, columns]
        larger = np.argmax(np.abs(vectors), axis=1)
        sign = np.sign(vectors[np.arange(len(larger)), larger])
        stored[rows, columns, larger] = sign.astype(np.int16)

    peak = int(speed.argmax())
    stored_speed = np.abs(stored.astype(np.int32)).sum(axis=2)
    if int(stored_speed.argmax()) != peak:
        row, column = divmod(peak, flow.shape[1])
        missing = int(stored_speed.max()) - int(stored_speed[row, column]) + 1
        component = int(np.argmax(np.abs(flow[row, column])))
        raised = int(stored[row, column, component])
        raised += missing if raised >= 0 and flow[row, column, component] > 0 else -missing
        stored[row, column, component] = max(-LIMIT, min(LIMIT, raised))
    return stored, clipped

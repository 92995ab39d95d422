"""Paths over time: from posture to posture, the sway of a waiting player, the flight of a ball."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttdemo.world.body import CHANNELS, N_CHANNELS

Array = NDArray[Any]

#: m/s²
GRAVITY = 9.81


def spline(at: Array, values: Array, t: Array, rest: Array) -> Array:
    """Evaluate a cubic Hermite curve through keys, which stands still at some of them.

    Parameters
    ----------
    at : array (k,)
        Times of the keys, ascending.
    values : array (k, d)
        Values at the keys.
    t : array (n,)
        Times at which the curve is wanted.
    rest : array (k,), bool
        Keys where the speed is zero; elsewhere it is the slope between the neighbours.

    Returns
    -------
    array (n, d), float64
    """
    slope = np.zeros_like(values)
    slope[1:-1] = (values[2:] - values[:-2]) / (at[2:] - at[:-2])[:, None]
    slope[rest] = 0
    i = np.clip(np.searchsorted(at, t, side="right") - 1, 0, len(at) - 2)
    h = (at[i + 1] - at[i])[:, None]
    u = ((t - at[i])[:, None] / h).clip(0, 1)
    a, b = values[i], values[i + 1]
    p, q = slope[i] * h, slope[i + 1] * h
    return np.asarray(a + u * (p + u * (3 * (b - a) - 2 * p - q + u * (2 * (a - b) + p + q))))


def sway(rng: np.random.Generator, t: Array) -> Array:
    """Draw the small movements of someone who waits on the balls of their feet.

    Parameters
    ----------
    rng : numpy.random.Generator
    t : array (n,)
        Times in s.

    Returns
    -------
    array (n, 21), float64
        To be added to the control values, in the order of :data:`ttdemo.world.body.CHANNELS`.
    """
    out = np.zeros((len(t), N_CHANNELS))
    size = {"base": 0.016, "crouch": 0.010, "yaw": 0.035, "lean": 0.016, "hand": 0.012, "free": 0.012,
            "handle": 0.04, "look": 0.04}  # fmt: skip
    for name, amount in size.items():
        for column in range(CHANNELS[name].start, CHANNELS[name].stop):
            for _ in range(2):
                rate, phase = rng.uniform(0.5, 2.1), rng.uniform(0, 2 * np.pi)
                out[:, column] += amount * rng.uniform(0.4, 1.0) * np.sin(2 * np.pi * rate * t + phase)
    return out


def flight(start: Array, end: Array, t: Array) -> Array:
    """Follow a ball in free flight; no air, no spin.

    Parameters
    ----------
    start, end : array (3,)
        Where the flight begins (time 0) and ends (time ``t[-1]``), m.
    t : array (n + 1,)
        Times in s; the last is the duration of the flight.

    Returns
    -------
    array (n, 3), float64
        Positions at all times but the last.
    """
    total, t = t[-1], t[:-1]
    u = (t / total)[:, None]
    path = start + (end - start) * u
    path[:, 1] += 0.5 * GRAVITY * t * (total - t)
    return np.asarray(path)

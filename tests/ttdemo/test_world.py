"""Skeleton and curves: bones keep their length, curves pass their keys."""

from __future__ import annotations

import numpy as np

from ttdemo.world.body import CHANNELS, POINT, bend, posture, skeleton
from ttdemo.world.curves import GRAVITY, flight, spline


def test_limbs_keep_their_length() -> None:
    track = np.stack([posture(), posture({"hand": (0.9, 1.9, 0.2)}), posture({"free": (-0.2, 1.40, 0.1)})])
    body = skeleton(track)
    for a, b, length in (
        ("right_shoulder", "right_elbow", 0.295),
        ("right_elbow", "right_wrist", 0.262),
        ("left_shoulder", "left_elbow", 0.295),
        ("left_hip", "left_knee", 0.44),
        ("left_knee", "left_ankle", 0.43),
    ):
        np.testing.assert_allclose(
            np.linalg.norm(body[:, POINT[a]] - body[:, POINT[b]], axis=1),
            length,
            atol=1e-6,
            err_msg=f"{a}-{b}",
        )
    _, end = bend(np.zeros((1, 3)), np.array([[0.3, 0.1, 0.2]]), 0.3, 0.25, np.array([[0.0, -1.0, 0.0]]))
    np.testing.assert_allclose(end, [[0.3, 0.1, 0.2]], atol=1e-9)


def test_spline_passes_its_keys_and_rests_there() -> None:
    at, values = np.array([0.0, 1.0, 1.5, 3.0]), np.array([[0.0], [2.0], [1.0], [5.0]])
    rest = np.array([True, True, False, True])
    np.testing.assert_allclose(spline(at, values, at, rest), values, atol=1e-12)
    near = spline(at, values, np.array([0.999, 1.001]), rest)
    assert abs(np.diff(near[:, 0])[0]) < 1e-4


def test_channels_cover_the_row() -> None:
    columns = [c for s in CHANNELS.values() for c in range(s.start, s.stop)]
    assert columns == list(range(len(posture())))


def test_a_ball_flies_along_a_parabola() -> None:
    start, end, t = np.array([0.0, 1.0, 0.0]), np.array([0.5, 0.8, 2.0]), np.linspace(0, 0.4, 41)
    path = flight(start, end, t)
    assert path.shape == (40, 3)
    np.testing.assert_allclose(path[0], start)
    step = np.diff(path, axis=0) / 0.01
    np.testing.assert_allclose(
        np.diff(step, axis=0) / 0.01, np.broadcast_to([0, -GRAVITY, 0], (38, 3)), atol=1e-6
    )
    np.testing.assert_allclose(path[-1] + step[-1] * 0.01, end, atol=0.002)

"""Turned squares: what is cut out of a picture, and the way back from it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.pose3d.rects import ROOM, Rect, around, cut, squared

px = st.floats(-50, 400)


@given(px, px, st.floats(2, 300), st.floats(-3.2, 3.2), st.floats(0, 1), st.floats(0, 1))
def test_corners_and_points_are_of_one_rectangle(
    x: float, y: float, side: float, turn: float, u: float, v: float
) -> None:
    rect = Rect(x, y, side, side, turn)
    bottom_left, top_left, top_right, bottom_right = rect.corners().astype(float)
    there = rect.to_picture(np.array([[0, 1], [0, 0], [1, 0], [1, 1]]))
    np.testing.assert_allclose(there, rect.corners(), atol=1e-3)
    wanted = top_left + u * (top_right - top_left) + v * (bottom_left - top_left)
    np.testing.assert_allclose(rect.to_picture(np.array([u, v])), wanted, atol=1e-3)
    assert np.hypot(*(bottom_right - bottom_left)) == pytest.approx(side, rel=1e-3)


@given(px, px, st.floats(1, 100), st.floats(-3.1, 3.1))
def test_who_leans_stands_upright_in_the_square(x: float, y: float, long: float, turn: float) -> None:
    """The circle's point at the head lies above the middle of the square, whichever way the body leans."""
    hips = np.array([x, y])
    end = hips + long * np.array([np.sin(turn), -np.cos(turn)])
    rect = around(hips, end)
    assert rect.width == rect.height == pytest.approx(2 * ROOM * long)
    assert rect.rotation == pytest.approx(turn, abs=1e-6)
    np.testing.assert_allclose(
        rect.to_picture(np.array([0.5, 0.5 - 0.5 / ROOM])), end, atol=1e-6 * (1 + long)
    )


def test_an_upright_cut_is_what_opencv_resizes() -> None:
    """Corner on corner, in a picture that is smooth enough for half a pixel not to matter."""
    y, x = np.mgrid[:96, :160]
    rgb = np.stack([x, y, (x + y) / 2], -1).astype(np.uint8)
    got = cut(rgb, Rect(60, 50, 40, 40), 80, black=True)
    np.testing.assert_allclose(got, cv2.resize(rgb[30:70, 40:80], (80, 80)), atol=1)


def test_outside_the_picture_is_black_or_goes_on() -> None:
    rgb = np.full((20, 40, 3), 200, np.uint8)
    black = cut(rgb, squared(40, 20), 40, black=True)
    assert (black[:9] == 0).all()
    assert (black[11:29] == 200).all()
    assert (cut(rgb, squared(40, 20), 40, black=False) == 200).all()


def test_a_turned_cut_turns_back() -> None:
    """What lies at a share of a turned square is found at that share of the cut."""
    rgb = np.zeros((200, 200, 3), np.uint8)
    rect = Rect(100, 90, 120, 120, 0.7)
    place = rect.to_picture(np.array([0.3, 0.6]))
    cv2.circle(rgb, (round(place[0]), round(place[1])), 4, (255, 255, 255), -1)
    light = cut(rgb, rect, 256, black=True)[..., 0].astype(float)
    row, column = (light.sum(axis) @ np.arange(256) / light.sum() for axis in (1, 0))
    np.testing.assert_allclose([column / 256, row / 256], [0.3, 0.6], atol=0.01)

"""A focus: what people may write, and which pixels it means."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from pydantic import ValidationError

from stages.focus import HALVES, Focus

shares = st.integers(0, 1000).map(lambda n: n / 1000)


def focus(value: Any) -> Focus:
    return Focus.model_validate(value)


def polygon(corners: list[tuple[float, float]]) -> Focus:
    try:
        return focus(corners)
    except ValidationError:
        reject()


def test_words() -> None:
    assert focus(" Left ").box == (0, 0, 0.5, 1)
    assert focus("near").box == (0, 0.5, 1, 1)
    assert focus("auto").follow == "most"
    assert [focus(f"auto-{side}").follow for side in HALVES] == list(HALVES)


@pytest.mark.parametrize(
    "written", ["near", "auto", "auto-right", [0.25, 0, 1, 1], [[0, 0], [1, 0], [0.5, 1]]]
)
def test_it_is_kept_as_it_is_written(written: Any) -> None:
    assert focus(written).model_dump(mode="json") == written
    assert focus([0, 0.5, 1, 1]).written() == "near"  # what means the same has the same key


@pytest.mark.parametrize(
    "wrong",
    [
        "middle", "auto-most", "", [], [0, 0, 1], [0.5, 0, 0.5, 1], [0, 0, 320, 180], [[0, 0], [1, 1]], {},
        [[0, 0], [0.5, 0.5], [1, 1]], [[0, 0], [1, 0], [1, 2]], {"box": [0, 0, 1, 1], "follow": "most"}, 3,
        [0, 0, float("nan"), 1],
    ],
)  # fmt: skip
def test_what_is_no_focus_is_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        focus(wrong)


@given(st.lists(st.tuples(shares, shares), min_size=3, max_size=7), st.integers(1, 40), st.integers(1, 30))
def test_a_polygon_means_the_pixels_whose_middle_lies_in_it(
    corners: list[tuple[float, float]], width: int, height: int
) -> None:
    mask = polygon(corners).mask(width, height)
    assert mask.any()
    expected = np.zeros((height, width), bool)
    for y in range(height):
        for x in range(width):
            px, py, inside = x + 0.5, y + 0.5, False
            for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
                ax, bx, ay, by = ax * width, bx * width, ay * height, by * height
                if (ay <= py) != (by <= py) and ax + (py - ay) / (by - ay) * (bx - ax) <= px:
                    inside = not inside
            expected[y, x] = inside
    if expected.any():
        np.testing.assert_array_equal(mask, expected)
    else:
        assert mask.sum() == 1


@given(st.lists(st.tuples(shares, shares), min_size=3, max_size=5))
def test_points_belong_as_their_pixels_do(corners: list[tuple[float, float]]) -> None:
    place = polygon(corners)
    y, x = np.mgrid[:30, :40]
    np.testing.assert_array_equal(place.holds(np.stack([x + 0.4, y - 0.4], -1), 40, 30), place.mask(40, 30))
    with pytest.raises(ValueError, match="read-only"):
        place.mask(40, 30)[0, 0] = True


def test_points_outside_the_frame_belong_to_its_border() -> None:
    held = focus("left").holds(np.array([[-50.0, 20], [39.6, 200], [15, -3]]), 40, 30)
    assert held.tolist() == [True, False, True]


def test_who_is_followed_may_be_anywhere() -> None:
    assert focus("auto").mask(7, 5).all()

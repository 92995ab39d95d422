"""Drawing on one frame: joints where they are, colours that mean a direction, captions in any script."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.pictures.draw import (
    Picture,
    caption,
    draw_box,
    draw_others,
    draw_player,
    enlarge,
    flow_colours,
    overlay_mask,
    panels,
    wheel,
)
from stages.descriptor import JOINTS
from stages.pose import KEYPOINTS

RED, ORANGE, GREY = (255, 60, 60), (255, 150, 0), (150, 150, 150)


def blank(width: int, height: int) -> Picture:
    return np.zeros((height, width, 3), np.uint8)


def where(picture: Picture, colour: tuple[int, int, int]) -> NDArray[np.intp]:
    """(n, 2) x, y of the pixels of that colour."""
    return np.argwhere((picture == colour).all(axis=2))[:, ::-1]


def player(**places: tuple[float, float, float]) -> NDArray[np.float32]:
    """A descriptor row in which only the named joints were found."""
    joints = np.zeros((1 + len(JOINTS), 3), np.float32)
    joints[0, 2] = 0.9
    for name, value in places.items():
        joints[1 + JOINTS.index(name)] = value
    return joints


@given(x=st.integers(4, 59), y=st.integers(4, 43), zoom=st.integers(1, 3), name=st.sampled_from(JOINTS))
def test_a_joint_is_drawn_where_it_is(x: int, y: int, zoom: int, name: str) -> None:
    picture = blank(64 * zoom, 48 * zoom)
    draw_player(picture, player(**{name: (x, y, 0.8)}), zoom)
    dots = where(picture, RED)
    np.testing.assert_allclose(dots.mean(axis=0), [x * zoom, y * zoom], atol=0.01)
    assert np.abs(dots - [x * zoom, y * zoom]).max() <= zoom


def test_joints_of_low_score_and_players_not_found_are_left_out() -> None:
    picture = blank(64, 48)
    draw_player(picture, player(nose=(20, 20, 0.1)), 1)
    absent = player(nose=(20, 20, 0.9))
    absent[0, 2] = 0
    draw_player(picture, absent, 1)
    assert not picture.any()


def test_a_limb_joins_its_joints() -> None:
    picture = blank(64, 48)
    draw_player(picture, player(left_elbow=(10, 20, 0.9), left_wrist=(50, 20, 0.9)), 1)
    assert (picture[20, 14:47, 1] > 200).all()  # anti-aliased: not quite full colour
    assert (picture[20, 14:47, 0] < 100).all()
    unconnected = blank(64, 48)
    draw_player(unconnected, player(left_elbow=(10, 20, 0.9), right_wrist=(50, 20, 0.9)), 1)
    assert not unconnected[20, 14:47].any()


def test_others_are_grey_and_the_box_is_centred() -> None:
    keypoints, scores = np.zeros((1, 17, 2)), np.zeros((1, 17))
    for name, x in (("left_shoulder", 10), ("left_hip", 50)):
        keypoints[0, KEYPOINTS.index(name)] = x, 30
        scores[0, KEYPOINTS.index(name)] = 0.9
    picture = blank(64, 48)
    draw_others(picture, keypoints, scores, 1)
    assert np.abs(picture[30, 12:49].astype(int) - GREY).max() < 25
    boxed = blank(64, 48)
    draw_box(boxed, np.array([30.0, 24.0]), (20, 10), 1)
    corners = np.argwhere(boxed[..., 0] > 150)[:, ::-1]  # anti-aliased: not quite full colour
    assert corners.min(axis=0).tolist() == [20, 19]
    assert corners.max(axis=0).tolist() == [40, 29]


def test_the_hue_is_the_direction_and_the_saturation_the_length() -> None:
    flow = np.zeros((1, 5, 2), np.float32)
    flow[0, 1], flow[0, 2], flow[0, 3], flow[0, 4] = (4, 0), (-4, 0), (2, 0), (40, 0)
    still, right, left, half, beyond = flow_colours(flow, 4.0)[0].astype(int)
    assert (still == 255).all()
    assert right.tolist() == [255, 0, 0]
    assert left.tolist() == [0, 255, 255]
    assert half.tolist() == pytest.approx([255, 128, 128], abs=1)
    assert beyond.tolist() == right.tolist()
    disc = wheel(41)
    assert (disc[0, 0] == 255).all()
    assert (disc[20, 20] == 255).all()
    assert disc[20, 40].tolist() == [255, 0, 0]


def test_the_background_is_dimmed_and_pixels_become_squares() -> None:
    rgb = np.full((20, 30, 3), 200, np.uint8)
    mask = np.zeros((20, 30), np.uint8)
    mask[5:15, 5:15] = 255
    shown = overlay_mask(rgb, mask)
    assert (shown[10, 10] == 200).all()
    assert (shown[10, 25] == 50).all()
    assert (shown[5, 5:15] == ORANGE).all()
    large = enlarge(shown, 3)
    assert large.shape == (60, 90, 3)
    assert (large[::3, ::3] == shown).all()
    assert (large[2::3, 2::3] == shown).all()


@given(width=st.integers(8, 2000), height=st.integers(16, 40))
def test_a_caption_has_the_size_asked_for(width: int, height: int) -> None:
    assert caption(width, "frame", height).shape == (height, width, 3)


def test_a_caption_shows_every_letter() -> None:
    texts = ["Defensif", "Défensif", "D?fensif", "$\\alpha^2$", "α2", ""]
    strips = [caption(200, text) for text in texts]
    assert len({s.tobytes() for s in strips}) == len(texts)
    assert (strips[-1] == 30).all()
    accented, plain = strips[1].astype(int), strips[0].astype(int)
    changed = np.abs(accented - plain).max(axis=(0, 2)).nonzero()[0]
    assert np.ptp(changed) < 12  # px: nothing but the accent differs
    assert (accented - plain).max() > 150


def test_a_caption_without_glyphs_says_nothing_on_stderr(recwarn: pytest.WarningsRecorder) -> None:
    assert (caption(200, "卓球") > 200).any()
    assert not recwarn.list


def test_a_caption_is_shared_and_cannot_be_painted_over() -> None:
    strip = caption(120, "frame")
    with pytest.raises(ValueError, match="read-only"):
        strip[0, 0] = 0


@pytest.mark.parametrize("size", [(64, 48), (36, 64)])
def test_a_panel_for_each_result(size: tuple[int, int]) -> None:
    width, height = size
    rng = np.random.default_rng(0)
    frame: dict[str, Any] = {
        "rgb": rng.integers(0, 100, (height, width, 3), dtype=np.uint8),
        "mask": np.full((height, width), 255, np.uint8),
        "joints": player(nose=(10, 20, 0.9)),
    }
    drawn = panels(frame, (20, 20), 5.0, 2)
    assert {p.shape for p in drawn} == {(2 * height, 2 * width, 3)}
    assert (drawn[0][::2, ::2] == frame["rgb"]).all()
    assert (drawn[2] == 60).all(), "no flow was computed"
    np.testing.assert_allclose(where(drawn[3], RED).mean(axis=0), [20, 40], atol=0.01)

"""Display matrices: all eight orientations as ffmpeg shows them, everything else as it is coded."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from stages.frames.folder import place_joints
from stages.frames.orientation import orientation_from
from stages.frames.rotation_and_fit import Colour, geometry, to_rgb
from tests.support.ffmpeg import decoded_by_ffmpeg, ffmpeg, needs_ffmpeg, pattern, set_matrix, stored

RIGHT_ANGLES = [(a, 0, 0, d) for a in (1, -1) for d in (1, -1)] + [
    (0, b, c, 0) for b in (1, -1) for c in (1, -1)
]
#: zeros, singular, shears, turns by other angles
NONE = [
    (0, 0, 0, 0),
    (1, 0, 0, 0),
    (0, 0, 0, 1),
    (0, 1, 0, 0),
    (1, 1, 1, 1),
    (1, 0.5, 0, 1),
    (0.7071, 0.7071, -0.7071, 0.7071),
    (math.cos(math.radians(5)), math.sin(math.radians(5)), -math.sin(math.radians(5)), 1),
]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    ffmpeg(*pattern("320x240", 0.2), "-c:v", "libx264", "-crf", "10", "-pix_fmt", "yuv420p", path)
    return path


@needs_ffmpeg
@pytest.mark.parametrize("scale", [1, 0.5, 2])
@pytest.mark.parametrize("matrix", RIGHT_ANGLES)
def test_all_eight_as_ffmpeg_shows_them(
    clip: Path, tmp_path: Path, matrix: tuple[int, ...], scale: float
) -> None:
    path = set_matrix(clip, tmp_path / "turned.mp4", [v * scale for v in matrix])
    rgb, _, attrs = stored(path)
    truth = decoded_by_ffmpeg(path, (320, 180))
    assert rgb.shape == truth.shape
    assert np.abs(rgb.astype(int) - truth).mean() < 2
    assert np.abs(rgb[:, :, ::-1].astype(int) - truth).mean() > 5, "the pattern tells a mirror"
    assert attrs["mirrored"] == (matrix[0] * matrix[3] - matrix[1] * matrix[2] < 0)
    assert attrs["notes"] == []


@needs_ffmpeg
@pytest.mark.parametrize("matrix", NONE)
def test_what_is_no_orientation_turns_nothing(clip: Path, tmp_path: Path, matrix: tuple[float, ...]) -> None:
    path = set_matrix(clip, tmp_path / "odd.mp4", matrix)
    rgb, _, attrs = stored(path, width=320, height=240)
    np.testing.assert_array_equal(rgb, stored(clip, width=320, height=240)[0])
    assert (attrs["rotation"], attrs["mirrored"], attrs["fit"]) == (0, False, "exact")
    assert len(attrs["notes"]) == 1
    assert "display matrix" in attrs["notes"][0]


def test_every_matrix_of_small_numbers() -> None:
    """Right angles in any scale are known; the rest is none, and is never a turn by a nan."""
    for a, b, c, d in itertools.product((-2, -1, 0, 1, 3), repeat=4):
        found = orientation_from((a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30))
        right = (a and d and not b and not c) or (b and c and not a and not d)
        assert bool(found.note) == (not right)
        if right:
            # the turn and the mirror, applied to the axes, give the signs of the matrix
            turn = {0: (1, 0, 0, 1), -90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 90: (0, -1, 1, 0)}[
                found.rotation
            ]
            ta, tb, tc, td = turn
            if found.mirrored:
                ta, tc = -ta, -tc
            assert (ta, tb, tc, td) == tuple(np.sign((a, b, c, d)))


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
@pytest.mark.parametrize("fit", ["pad", "crop"])
def test_given_joints_stay_on_their_spot(rotation: int, mirrored: bool, fit: Any) -> None:
    """A white dot, marked in the picture as it is shown, lies under its joint in the stored frame."""
    coded = np.zeros((240, 320, 3), np.uint8)
    coded[96:104, 196:204] = 255
    shown = np.rot90(coded, rotation // 90)
    shown = shown[:, ::-1] if mirrored else shown
    y, x = (float(v.mean()) for v in np.nonzero(shown[..., 0]))
    plan = geometry((320, 240), (320, 180), rotation, Fraction(1), fit, mirrored)
    rgb = to_rgb(av.VideoFrame.from_ndarray(coded, format="rgb24"), plan, Colour(0, True, False))
    joints = np.full((1, 13, 3), np.nan)
    joints[0, 0] = x, y, 1
    at = place_joints(joints, (320, 240), plan)["keypoints"][0, 0, 0]
    weight = rgb[..., 0].astype(float)
    rows, columns = np.mgrid[:180, :320]
    spot = [(columns * weight).sum() / weight.sum(), (rows * weight).sum() / weight.sum()]
    np.testing.assert_allclose(at, spot, atol=0.2)

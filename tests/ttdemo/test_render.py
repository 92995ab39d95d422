"""Colours and video files."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ttdemo.render.paint import to_ycc, ycc
from ttdemo.render.video import encode

Array = NDArray[Any]


def test_colours_are_bt709_limited_range() -> None:
    np.testing.assert_allclose(ycc((255, 255, 255)), (235, 128, 128), atol=0.01)
    np.testing.assert_allclose(ycc((0, 0, 0)), (16, 128, 128), atol=0.01)
    np.testing.assert_allclose(ycc((255, 0, 0)), (62.6, 102.3, 240), atol=0.1)
    picture = np.array([[[0, 0, 255], [128, 128, 128]]], float)
    np.testing.assert_array_equal(to_ycc(picture), [[[32, 240, 118], [126, 128, 128]]])


def test_a_broken_off_clip_leaves_nothing(tmp_path: Path) -> None:
    def frames() -> Iterator[Array]:
        yield np.zeros((48, 32), np.uint8)
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        encode(tmp_path / "x.mp4", frames(), fps=Fraction(30), size=(32, 32))
    assert not list(tmp_path.iterdir())

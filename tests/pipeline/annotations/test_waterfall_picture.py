"""The picture of the waterfall: lengths, names in any script, equal bytes, and no import before it."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import cv2
import matplotlib
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.annotations import TAXONOMIES, Annotation, VideoFacts, Waterfall, clean, draw_waterfall

VIDEOS = {"a.mp4": VideoFacts(10_000, Fraction(120), "sha-a")}
BLUE, LOST = (63, 111, 176), (239, 211, 196)


def note(begin: int, end: int, label: str = "Offensive Forehand Loop", who: str = "") -> Annotation:
    return Annotation("a.mp4", begin, end, label, who, "x.xml", begin)


def waterfall(*annotations: Annotation) -> Waterfall:
    return clean(annotations, VIDEOS, TAXONOMIES["strokes"]).waterfall


def decoded(png: bytes) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image[..., ::-1], np.uint8)


def runs(image: NDArray[np.uint8], colour: tuple[int, int, int]) -> list[int]:
    """The lengths of bars of a colour, from top to bottom, one number per bar."""
    widths = np.all(image == colour, axis=2)[:, 268:].sum(axis=1)
    starts = np.flatnonzero((widths[1:] > 5) & (widths[:-1] <= 5)) + 5
    return [int(widths[y]) for y in starts]


#: 12 read; 1 begins at frame 0, 2 lie outside the video, 3 are too short: 11, 9, 6 are left
ROWS = [
    note(0, 100),
    *(note(9_950 + i, 10_050) for i in range(2)),
    *(note(1000 + 300 * i, 1020 + 300 * i) for i in range(3)),
    *(note(3000 + 300 * i, 3100 + 300 * i) for i in range(6)),
]


def test_lengths_show_the_counts() -> None:
    image = decoded(draw_waterfall(waterfall(*ROWS)))
    assert image.shape[1] == 1200
    expected = [580 * n / 12 for n in (12, 11, 9, 6)]
    assert np.allclose(runs(image, BLUE), expected, atol=2)
    assert np.allclose(runs(image, LOST)[-3:], [580 * n / 12 for n in (1, 2, 3)], atol=2)


def test_the_same_bytes_each_time_whatever_the_users_settings() -> None:
    first = draw_waterfall(waterfall(*ROWS))
    with matplotlib.rc_context({"font.size": 40, "axes.facecolor": "red", "savefig.dpi": 30}):
        assert draw_waterfall(waterfall(*ROWS)) == first
    assert b"Software" not in first


def test_accents_are_drawn_as_written() -> None:
    drawn = [draw_waterfall(waterfall(note(100, 200, who=name))) for name in ("Zoé", "Zoe", "Zo?", "Zoë")]
    assert len(set(drawn)) == 4


def test_nothing_odd_names_and_crowds(recwarn: pytest.WarningsRecorder) -> None:
    assert decoded(draw_waterfall(waterfall())).shape[1] == 1200
    odd = note(100, 200, "Défensif 日本 " + "x" * 300, "Zoë\n$x^2$ \\frac " * 40)
    image = decoded(draw_waterfall(waterfall(odd)))
    # what is too long is cut before the bars begin, and before the page ends
    assert (image[-60:, 256:268] == 255).all()
    assert (image[-60:, 100:256] < 255).any()
    assert (image[:, 1180:] == 255).all()
    crowd = [note(100 + i, 200 + i, who=f"annotator {i}") for i in range(60)]
    height = decoded(draw_waterfall(waterfall(*crowd))).shape[0]
    assert height < decoded(draw_waterfall(waterfall(*crowd[:40]))).shape[0] + 30
    assert [str(w.message) for w in recwarn] == []


def test_matplotlib_is_imported_for_a_picture_only() -> None:
    code = (
        "import sys, pipeline.cli.main, pipeline.annotations, pipeline.cli.output.annotation_report;"
        "import pipeline.planning.samples, pipeline.planning.staleness, pipeline.run;"
        "assert 'matplotlib' not in sys.modules, 'matplotlib is imported'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr

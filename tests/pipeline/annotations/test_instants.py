"""A CSV table with one instant for each stroke: the interval lies about it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.annotations import AnnotationOptions, FileContent, VideoFacts, read_annotations, read_file
from pipeline.annotations.timeline import Timeline
from tests.support import ROOT

DOCS = (ROOT / "docs" / "annotations.md").read_text(encoding="utf-8")
#: the mapping of the documentation
CONTACTS = yaml.safe_load(DOCS.split("<!-- contacts")[1].split("```")[1].removeprefix("yaml"))
VIDEOS = {"a.mp4": VideoFacts(900, Fraction(30)), "b.mp4": VideoFacts(900, Fraction(60000, 1001))}


def read(text: str, options: dict[str, Any], **facts: Any) -> FileContent:
    return read_file(text.encode(), "t.csv", options=AnnotationOptions.model_validate(options), **facts)


def test_contact_frames_become_intervals_at_each_video_s_rate() -> None:
    text = "video,frame,label\na.mp4,52,serve\nb,100,fore_hand\nb,x,serve\nnobody,9,serve\nnobody,8,serve\n"
    found = read(text, CONTACTS, videos=VIDEOS)
    assert [(a.video, a.begin, a.end, a.label, a.line) for a in found.annotations] == [
        ("a.mp4", 52 - 12, 52 + 9, "Serve", 2),
        ("b.mp4", 100 - 24, 100 + 18, "Fore Hand", 3),
    ]
    assert [(i.line, i.kind) for i in found.issues] == [(4, "malformed")]
    assert [a.line for a in found.unplaced] == [5, 6]


def test_instants_in_seconds_from_one_and_by_the_times_of_frames() -> None:
    about = {"before": 1.0, "after": 0.5, "columns": {"instant": "at", "video": "v"}}
    seconds = read("v,at\na,2.5\n", {"csv": {**about, "unit": "seconds"}}, videos=VIDEOS)
    assert [(a.begin, a.end, a.label) for a in seconds.annotations] == [(45, 90, None)]
    first = read("v,at\na,76\n", {"csv": {**about, "first_frame": 1}}, videos=VIDEOS)
    assert [(a.begin, a.end) for a in first.annotations] == [(45, 90)]
    # 30 frames/s for two seconds, 10 frames/s afterwards
    times = [*(i / 30 for i in range(60)), *(2 + i / 10 for i in range(40))]
    shown = Timeline(np.asarray(times, np.float64).tobytes())
    slowing = VideoFacts(100, Fraction(100, 6), timeline=shown, variable=True)
    found = read("v,at\na,70\n", {"csv": about}, videos={"a": slowing})
    assert [(a.begin, a.end) for a in found.annotations] == [(60, 75)]


def test_the_rate_of_a_video_whose_frames_are_not_counted_is_not_needed_yet(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("video,frame,label\na,5,x\n")
    options = AnnotationOptions.model_validate(CONTACTS)
    found = read_annotations([path], videos={}, options=options, uncounted=["a.mp4"])
    assert (found.annotations, found.issues, found.waiting) == ((), (), {"a.mp4": 1})


@pytest.mark.parametrize(
    ("mapping", "why"),
    [
        ({"columns": {"instant": "t", "begin": "b"}}, "one kind of columns"),
        ({"before": 0.4}, "name its column"),
        ({"columns": {"instant": "t"}, "end_inclusive": True}, "an instant has no end"),
        ({"columns": {"instant": "t"}, "before": 0, "after": 0}, "both 0"),
        ({"columns": {"instant": ""}}, "at least 1 character"),
    ],
)
def test_mappings_that_contradict_themselves(mapping: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        AnnotationOptions.model_validate({"csv": mapping})


@given(
    st.integers(0, 800),
    st.integers(0, 10_000),
    st.integers(1, 10_000),
    st.integers(1, 240),
    st.integers(0, 1),
)
def test_intervals_lie_about_the_instant(frame: int, before: int, after: int, fps: int, first: int) -> None:
    options = {
        "csv": {
            "columns": {"instant": "t"}, "before": before / 1000, "after": after / 1000, "first_frame": first,
        }
    }  # fmt: skip
    found = read(f"video,t\na,{frame + first}\n", options, videos={"a": VideoFacts(1000, Fraction(fps))})
    (stroke,) = found.annotations
    assert abs(frame - stroke.begin - Fraction(before * fps, 1000)) <= Fraction(1, 2)
    assert abs(stroke.end - frame - Fraction(after * fps, 1000)) <= Fraction(1, 2)

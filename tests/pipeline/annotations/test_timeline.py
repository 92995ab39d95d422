"""Seconds become the frames that a player shows, whatever the frame rate does."""

from __future__ import annotations

import math
import re
from fractions import Fraction

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.annotations import (
    TAXONOMIES,
    AnnotationOptions,
    CleaningParams,
    VideoFacts,
    clean,
    make_timeline,
    merge,
    read_file,
)
from pipeline.annotations.parsing.video_names import PLACE
from pipeline.annotations.timeline import is_variable
from tests.support.timed_videos import slower_from

FPS = Fraction(30)
SECONDS = AnnotationOptions.model_validate({"csv": {"unit": "seconds"}})
PHONE = slower_from(10, 20)
LATE = [1.5 + i / 30 for i in range(180)]


def facts(times: list[float], fps: Fraction = FPS, **more: bool) -> VideoFacts:
    return VideoFacts(len(times), fps, timeline=make_timeline(times, fps, **more))


def spans(text: str, video: VideoFacts) -> list[tuple[int, int]]:
    content = read_file(text.encode(), "t.csv", videos={"v.mp4": video}, options=SECONDS)
    return [(a.begin, a.end) for a in content.annotations]


def test_even_frames_need_no_times() -> None:
    even = np.arange(1000) / 30
    assert make_timeline(even, FPS) is None
    assert make_timeline(np.round(even, 3), FPS) is None  # a container that keeps milliseconds
    assert make_timeline(even + 1.4, FPS, origin=1.4) is None  # a transport stream
    assert make_timeline([math.nan] * 5, FPS) is None  # a raw stream
    assert make_timeline(even[[0, 2, 1, 4, 3]], FPS) is None  # AVI with B-frames, as stored earlier
    assert make_timeline(even + 1.5, FPS) is not None


@given(st.fractions(-2, 40, max_denominator=1000))
def test_times_of_even_frames_give_what_the_rate_gives(seconds: Fraction) -> None:
    plain = VideoFacts(900, FPS)
    timed = VideoFacts(900, FPS, timeline=make_timeline(np.arange(900) / 30 + 1, FPS, origin=0))
    assert timed.timeline is not None
    if seconds >= 0:
        assert timed.frame_at(seconds + 1) == plain.frame_at(seconds)
    assert abs(float(timed.duration(100, 160)) - float(plain.duration(100, 160))) < 1e-6


def test_a_variable_rate() -> None:
    # 10 s at 30 frames/s are 300 frames, of the 2 s after it every second one is there
    assert spans("video,begin,end,label\nv.mp4,12.0,13.0,x\n", facts(PHONE)) == [(330, 345)]
    # by the mean rate it would have been frame 270
    assert facts(PHONE).frame_at(Fraction(20)) == len(PHONE) == 450
    assert facts(PHONE).frame_at(Fraction(22)) == 480


def test_a_late_first_picture() -> None:
    assert spans("video,begin,end,label\nv.mp4,3.5,4.5,x\n", facts(LATE)) == [(60, 90)]
    before = read_file(
        b"video,begin,end,label\nv.mp4,0.2,1.2,x\n", "t.csv", videos={"v.mp4": facts(LATE)}, options=SECONDS
    )
    assert [i.kind for i in before.issues] == ["doubtful-time"]
    assert "before the first picture of v.mp4, at 1.500 s" in before.issues[0].message


def test_halves_go_up_and_gaps_belong_to_the_nearer_frame() -> None:
    pause = facts([0, 0.1, 0.2, 5.2, 5.3], Fraction(10))
    assert [pause.frame_at(Fraction(str(t))) for t in (0.05, 0.15, 2.6, 2.8, 5.4)] == [1, 2, 2, 3, 5]


def test_durations_are_real() -> None:
    video = facts(PHONE)
    text = b"video,begin,end,label\nv.mp4,200,215,Serve Forehand Loop\nv.mp4,400,415,Serve Forehand Loop\n"
    content = read_file(text, "t.csv", videos={"v.mp4": video})
    # 15 frames last half a second at first, and a whole one later
    result = clean(content.annotations, {"v.mp4": video}, TAXONOMIES["strokes"], CleaningParams())
    assert [(s.begin, s.end) for s in result.samples] == [(400, 415)]
    assert [i.message for i in result.issues] == [
        "200-215 of v.mp4 (6.67-7.17 s) lasts 0.500 s, under cleaning.min_seconds, 0.6"
    ]


def test_events_of_openttgames_reach_as_far_in_seconds() -> None:
    text = b'{"100": "left_forehand_loop a b", "400": "left_forehand_loop a b"}'
    content = read_file(text, "v.json", videos={"v.mp4": facts(PHONE)})
    assert [(a.begin, a.end) for a in content.annotations] == [(91, 109), (396, 405)]


def test_a_rate_of_the_manifest_measures_the_scene_and_not_the_clock_of_the_file() -> None:
    slow = [i / 30 for i in range(600)]  # 120 frames/s that play at 30
    video = facts(slow, Fraction(120), real=False)
    content = read_file(
        b"video,begin,end,label\nv.mp4,4,8,x\nv.mp4,9,10,x\n",
        "t.csv",
        videos={"v.mp4": video},
        options=SECONDS,
    )
    assert [(a.begin, a.end) for a in content.annotations] == [(120, 240), (270, 300)]
    assert [i.kind for i in content.issues] == ["doubtful-time"]  # once
    assert "30 frames/s, although the manifest gives v.mp4 120" in content.issues[0].message
    assert video.duration(120, 240) == 1


@pytest.mark.parametrize(
    ("times", "variable"),
    [
        (PHONE, True),
        (LATE, False),
        ([round(i / 30, 3) for i in range(300)], False),
        ([round(i / 240, 3) for i in range(300)], False),
        ([i / 30 for i in range(300) if i != 150], True),  # one picture is missing
        ([i * 1.001 / 30 for i in range(100_000)], False),
        ([0.0, 0.1], False),
        ([math.nan] * 10, False),
    ],
)
def test_what_counts_as_variable(times: list[float], variable: bool) -> None:
    assert is_variable(times) is variable


def test_seconds_that_are_taken_for_frames_point_to_the_option() -> None:
    text = b"video,begin,end,label\nv.mp4,1.3,2.45,x\n"
    lost = read_file(text, "t.csv", videos={"v.mp4": VideoFacts(300, FPS)})
    assert lost.annotations == ()
    found = re.search(r"annotation_options: (\{.*\})", lost.issues[0].message)
    assert found, lost.issues
    options = AnnotationOptions.model_validate(yaml.safe_load(found[1]))
    mended = read_file(text, "t.csv", videos={"v.mp4": VideoFacts(300, FPS)}, options=options)
    assert [(a.begin, a.end) for a in mended.annotations] == [(39, 74)]
    assert mended.issues == ()


@pytest.mark.parametrize("file", ["t.csv", "t.xml"])
def test_the_remedy_for_an_unknown_video_works(file: str) -> None:
    csv = "video,begin,end,label\nmy 'odd' \"name\".mp4,40,80,x\n"
    text = csv if file == "t.csv" else '<video><action begin="40" end="80" move="x"/></video>'
    videos = {"v.mp4": VideoFacts(300, FPS), "w.mp4": VideoFacts(300, FPS)}
    lost = merge([read_file(text.encode(), file, videos=videos)], videos)
    issue = next(i for i in lost.issues if i.kind == "unknown-video")
    found = re.search(r"annotation_options: (\{.*\})", issue.message)
    assert found, issue
    options = AnnotationOptions.model_validate(yaml.safe_load(found[1].replace(PLACE, "w.mp4")))
    told = merge([read_file(text.encode(), file, videos=videos, options=options)], videos)
    assert [(a.video, a.begin) for a in told.annotations] == [("w.mp4", 40)]
    assert told.issues == ()

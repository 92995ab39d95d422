"""What is written for an annotation tool is read back to the same frames, labels and players."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.annotations import AnnotationOptions, VideoFacts, canonical, make_timeline, read_file
from pipeline.annotations.writing import FORMATS, PredictedStroke, PredictedVideo, render
from pipeline.errors import UserError
from tests.remedies.following import Says

RATES = (Fraction(24000, 1001), Fraction(25), Fraction(30), Fraction(120), Fraction(240))
#: names that quoting, XML, JSON, CSV and addresses treat in their own ways
NAMES = (
    "game.mp4", "sub dir/Müller & <Söhne> 1.mp4", "a,b;c\"d'.mov", "100% (2) #1?.mp4", "日本/卓球.mkv",
    "match+final.mp4", "e\u0301te\u0301.mp4",
)  # fmt: skip
PLAYERS = ("", "anna", "Björn & <x>", 'O"Neil, jr; 2')
LABELS = ("Serve Forehand Loop", "Défense < Revers & Co", "Hit, Hard; 100%")
REVIEWED = AnnotationOptions(reviewed=("*",))


@st.composite
def timed(draw: st.DrawFn) -> VideoFacts:
    """Videos with even frames, a late first picture, another rate than they play at, or a change of rate."""
    fps = draw(st.sampled_from(RATES))
    n = draw(st.integers(2, 3000))
    kind = draw(st.sampled_from(["even", "late", "slow motion", "uneven"]))
    if kind == "even":
        return VideoFacts(n, fps)
    late = draw(st.floats(0, 2))
    step = 1 / (30 if kind == "slow motion" else float(fps))
    times = late + np.arange(n) * step
    if kind == "uneven":
        times[n // 2 :] += np.arange(n - n // 2) * step
    return VideoFacts(n, fps, timeline=make_timeline(list(times.round(6)), fps, real=kind != "slow motion"))


@st.composite
def videos(draw: st.DrawFn) -> PredictedVideo:
    facts = draw(timed())
    strokes = []
    for _ in range(draw(st.integers(1, 6))):
        begin = draw(st.integers(0, facts.n_frames - 1))
        end = draw(st.integers(begin + 1, facts.n_frames))
        label, player = draw(st.sampled_from(LABELS)), draw(st.sampled_from(PLAYERS))
        strokes.append(PredictedStroke(begin, end, label, draw(st.floats(0, 1)), player))
    name = draw(st.sampled_from(NAMES))
    return PredictedVideo(name, facts, 1920, 1080, tuple(strokes), "runs/<best> & 2", labels=LABELS)


def files(video: PredictedVideo, kind: str) -> dict[str, bytes]:
    """What is written, without what is pasted into a tool's settings."""
    made = render([video], [kind], Path("/somewhere/out"))
    return {name: data for name, data in made.items() if not name.endswith(".txt")}


@pytest.mark.parametrize("kind", FORMATS)
@settings(deadline=None, max_examples=60)
@given(videos())
def test_frames_labels_and_players_come_back(kind: str, video: PredictedVideo) -> None:
    ((name, data),) = files(video, kind).items()
    known = {video.name: video.facts, "other.mp4": VideoFacts(9, Fraction(30))}
    content = read_file(data, name, videos=known, options=REVIEWED)
    issues = content.issues
    if video.facts.timeline is not None and not video.facts.timeline.real:
        issues = tuple(i for i in issues if "seconds are those of the file as it plays" not in i.message)
    assert issues == ()
    assert {a.video for a in content.annotations} == {video.name}
    found = sorted((a.begin, a.end, a.label, a.player) for a in content.annotations)
    assert found == sorted((s.begin, s.end, canonical(s.label), s.player) for s in video.strokes)


@pytest.mark.parametrize("kind", FORMATS)
def test_nobody_has_looked_at_it_yet(kind: str) -> None:
    stroke = PredictedStroke(100, 180, "Serve Forehand Loop", 0.9, "anna")
    facts = VideoFacts(500, Fraction(120))
    video = PredictedVideo("game.mp4", facts, 640, 360, (stroke, stroke), "runs/best")
    ((name, data),) = files(video, kind).items()
    content = read_file(data, name, videos={"game.mp4": facts})
    assert content.annotations == ()
    assert [i.kind for i in content.issues] == ["prediction"]
    assert "2 strokes that 'runs/best' predicted and nobody has looked at" in content.issues[0].message
    told = AnnotationOptions(reviewed=(name,))
    assert f'reviewed: ["{name}"]' in content.issues[0].message
    assert len(read_file(data, name, videos={"game.mp4": facts}, options=told).annotations) == 2


@pytest.mark.parametrize("kind", FORMATS)
def test_a_video_without_strokes_gives_a_file(kind: str) -> None:
    facts = VideoFacts(500, Fraction(120))
    video = PredictedVideo("game.mp4", facts, 640, 360, (), "runs/best", labels=LABELS)
    ((name, data),) = files(video, kind).items()
    content = read_file(data, name, videos={"game.mp4": facts})
    assert content.annotations == ()


@pytest.mark.parametrize("kind", ["label-studio", "elan"])
def test_frames_that_a_tool_cannot_tell_apart_are_refused(kind: str) -> None:
    fps = Fraction(30)
    times = np.concatenate([np.arange(50) / 30, 1.7 + np.arange(50) / 5000])  # a burst
    facts = VideoFacts(100, fps, timeline=make_timeline(times, fps))
    video = PredictedVideo("game.mp4", facts, 640, 360, (PredictedStroke(61, 73, "Serve", 0.5),), "runs/best")
    with pytest.raises(UserError) as raised:
        files(video, kind)
    said = {
        "label-studio": Says("do not tell its frames apart in Label Studio; write CSV, JSON or CVAT"),
        "elan": Says("in the times of a file for {}; write CSV, JSON or CVAT, which count frames"),
    }
    said[kind].of(str(raised.value))
    for other in ("csv", "json", "cvat"):
        ((name, data),) = files(video, other).items()
        content = read_file(data, name, videos={"game.mp4": facts}, options=REVIEWED)
        assert [(a.begin, a.end) for a in content.annotations] == [(61, 73)]


@pytest.mark.parametrize(("begin", "end"), [(-1, 3), (3, 3), (0, 501)])
def test_strokes_outside_the_video_are_not_accepted(begin: int, end: int) -> None:
    with pytest.raises(ValueError, match="is not in its 500 frames"):
        PredictedVideo(
            "game.mp4",
            VideoFacts(500, Fraction(30)),
            640,
            360,
            (PredictedStroke(begin, end, "Serve", 0.5),),
            "runs/best",
        )

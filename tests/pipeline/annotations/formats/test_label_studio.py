"""Label Studio counts in a rate of its own and renames what is uploaded."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from pipeline.annotations import AnnotationOptions, FileContent, Issue, VideoFacts, make_timeline, read_file
from pipeline.annotations.parsing.video_names import PLACE
from tests.support.timed_videos import slower_from

PLAIN = {"plain.mp4": VideoFacts(600, Fraction(30))}


def export(
    video: str = "/data/upload/3/1a2b3c4d-plain.mp4",
    ranges: Sequence[tuple[int, int]] = ((121, 144),),
    data: Mapping[str, Any] | None = None,
    **told: Any,
) -> str:
    results = [
        {
            "type": "timelinelabels",
            "from_name": "l",
            "to_name": "video",
            "value": {"ranges": [{"start": s, "end": e}], "timelinelabels": ["X"], **told},
        }
        for s, e in ranges
    ]
    return json.dumps([{"data": {"video": video, **(data or {})}, "annotations": [{"result": results}]}])


def read(text: str, known: Mapping[str, VideoFacts] = PLAIN, /, **options: Any) -> FileContent:
    given = AnnotationOptions.model_validate(options)
    return read_file(text.encode(), "export.json", videos=known, options=given)


def spans(content: FileContent) -> list[tuple[int, int]]:
    return [(a.begin, a.end) for a in content.annotations]


def doubts(content: FileContent) -> list[str]:
    return [i.message for i in content.issues if i.kind == "doubtful-time"]


def followed(issue: Issue, video: str = "") -> Any:
    """Return the options that a message names, as a user would write them into the manifest."""
    found = re.search(r"annotation_options: (\{.*\}+)", issue.message)
    assert found, issue.message
    return yaml.safe_load(found[1].replace(PLACE, video))


def test_24_positions_a_second_unless_told() -> None:
    content = read(export())
    assert spans(content) == [(150, 180)]  # 5 to 6 s
    assert [i.kind for i in content.issues] == ["doubtful-time"]
    assert "24 positions a second are assumed, Label Studio's default" in content.issues[0].message
    confirmed = read(export(), **followed(content.issues[0]))
    assert spans(confirmed) == [(150, 180)]
    assert confirmed.issues == ()


def test_a_video_of_24_frames_a_second_gives_its_frames() -> None:
    content = read(export(), {"plain.mp4": VideoFacts(480, Fraction(24))})
    assert spans(content) == [(120, 144)]
    assert content.issues == ()


@pytest.mark.parametrize(
    ("rate", "found"), [(30, (120, 144)), ("video", (120, 144)), (25, (144, 173)), ("60", (60, 72))]
)
def test_the_rate_of_the_project(rate: object, found: tuple[int, int]) -> None:
    content = read(export(), label_studio={"frame_rate": rate})
    assert spans(content) == [found]
    assert content.issues == ()


def test_a_rate_of_the_tasks_data() -> None:
    options = {"label_studio": {"frame_rate": "$fps"}}
    assert spans(read(export(data={"fps": 30}), **options)) == [(120, 144)]
    assert spans(read(export(data={"fps": "12"}), **options)) == [(300, 360)]
    lost = read(export(), **options)
    assert spans(lost) == [(150, 180)]
    assert "no number under 'fps'" in doubts(lost)[0]


@pytest.mark.parametrize("rate", [0, -1, 5000, "", "$", float("nan")])
def test_rates_that_are_none(rate: object) -> None:
    with pytest.raises(ValidationError):
        AnnotationOptions.model_validate({"label_studio": {"frame_rate": rate}})


def test_positions_go_by_the_times_of_the_frames() -> None:
    times = slower_from(10, 20)
    video = VideoFacts(len(times), Fraction(30), timeline=make_timeline(times, Fraction(30)))
    content = read(export(ranges=[(289, 312)]), {"plain.mp4": video}, label_studio={"frame_rate": 24})
    assert spans(content) == [(330, 345)]  # 12 to 13 s


def test_positions_behind_the_end_of_the_video() -> None:
    content = read(export(ranges=[(541, 570)]))
    assert any("position 570 is at 23.75 s with 24 a second" in text for text in doubts(content))
    issue = next(i for i in content.issues if "position 570" in i.message)
    mended = read(export(ranges=[(541, 570)]), **followed(issue))
    assert spans(mended) == [(540, 570)]
    assert mended.issues == ()
    # the last position is longer than a frame: it may end a little later than the video
    last = read(export(ranges=[(457, 481)]), {"plain.mp4": VideoFacts(2401, Fraction(120))})
    assert spans(last) == [(2280, 2401)]


def test_an_export_whose_seconds_and_positions_contradict_each_other() -> None:
    told: dict[str, Any] = {"framesCount": 600, "duration": 20.0}
    content = read(export(**told), label_studio={"frame_rate": 24})
    assert "600 positions in 20 s are 30 a second, not 24" in doubts(content)[0]
    mended = read(export(**told), **followed(content.issues[0]))
    assert spans(mended) == [(120, 144)]
    assert mended.issues == ()


def test_an_export_of_another_length_than_the_video() -> None:
    content = read(export(framesCount=1200), label_studio={"frame_rate": 24})
    assert "the export is of 50.00 s, plain.mp4 has 20.00 s" in doubts(content)[0]
    assert doubts(read(export(framesCount=481), label_studio={"frame_rate": 24})) == []


@pytest.mark.parametrize(
    ("name", "uploaded"),
    [
        ("my match 1.mp4", "my_match_1.mp4"),
        ("Zoe (final).mp4", "Zoe_final.mp4"),
        ("Zoë (final) [2].mp4", "Zoe\u0308_final_2.mp4"),
        ("a+b, c.mp4", "ab_c.mp4"),
    ],
)
def test_uploads_are_found_by_what_label_studio_makes_of_a_name(name: str, uploaded: str) -> None:
    uploaded = uploaded.replace("Zoe\u0308", "Zo\u00eb")  # letters are kept
    videos = {f"v/{name}": PLAIN["plain.mp4"], "v/plain.mp4": PLAIN["plain.mp4"]}
    content = read(export(f"/data/upload/3/1a2b3c4d-{uploaded}"), videos, label_studio={"frame_rate": 30})
    assert [a.video for a in content.annotations] == [f"v/{name}"]
    assert [i.kind for i in content.issues] == ["video-inferred"]
    corrected = read(
        export(f"/data/upload/3/1a2b3c4d-{uploaded}"),
        videos,
        label_studio={"frame_rate": 30},
        **followed(content.issues[0], "plain.mp4"),
    )
    assert [a.video for a in corrected.annotations] == ["v/plain.mp4"]
    assert corrected.issues == ()


def test_uploads_that_may_be_two_videos() -> None:
    videos = {"my match.mp4": PLAIN["plain.mp4"], "my (match).mp4": VideoFacts(9, Fraction(30))}
    videos["my_match!.mp4"] = videos["my match.mp4"]
    text = export("/data/upload/3/1a2b3c4d-my_match.mp4")
    content = read(text, videos, label_studio={"frame_rate": 30})
    issue = next(i for i in content.issues if i.kind == "ambiguous-video")
    told = read(text, videos, label_studio={"frame_rate": 30}, **followed(issue, "my match.mp4"))
    assert [a.video for a in told.annotations] == ["my match.mp4"]
    assert told.issues == ()

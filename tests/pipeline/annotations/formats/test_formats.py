"""What holds for every annotation format, and the shared files."""

from __future__ import annotations

import os
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest

from pipeline.annotations import (
    TAXONOMIES,
    AnnotationOptions,
    VideoFacts,
    clean,
    read_annotations,
)
from tests.pipeline.annotations.formats.strokes import (
    CSV,
    CVAT,
    FPS,
    FRENCH,
    MEDIAEVAL,
    OPENTTGAMES,
    OPTIONS,
    SAME,
    STROKES,
    VIDEOS,
    label_studio,
    read,
    spans,
)


@pytest.mark.parametrize("file", SAME)
def test_same_content_in_every_format(file: str) -> None:
    text, options = SAME[file]
    content = read(text, file, options)
    assert spans(content) == STROKES
    assert {a.video for a in content.annotations} == {"game.mp4"}
    assert content.issues == ()


def test_same_samples_from_every_format(tmp_path: Path) -> None:
    found = {}
    for file, (text, options) in SAME.items():
        folder = tmp_path / file.replace(".", "_")
        folder.mkdir()
        (folder / file).write_text(text)
        annotations = read_annotations([folder], videos=VIDEOS, options=options).annotations
        samples = clean(annotations, VIDEOS, TAXONOMIES["strokes"]).samples
        found[file] = [(s.id, s.label) for s in samples]
    assert all(samples == found["game.xml"] for samples in found.values())
    assert found["game.xml"] == [(f"game.mp4:{b}-{e}", m) for b, e, m in STROKES]


def test_all_formats_together_are_one_set_of_actions(tmp_path: Path) -> None:
    for file in ("game.xml", "strokes.csv", "cvat.xml", "game.json", "export.json"):
        (tmp_path / file).write_text(SAME[file][0])
    read_set = read_annotations([tmp_path], videos=VIDEOS, options=OPTIONS)
    counts = clean(read_set.annotations, VIDEOS, TAXONOMIES["strokes"]).waterfall.counts()
    assert counts["read"] == 20
    assert counts["kept"] == 4


def test_lines_are_those_of_the_file() -> None:
    assert [a.line for a in read(MEDIAEVAL).annotations] == [2, 3, 4, 5]
    assert [a.line for a in read(CSV, "strokes.csv").annotations] == [2, 3, 4, 5]
    assert [a.line for a in read(CVAT, "cvat.xml").annotations] == [6, 11, 16, 21]
    assert [a.line for a in read(OPENTTGAMES, "game.json").annotations] == [3, 4, 6, 7]
    text = label_studio()
    lines = [a.line for a in read(text, "export.json").annotations]
    starts = [i for i, line in enumerate(text.splitlines(), 1) if '"start"' in line]
    assert lines == [start - 1 for start in starts]


# options that hold for every format


def test_labels_are_translated_and_dropped() -> None:
    options = AnnotationOptions.model_validate(
        {"labels": {"fh_topspin": "Offensive Forehand Loop", "?": None}}
    )
    text = (
        '<video><action begin="1" end="9" move="FH Topspin"/><action begin="20" end="30" move="?"/></video>'
    )
    assert spans(read(text, "game.xml", options)) == [
        (1, 9, "Offensive Forehand Loop"),
        (20, 30, None),
    ]


def test_videos_and_annotators_by_file() -> None:
    options = AnnotationOptions.model_validate(
        {"videos": {"*run1/events*.json": "other"}, "annotators": {"*run1*": "Ann"}}
    )
    content = read('{"90": "left_forehand_loop"}', "x/run1/events_markup.json", options)
    assert [(a.video, a.annotator) for a in content.annotations] == [("other.mp4", "Ann")]


def test_video_found_by_a_part_of_the_name_is_reported() -> None:
    videos = {"842826553.mp4": VideoFacts(6000, FPS), "game_1.mp4": VideoFacts(6000, FPS)}
    text = '<video><action begin="720" end="864"/></video>'
    content = read(text, "detectionTask_Run1_842826553.xml", videos=videos)
    assert [a.video for a in content.annotations] == ["842826553.mp4"]
    assert [i.kind for i in content.issues] == ["video-inferred"]
    content = read('{"90": "left_forehand_loop"}', "game_1/events_markup.json", videos=videos)
    assert [a.video for a in content.annotations] == ["game_1.mp4"]


# the shared files

SHARED = os.environ.get("TTPREP_SHARED")
needs_shared = pytest.mark.skipif(not SHARED, reason="TTPREP_SHARED is not set: no shared annotation files")

#: file → fps, frames of its stub video, annotations, events, kinds of the findings of reading
EXPECTED: dict[str, tuple[int, int, int, int, dict[str, int]]] = {
    "centralelyon/ALEXIS-LEBRUN_vs_FAN-ZHENDONG_annotation_2.csv": (25, 41400, 352, 0, {}),
    "cvat/cvat_video_1.1_docs_example.xml": (30, 4620, 3, 0, {}),
    "label_studio/timelinelabels_docs_example.json": (30, 100, 1, 0, {"doubtful-time": 1}),
    "openttgames/events_markup1.json": (120, 79500, 160, 464, {"unsorted": 3}),
    "openttgames/events_markup4.json": (
        120, 80500, 173, 461, {"overlap": 2, "unknown-event": 1, "unsorted": 5},
    ),
    "openttgames_strokes/events_markup1.json": (120, 79500, 161, 205, {"overlap": 1}),
    "ttstroke_mediaeval/classificationTask_Run1_test.xml": (120, 170, 118, 0, {"unknown-video": 118}),
    "ttstroke_mediaeval/detectionTask_Run1_10661561042.xml": (
        120, 8100, 18, 0, {"overlap": 1, "unsorted": 1},
    ),
    "ttstroke_mediaeval/detectionTask_Run1_842826553.xml": (120, 5000, 3, 0, {}),
    "ttstroke_mediaeval/zero1778_output_156223913.xml": (120, 4800, 11, 0, {}),
    "ttstroke_mediaeval/zero1778_output_2988821047.xml": (120, 11000, 28, 0, {"overlap": 2}),
    "ttstroke_mediaeval/zero1778_output_777622563.xml": (120, 12200, 5, 0, {}),
}  # fmt: skip


@needs_shared
@pytest.mark.parametrize("file", EXPECTED)
def test_shared_file(file: str) -> None:
    fps, n_frames, intervals, events, kinds = EXPECTED[file]
    path = Path(str(SHARED), "annotations", file)
    videos = {f"{path.stem}.mp4": VideoFacts(n_frames, Fraction(fps))}
    found = read_annotations([path], videos=videos, options=AnnotationOptions.model_validate(FRENCH))
    assert len(found.annotations) == intervals
    assert len(found.events) == events
    assert found.counts() == kinds


@needs_shared
def test_every_shared_annotation_file_is_expected_or_refused() -> None:
    root = Path(str(SHARED), "annotations")
    found = read_annotations([root], videos={}, options=AnnotationOptions.model_validate(FRENCH))
    refused = {i.file for i in found.issues if i.kind == "unknown-format"}
    read_files = {a.file for a in found.annotations}
    assert {Path(f).relative_to(root).as_posix() for f in read_files} == set(EXPECTED)
    assert {Path(f).name for f in refused} == {
        "ball_markup_video1.json",
        "ball_markup_video4.json",
        "clip_captions.json",
        "zero1778_label_dict.json",
    }


@needs_shared
def test_shared_submission_with_its_clips() -> None:
    path = Path(str(SHARED), "annotations/ttstroke_mediaeval/classificationTask_Run1_test.xml")
    names = [part.split('"')[1] for part in path.read_text().split("name=")[1:]]
    videos = {f"classificationTask/test/{name}": VideoFacts(170, FPS) for name in names}
    found = read_annotations([path], videos=videos)
    counts = clean(found.annotations, videos, TAXONOMIES["strokes"]).waterfall.counts()
    assert found.counts() == {}
    assert counts["read"] == counts["kept"] == 118


@needs_shared
def test_shared_detection_cleaned_by_hand() -> None:
    # 18 actions of 88 to 200 frames; 3420-3560 and 3548-3712 share 12 of 140 frames, under a quarter
    path = Path(str(SHARED), "annotations/ttstroke_mediaeval/detectionTask_Run1_10661561042.xml")
    videos = {"10661561042.mp4": VideoFacts(8000, FPS)}
    found = read_annotations([path], videos=videos)
    result = clean(found.annotations, videos, TAXONOMIES["detection"])
    # 7880-8020 ends after frame 8000. Of the 16 gaps of the 17 others, 10 are 80 frames or longer:
    # 144, 400, 148, 488, 580, 440, 816, 268, 352, 276; the rest 0, -12, 48, 16, 52, 52
    assert result.waterfall.counts() == {
        "read": 18,
        "not at frame 0": 18,
        "inside the video": 17,
        "0.6-2.3 s": 17,
        "grouped into actions": 17,
        "agreed labels": 17,
        "kept": 17,
        "negatives": 10,
    }
    strokes = clean(found.annotations, videos, TAXONOMIES["strokes"])
    assert strokes.waterfall.counts()["kept"] == 0
    assert {i.kind for i in strokes.issues} == {"outside-video", "unknown-label"}


@needs_shared
def test_shared_french_table_by_label() -> None:
    path = Path(str(SHARED), "annotations/centralelyon/ALEXIS-LEBRUN_vs_FAN-ZHENDONG_annotation_2.csv")
    videos = {"ALEXIS-LEBRUN_vs_FAN-ZHENDONG.mp4": VideoFacts(41400, Fraction(25))}
    found = read_annotations([path], videos=videos, options=AnnotationOptions.model_validate(FRENCH))
    assert found.counts() == {"video-inferred": 1}
    labels = Counter(a.label for a in found.annotations)
    assert labels["Serve Forehand Sidespin"] == 75 + 12
    assert labels["Offensive Backhand Loop"] == 57 + 18
    assert labels["Defensive Forehand Push"] == 48
    assert labels["Offensive Backhand Block"] == 2
    assert found.annotations[0].begin == 63
    assert found.annotations[0].end == 113

"""MediaEval's XML: detection, classification, submissions."""

from __future__ import annotations

from pathlib import Path

from pipeline.annotations import (
    TAXONOMIES,
    VideoFacts,
    clean,
    read_annotations,
)
from tests.pipeline.annotations.formats.strokes import FPS, read, spans


def test_detection_without_move_is_a_stroke_without_name() -> None:
    content = read('<video><action begin="720" end="864" /><action begin="900" end="1000"/></video>')
    assert spans(content) == [(720, 864, None), (900, 1000, None)]


def test_submission_form_covers_each_clip() -> None:
    content = read(
        '<videos><video class="Serve_Forehand_Loop" name="game.mp4"/>'
        '<video class="Negative" name="train/other.mp4"/></videos>',
        "test.xml",
    )
    assert [(a.video, a.begin, a.end, a.label, a.clip) for a in content.annotations] == [
        ("game.mp4", 0, 6000, "Serve Forehand Loop", True),
        ("other.mp4", 0, 500, "Negative", True),
    ]


def test_detection_of_several_videos_in_one_file() -> None:
    content = read(
        '<videos><video name="game.mp4"><action begin="1" end="2" move="x"/></video>\n'
        '<video name="other.mp4"><action begin="3" end="4" move="y"/></video></videos>'
    )
    assert [(a.video, a.begin, a.line) for a in content.annotations] == [
        ("game.mp4", 1, 1),
        ("other.mp4", 3, 2),
    ]


def test_classification_folders(tmp_path: Path) -> None:
    root = tmp_path / "classificationTask"
    for folder, clip in (
        ("train/Serve_Forehand_Loop", "11.mp4"),
        ("train/Negative", "12.mp4"),
        ("validation/Offensive Backhand Hit", "11.mp4"),
        ("test", "99.mp4"),
    ):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / clip).touch()
    videos = {
        "train/Serve_Forehand_Loop/11.mp4": VideoFacts(150, FPS),
        "train/Negative/12.mp4": VideoFacts(400, FPS),
        "validation/Offensive Backhand Hit/11.mp4": VideoFacts(180, FPS),
    }
    found = read_annotations([root], videos=videos)
    assert [(a.video, a.begin, a.end, a.label) for a in found.annotations] == [
        ("train/Negative/12.mp4", 0, 400, "Negative"),
        ("train/Serve_Forehand_Loop/11.mp4", 0, 150, "Serve Forehand Loop"),
        ("validation/Offensive Backhand Hit/11.mp4", 0, 180, "Offensive Backhand Hit"),
    ]
    assert found.issues == ()
    # a clip begins at frame 0 by nature, and a negative may last as long as it likes
    kept = clean(found.annotations, videos, TAXONOMIES["strokes"])
    assert kept.waterfall.counts()["kept"] == 3
    # a part of the tree, given directly
    assert len(read_annotations([root / "train"], videos=videos).annotations) == 2


def test_what_is_a_clip(tmp_path: Path) -> None:
    for name, clip in (
        ("data/test/raw/match.mp4", False),
        ("data/test/serve_forehand_loop/1.mp4", True),
        ("classificationTask/val/Smash/1.AVI", True),
        ("classificationTask/test/1.mp4", False),
        ("classificationTask/train/Smash/1.txt", False),
        ("detectionTask/train/1.mp4", False),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        found = read_annotations([tmp_path / name.split("/")[0]], videos={})
        assert (len(found.annotations) == 1) is clip, name
        path.unlink()


def test_clip_of_the_same_name_in_two_folders_is_ambiguous_by_name_alone() -> None:
    videos = {"a/11.mp4": VideoFacts(150, FPS), "b/11.mp4": VideoFacts(150, FPS)}
    content = read('<videos><video class="Negative" name="11.mp4"/></videos>', "t.xml", videos=videos)
    assert [i.kind for i in content.issues] == ["ambiguous-video"]
    content = read('<videos><video class="Negative" name="b/11.mp4"/></videos>', "t.xml", videos=videos)
    assert [a.video for a in content.annotations] == ["b/11.mp4"]

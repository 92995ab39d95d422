"""Files are as their tools want them, and come back from there with what a person did."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pipeline.annotations import FileContent, VideoFacts, read_file
from pipeline.annotations.writing import PredictedStroke, PredictedVideo, render, write
from pipeline.errors import UserError

FACTS = VideoFacts(1000, Fraction(120))
STROKES = (
    PredictedStroke(120, 240, "Serve Forehand Loop", 0.91, "anna"),
    PredictedStroke(200, 320, "Offensive Forehand Hit", 0.4, "ben & co"),
    PredictedStroke(210, 330, "Offensive Forehand Hit", 0.5, "anna"),
    PredictedStroke(900, 1000, "Serve Forehand Loop", 0.7, "anna"),
)
LABELS = ("Serve Forehand Loop", "Offensive Forehand Hit", "Defensive Backhand Push", "Negative")
GAME = PredictedVideo("day 1/game.mp4", FACTS, 640, 360, STROKES, "runs/best", labels=LABELS)
HERE = Path("/somewhere/out")


def read(data: bytes, name: str) -> FileContent:
    return read_file(data, name, videos={"day 1/game.mp4": FACTS})


def spans(content: FileContent) -> list[tuple[int, int, str | None, str]]:
    return [(a.begin, a.end, a.label, a.player) for a in content.annotations]


@pytest.fixture(scope="module")
def label_studio() -> tuple[list[Any], ElementTree.Element]:
    made = render([GAME], ["label-studio"], HERE)
    tasks = json.loads(made["predictions.label-studio.json"])
    return tasks, ElementTree.fromstring(made["predictions.label-studio-config.txt"].decode())


def test_label_studio_gets_results_of_its_configuration(
    label_studio: tuple[list[Any], ElementTree.Element],
) -> None:
    """What https://labelstud.io/guide/predictions asks for, and label-studio-sdk's validators."""
    tasks, config = label_studio
    controls = {c.get("name"): c for c in config.iter() if c.get("toName")}
    offered = {name: [o.get("value") for o in c] for name, c in controls.items()}
    assert [c.tag for c in controls.values()] == ["TimelineLabels", "Choices"]
    assert offered == {"stroke": list(LABELS[:3]), "player": ["anna", "ben & co"]}
    video = config.find("Video")
    assert video is not None
    (task,) = tasks
    assert {str(video.get("value")), str(video.get("frameRate"))} <= {f"${key}" for key in task["data"]}
    assert task["data"]["video"] == "/data/local-files/?d=day%201/game.mp4"
    (prediction,) = task["predictions"]
    assert prediction["model_version"] == "runs/best"
    for result in prediction["result"]:
        control = controls[result["from_name"]]
        assert (result["to_name"], result["type"]) == ("video", control.tag.lower())
        (chosen,) = result["value"][result["type"]]
        assert chosen in offered[result["from_name"]]
        assert all(1 <= r["start"] <= r["end"] <= 1000 for r in result["value"]["ranges"])
    assert len({r["id"] for r in prediction["result"]}) == len(STROKES)


def test_a_submitted_task_of_label_studio_is_annotated(
    label_studio: tuple[list[Any], ElementTree.Element],
) -> None:
    """As Label Studio exports it: the predictions stay, the annotation has its own copy of the regions."""
    tasks, _ = label_studio
    task = json.loads(json.dumps(tasks[0]))
    result = task["predictions"][0]["result"]
    result[0]["value"]["ranges"][0] |= {"start": 131}
    kept = [r | {"origin": "prediction"} for r in result if r["id"] != result[2]["id"]]
    task["annotations"] = [{"completed_by": 7, "was_cancelled": False, "result": kept}]
    content = read(json.dumps([task]).encode(), "export.json")
    assert content.issues == ()
    assert spans(content) == [
        (130, 240, "Serve Forehand Loop", "anna"),
        (210, 330, "Offensive Forehand Hit", "anna"),
        (900, 1000, "Serve Forehand Loop", "anna"),
    ]
    assert {a.annotator for a in content.annotations} == {"7"}


def test_cvat_gets_tracks_of_labels_that_its_task_has() -> None:
    made = render([GAME], ["cvat"], HERE)
    root = ElementTree.fromstring(made["game.cvat.xml"])
    labels = json.loads(made["predictions.cvat-labels.txt"])
    assert [label["name"] for label in labels] == list(LABELS[:3])
    assert [name.text for name in root.findall("meta/task/labels/label/name")] == list(LABELS[:3])
    attributes = {a["name"] for a in labels[0]["attributes"]}
    last = 0
    for track in root.findall("track"):
        assert track.get("label") in LABELS[:3]
        frames = [int(str(box.get("frame"))) for box in track]
        assert frames == sorted(set(frames))
        assert max(frames) < FACTS.n_frames
        last = max(last, *frames)
        for box in track:
            left, top, right, bottom = (float(str(box.get(k))) for k in ("xtl", "ytl", "xbr", "ybr"))
            assert 0 <= left < right <= 640
            assert 0 <= top < bottom <= 360
            assert {a.get("name") for a in box} == attributes
    assert last == 999


def test_what_was_changed_in_cvat_counts_and_the_rest_does_not() -> None:
    """CVAT 2 sets the source of a track to ``file`` on upload and to ``manual`` once it is changed."""
    root = ElementTree.fromstring(render([GAME], ["cvat"], HERE)["game.cvat.xml"])
    first, second, third, fourth = root.findall("track")
    for track in root.findall("track"):
        track.set("source", "file")
    first.set("source", "manual")
    first[0].set("frame", "126")
    second.set("source", "semi-auto")
    second.set("label", "Defensive Backhand Push")
    root.remove(fourth)
    new = ElementTree.SubElement(root, "track", id="9", label="Serve Forehand Loop", source="manual")
    for frame, outside in ((500, "0"), (590, "1")):
        box = ElementTree.SubElement(new, "box", frame=str(frame), outside=outside)
        for name, value in (("player", "ben & co"), ("predicted_by", "")):
            ElementTree.SubElement(box, "attribute", name=name).text = value
    content = read(ElementTree.tostring(root), "export.xml")
    assert spans(content) == [
        (126, 240, "Serve Forehand Loop", "anna"),
        (200, 320, "Defensive Backhand Push", "ben & co"),
        (500, 590, "Serve Forehand Loop", "ben & co"),
    ]
    assert [i.kind for i in content.issues] == ["prediction"]
    assert content.issues[0].message.startswith("1 stroke that 'runs/best' predicted")
    assert third.get("source") == "file"


def test_tracks_of_other_models_are_read_as_before() -> None:
    track = b'<track id="0" label="x" source="auto"><box frame="3" outside="0"/></track>'
    assert len(read(b"<annotations>" + track + b"</annotations>", "game.xml").annotations) == 1


def test_elan_reads_tiers_by_player(tmp_path: Path) -> None:
    pympi = pytest.importorskip("pympi")
    path = tmp_path / "game.eaf"
    path.write_bytes(render([GAME], ["elan"], tmp_path)["game.eaf"])
    document = pympi.Elan.Eaf(str(path))
    tiers = {name: document.get_annotation_data_for_tier(name) for name in document.get_tier_names()}
    assert {name: sorted(data) for name, data in tiers.items()} == {
        "anna": [(1000, 2000, "Serve Forehand Loop"), (7500, 8333, "Serve Forehand Loop")],
        "anna (2)": [(1750, 2750, "Offensive Forehand Hit")],  # a tier holds no annotations that overlap
        "ben & co": [(1667, 2667, "Offensive Forehand Hit")],
    }
    _, entries, _ = document.controlled_vocabularies["strokes"]
    assert [values[0][0] for values, _ in entries.values()] == list(LABELS[:3])
    (media,) = document.get_linked_files()
    assert media["MEDIA_URL"].endswith("/day%201/game.mp4")
    assert media["MIME_TYPE"] == "video/mp4"


def test_another_annotator_makes_a_tier_of_elan_count() -> None:
    text = render([GAME], ["elan"], HERE)["game.eaf"].decode()
    content = read(text.replace('ANNOTATOR="ttprep: runs/best"', 'ANNOTATOR="carla"', 1).encode(), "game.eaf")
    assert {a.annotator for a in content.annotations} == {"carla"}
    assert [i.kind for i in content.issues] == ["prediction"]


def test_a_players_own_file_stays(tmp_path: Path) -> None:
    (first,) = write([GAME], ["elan"], tmp_path)
    assert write([GAME], ["elan"], tmp_path) == [first]
    more = PredictedVideo("day 1/game.mp4", FACTS, 640, 360, STROKES[:1], "runs/other")
    write([more], ["elan"], tmp_path)
    assert b"runs/other" in first.read_bytes()
    corrected = first.read_bytes().replace(b"Serve", b"Pass")
    first.write_bytes(corrected)
    with pytest.raises(UserError, match="was not written by ttprep, or changed since"):
        write([GAME], ["csv", "elan"], tmp_path)
    assert first.read_bytes() == corrected
    assert not (tmp_path / "predictions.csv").exists()


def test_videos_of_one_name_get_files_of_their_own() -> None:
    twin = PredictedVideo("day 2/game.mov", FACTS, 640, 360, STROKES, "runs/best")
    assert set(render([GAME, twin], ["mediaeval", "csv"], HERE)) == {
        "day 1_game.mediaeval.xml",
        "day 2_game.mediaeval.xml",
        "predictions.csv",
    }

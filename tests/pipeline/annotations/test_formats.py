"""Every format read to the same records, with the lines on which they stand."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import pytest
import yaml

from pipeline.annotations import (
    TAXONOMIES,
    AnnotationOptions,
    FileContent,
    VideoFacts,
    clean,
    read_annotations,
    read_file,
)
from tests.support import ROOT

FPS = Fraction(120)
VIDEOS = {"game.mp4": VideoFacts(6000, FPS), "other.mp4": VideoFacts(500, FPS)}

#: the same four strokes in every format: begin, end, label
STROKES = [
    (120, 192, "Offensive Forehand Loop"),
    (300, 372, "Defensive Backhand Push"),
    (500, 572, "Offensive Backhand Flip"),
    (700, 772, "Defensive Forehand Block"),
]

MEDIAEVAL = "<video>\n" + "\n".join(
    f'  <action begin="{b}" end="{e}" move="{m}" />' for b, e, m in STROKES
) + "\n</video>\n"  # fmt: skip

CSV = "video;begin;end;label\n" + "".join(f"game.mp4;{b};{e};{m}\n" for b, e, m in STROKES)

CSV_SECONDS = "clip,from,to,what\n" + "".join(f"game,{b / 120},{e / 120},{m}\n" for b, e, m in STROKES)

CSV_INCLUSIVE = "begin\tend\tlabel\n" + "".join(f"{b + 1}\t{e}\t{m}\n" for b, e, m in STROKES)

CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><id>7</id><source>game.mp4</source></task></meta>
""" + "".join(
    f"""  <track id="{i}" label="{m}" source="manual">
    <box frame="{b}" xtl="1" ytl="1" xbr="9" ybr="9" outside="0" occluded="0" keyframe="1"></box>
    <box frame="{b + 30}" xtl="1" ytl="1" xbr="9" ybr="9" outside="0" occluded="0" keyframe="0"></box>
    <box frame="{e}" xtl="1" ytl="1" xbr="9" ybr="9" outside="1" occluded="0" keyframe="1"></box>
  </track>
"""
    for i, (b, e, m) in enumerate(STROKES)
) + "</annotations>\n"  # fmt: skip

OPENTTGAMES = json.dumps(
    {
        "130": "bounce",
        "156": "left_forehand_loop neutral both_feet_planted",
        "336": "left_backhand_push neutral unknown",
        "400": "net",
        "536": "right_backhand_flick unknown unknown",
        "736": "right_forehand_block left_leaning left_foot_lifted",
        "800": "empty_event",
    },
    indent=1,
)


def label_studio(video: str = "/data/upload/3/0a1b2c3d-game.mp4", who: object = 4) -> str:
    results = [
        {
            "id": f"r{i}",
            "type": "timelinelabels",
            "from_name": "strokes",
            "to_name": "video",
            "origin": "manual",
            "value": {"ranges": [{"start": b + 1, "end": e}], "timelinelabels": [m]},
        }
        for i, (b, e, m) in enumerate(STROKES)
    ]
    annotation = {"id": 9, "completed_by": who, "result": results, "was_cancelled": False}
    task = {"id": 1, "annotations": [annotation], "predictions": [], "data": {"video": video}}
    return json.dumps([task], indent=2)


LABEL_STUDIO_MIN = json.dumps(
    [
        {
            "id": 1,
            "video": "/data/local-files/?d=club/game.mp4",
            "annotator": 4,
            "strokes": [
                {"ranges": [{"start": b + 1, "end": e}], "timelinelabels": [m]} for b, e, m in STROKES
            ],
        }
    ]
)

OPTIONS = AnnotationOptions.model_validate(
    {
        "csv": [
            {"columns": {"begin": "from", "end": "to", "label": "what", "video": "clip"}, "unit": "seconds"},
        ],
        "label_studio": {"frame_rate": 120},
    }
)
INCLUSIVE = AnnotationOptions.model_validate({"csv": {"first_frame": 1, "end_inclusive": True}})

SAME = {
    "game.xml": (MEDIAEVAL, OPTIONS),
    "strokes.csv": (CSV, OPTIONS),
    "seconds.csv": (CSV_SECONDS, OPTIONS),
    "game.csv": (CSV_INCLUSIVE, INCLUSIVE),
    "cvat.xml": (CVAT, OPTIONS),
    "game.json": (OPENTTGAMES, OPTIONS),
    "export.json": (label_studio(), OPTIONS),
    "export-min.json": (LABEL_STUDIO_MIN, OPTIONS),
}


def read(
    text: str,
    file: str = "game.xml",
    options: AnnotationOptions | None = None,
    videos: Mapping[str, VideoFacts] | None = None,
) -> FileContent:
    return read_file(
        text.encode(), file, videos=VIDEOS if videos is None else videos, options=options or OPTIONS
    )


def spans(content: FileContent) -> list[tuple[int, int, str | None]]:
    return [(a.begin, a.end, a.label) for a in content.annotations]


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


# MediaEval


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


# OpenTTGames


def test_openttgames_window_and_events() -> None:
    options = AnnotationOptions.model_validate({"openttgames": {"before": 0.5, "after": 0.25}})
    content = read('{"600": "right_forehand_serve neutral unknown", "700": "bounce"}', "game.json", options)
    assert [(a.begin, a.end, a.label, a.player) for a in content.annotations] == [
        (540, 630, "Serve Forehand", "right")
    ]
    assert [(e.frame, e.name) for e in content.events] == [(700, "bounce")]
    slow = {"game.mp4": VideoFacts(6000, Fraction(30))}
    content = read('{"600": "right_forehand_serve"}', "game.json", options, slow)
    assert [(a.begin, a.end) for a in content.annotations] == [(585, 608)]  # 7.5 frames go up


def test_openttgames_events_are_no_strokes() -> None:
    names = ["bounce", "net", "empty_event", "play", "pause", "left_out", "right_winner", "left_net"]
    text = json.dumps({str(10 * i): name for i, name in enumerate(names)})
    content = read(text, "game.json")
    assert content.annotations == ()
    assert len(content.events) == len(names)
    assert content.issues == ()


def test_openttgames_unknown_and_odd_entries() -> None:
    text = '{"10": "bounce",\n"30": "rrr",\n"20": "net",\n"x": "bounce",\n"40": 3,\n"10": "net"}'
    content = read(text, "game.json")
    assert [(i.line, i.kind) for i in content.issues] == [
        (2, "unknown-event"),
        (3, "unsorted"),
        (4, "malformed"),
        (5, "malformed"),
        (6, "duplicate"),
    ]
    assert [e.frame for e in content.events] == [10, 30, 20, 10]


def test_openttgames_stroke_that_nobody_listed_keeps_its_name() -> None:
    content = read('{"900": "left_forehand_chop x y"}', "game.json")
    assert spans(content) == [(864, 936, "Forehand Chop")]


# CSV

DOCS = ROOT / "docs" / "annotations.md"

#: the mapping of the documentation
FRENCH = yaml.safe_load(DOCS.read_text().split("<!-- french")[1].split("```")[1].removeprefix("yaml"))


def test_composed_and_translated_labels() -> None:
    text = (
        "nom,debut,fin,lateralite,type_service,type_coup,effet_coup,joueur_frappe\n"
        "A,63,112,coup_droit,lat_droit,,,A\n"
        "B,431,442,coup_droit,,defensif,poussette,B\n"
        "B,455,472,Revers ,,intermediaire,bloc,B\n"
        "B,500,540,inconnu,,offensif,topspin,B\n"
    )
    content = read(text, "game.csv", AnnotationOptions.model_validate(FRENCH))
    assert [(a.begin, a.end, a.label, a.player) for a in content.annotations] == [
        (63, 113, "Serve Forehand Sidespin", "A"),
        (431, 443, "Defensive Forehand Push", "B"),
        (455, 473, "Defensive Backhand Block", "B"),
        (500, 541, "Offensive Inconnu Loop", "B"),
    ]
    assert [(i.line, i.kind) for i in content.issues] == [(5, "unknown-value")]


def test_csv_rows_that_cannot_be_read_are_reported() -> None:
    text = (
        "begin,end,label,video\n"
        "1,2\n"
        "a,20,x,game\n"
        "10,20.5,x,game\n"
        "10,99999999999999999999,x,game\n"
        '30,40,"two\nlines",game\n'
        "50,60,x,../secret\n"
        "50,60,x,\n"
        "\n"
        "70.0,80,x,game\n"
    )
    content = read(text, "t.csv")
    assert [(i.line, i.kind) for i in content.issues] == [
        (2, "malformed"),
        (3, "malformed"),
        (4, "malformed"),
        (5, "bad-number"),
        (8, "unsafe-name"),
        (9, "malformed"),
    ]
    assert [(a.begin, a.line, a.label) for a in content.annotations] == [
        (30, 6, "Two Lines"),
        (70, 11, "X"),
    ]


def test_csv_of_seconds_needs_a_known_video_and_rounds_to_the_nearest_frame() -> None:
    text = 'clip,from,to,what\ngame,1.0041,2.0042,x\nnobody,1,2,x\ngame,"3,5",4,x\n'
    content = read(text, "t.csv")
    assert [(a.begin, a.end) for a in content.annotations] == [(120, 241), (420, 480)]
    assert [(a.line, a.video, a.label) for a in content.unplaced] == [(3, "nobody", "X")]


def test_csv_encodings() -> None:
    options = AnnotationOptions.model_validate({"csv": [{"encoding": "cp1252"}]})
    data = "begin,end,label\n1,2,défensif\n".encode("cp1252")
    content = read_file(data, "game.csv", videos=VIDEOS, options=options)
    assert spans(content) == [(1, 2, "Défensif")]
    refused = read_file(data, "game.csv", videos=VIDEOS)
    assert [(i.line, i.kind) for i in refused.issues] == [(2, "encoding")]
    marked = read_file(b"\xef\xbb\xbfbegin,end,label\r\n1,2,x\r\n", "game.csv", videos=VIDEOS)
    assert spans(marked) == [(1, 2, "X")]


def test_mappings_are_tried_in_order_and_a_named_column_is_required() -> None:
    options = AnnotationOptions.model_validate(
        {
            "csv": [
                {"columns": {"begin": "a", "end": "b", "annotator": "who"}},
                {"columns": {"begin": "a", "end": "c"}},
            ]
        }
    )
    assert spans(read("a,b,c,who\n1,2,3,me\n", "game.csv", options)) == [(1, 2, None)]
    assert spans(read("a,b,c\n1,2,3\n", "game.csv", options)) == [(1, 3, None)]
    refused = read("a,d\n1,2\n", "game.csv", options)
    assert [i.kind for i in refused.issues] == ["unknown-format"]
    assert "a+c" in refused.issues[0].message


# CVAT


def shape(frame: int, outside: int = 0, attributes: str = "") -> str:
    return f'<box frame="{frame}" outside="{outside}">{attributes}</box>\n'


def cvat(*shapes: str, attrs: str = 'label="Stroke"', meta: str = "") -> str:
    return f"<annotations>{meta}<track id='0' {attrs}>\n{''.join(shapes)}</track></annotations>"


def test_cvat_visible_stretches() -> None:
    text = cvat(shape(0), shape(1, 1), shape(6), shape(7), shape(13, 1), shape(20), shape(21))
    assert spans(read(text, "game.xml")) == [(0, 1, "Stroke"), (6, 13, "Stroke"), (20, 22, "Stroke")]
    bridged = AnnotationOptions.model_validate({"cvat": {"bridge_outside": True}})
    assert spans(read(text, "game.xml", bridged)) == [(0, 22, "Stroke")]


def test_cvat_attributes_make_the_label() -> None:
    options = AnnotationOptions.model_validate(
        {
            "cvat": {
                "label": [{"column": "family"}, {"column": "hand", "values": {"fh": "Forehand"}}],
                "player": "who",
            }
        }
    )
    fh = '<attribute name="hand">fh</attribute><attribute name="who">Ann</attribute>'
    text = cvat(
        '<attribute name="family">Serve</attribute>',
        shape(10, 0, fh),
        shape(15, 0, '<attribute name="hand">other</attribute>'),
        shape(20, 1),
    )
    content = read(text, "game.xml", options)
    assert [(a.begin, a.end, a.label, a.player) for a in content.annotations] == [
        (10, 15, "Serve Forehand", "Ann"),
        (15, 20, "Serve Other", ""),
    ]
    assert {i.kind for i in content.issues} == {"unknown-value"}


@pytest.mark.parametrize(("meta", "told"), [
    ("<task><size>6000</size><stop_frame>5999</stop_frame></task>", False),
    ("<task><size>6000</size></task>", False),
    ("<task><size>6001</size><stop_frame>6000</stop_frame></task>", False),  # decoders differ by a frame
    ("<task><size>7200</size><stop_frame>7199</stop_frame></task>", True),
    ("<task><size>5000</size><stop_frame>4999</stop_frame></task>", True),
    ("<task><size>5000</size></task>", True),
    ("<task><size>600</size><stop_frame>5991</stop_frame><frame_filter>step=10</frame_filter></task>", False),
    ("<task><size>600</size><frame_filter>step=10</frame_filter></task>", False),
    ("<task><start_frame>50</start_frame><stop_frame>500</stop_frame></task>", False),
    ("<task><start_frame>50</start_frame><stop_frame>6500</stop_frame></task>", True),
    ("<job><start_frame>0</start_frame><stop_frame>500</stop_frame></job>", False),
    ("<job><start_frame>6000</start_frame><stop_frame>6500</stop_frame></job>", True),
    ("<task><size>many</size><stop_frame>-1</stop_frame></task>", False),
])  # fmt: skip
def test_cvat_tasks_of_another_length_than_the_video_are_reported(meta: str, told: bool) -> None:
    content = read(cvat(shape(10), shape(20, 1), meta=f"<meta>{meta}</meta>"), "game.xml")
    assert spans(content) == [(10, 20, "Stroke")]
    assert [i.kind for i in content.issues] == ["doubtful-time"] * told
    assert not told or "has 6000 frames" in content.issues[0].message


def test_cvat_project_names_a_video_for_each_task() -> None:
    tasks = "".join(
        f"<task><id>{i}</id><name>t</name><source>{v}</source></task>"
        for i, v in ((3, "game.mp4"), (4, "other.mp4"))
    )
    text = (
        f"<annotations><meta><project><tasks>{tasks}</tasks></project></meta>"
        f'<track id="0" label="a" task_id="3">{shape(1)}</track>'
        f'<track id="1" label="b" task_id="4">{shape(2)}</track></annotations>'
    )
    content = read(text, "annotations.xml")
    assert [(a.video, a.label) for a in content.annotations] == [("game.mp4", "A"), ("other.mp4", "B")]


def test_cvat_oddities() -> None:
    text = (
        "<annotations>\n<image id='0' name='a.png'/>\n<track id='0' label='x'>\n"
        f"{shape(5)}{shape(4)}{shape(6).replace('0', 'maybe', 1)}</track>\n"
        f"<track id='1' label='y'>{shape(9, 1)}</track></annotations>"
    )
    content = read(text, "game.xml")
    assert [(i.line, i.kind) for i in content.issues] == [
        (2, "unsupported"),
        (5, "unsorted"),
        (6, "malformed"),
        (8, "empty"),
    ]
    assert spans(content) == [(5, 6, "X")]


# Label Studio


@pytest.mark.parametrize(
    ("who", "name"), [(4, "4"), ({"id": 4, "email": "ann@club"}, "ann@club"), (None, "")]
)
def test_label_studio_annotator(who: object, name: str) -> None:
    assert {a.annotator for a in read(label_studio(who=who), "e.json").annotations} == {name}


@pytest.mark.parametrize(
    "address",
    [
        "game.mp4",
        "/data/upload/3/game.mp4",
        "/data/upload/3/0a1b2c3d-game.mp4",
        "/data/local-files/?d=club%2Fgame.mp4",
        "s3://bucket/club/game.mp4",
        "https://host/videos/game.mp4?token=1",
    ],
)
def test_label_studio_addresses(address: str) -> None:
    assert {a.video for a in read(label_studio(address), "e.json").annotations} == {"game.mp4"}


def test_label_studio_bare_forms() -> None:
    value = {"ranges": [{"start": 3, "end": 5}], "timelinelabels": ["Moving"]}
    result = {"type": "timelinelabels", "from_name": "a", "to_name": "b", "value": value}
    forms = [value, {"value": value}, [result], {"result": [result]}, {"annotations": [{"result": [result]}]}]
    for form in forms:
        assert spans(read(json.dumps(form), "game.json")) == [(2, 5, "Moving")]


def test_label_studio_min_loses_who_plays_which_stroke() -> None:
    def read_min(*begins: int, player: object) -> FileContent:
        strokes = [{"ranges": [{"start": b, "end": b + 4}], "timelinelabels": ["Moving"]} for b in begins]
        return read(json.dumps({"video": "game.mp4", "strokes": strokes, "player": player}), "game.json")

    content = read_min(1, player="anna")
    assert [a.player for a in content.annotations] == ["anna"]
    assert not content.issues
    for answers in ("anna", ["anna", "ben"], [{"choices": ["anna"]}]):
        content = read_min(1, 11, player=answers)
        assert [a.player for a in content.annotations] == ["", ""]
        assert [i.kind for i in content.issues] == ["unsupported"]


def test_label_studio_oddities() -> None:
    value = {"ranges": [{"start": 3, "end": 5}], "timelinelabels": ["A", "B"]}
    task = {
        "data": {"video": "game.mp4"},
        "annotations": [
            {"was_cancelled": True, "result": [{"value": value}]},
            {"result": [{"type": "choices", "value": {"choices": ["x"]}}, {"value": value}]},
            {"result": [{"value": {"timelinelabels": ["A"], "ranges": [{"start": 1}]}}]},
            {"result": [{"value": {"timelinelabels": [3], "ranges": [{"start": 1, "end": 2}]}}]},
            {},
        ],
    }
    content = read(json.dumps(task), "e.json")
    assert Counter(i.kind for i in content.issues) == {
        "unsupported": 2,
        "several-labels": 1,
        "malformed": 3,
    }
    assert spans(content) == [(2, 5, "A"), (2, 5, "B")]


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

"""CVAT's tracks and shapes."""

from __future__ import annotations

import pytest

from pipeline.annotations import (
    AnnotationOptions,
)
from tests.pipeline.annotations.formats.strokes import read, spans


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

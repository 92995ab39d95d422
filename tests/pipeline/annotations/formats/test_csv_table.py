"""Tables with a header: columns, units, encodings, labels that are composed."""

from __future__ import annotations

from pipeline.annotations import (
    AnnotationOptions,
    read_file,
)
from tests.pipeline.annotations.formats.strokes import FRENCH, VIDEOS, read, spans


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

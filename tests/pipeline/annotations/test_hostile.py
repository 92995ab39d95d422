"""Files that mean harm, or are merely broken, are refused with a finding and never with a crash."""

from __future__ import annotations

import json
import os
import time
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.annotations import (
    KINDS,
    REFUSALS,
    TAXONOMIES,
    AnnotationOptions,
    FileContent,
    VideoFacts,
    clean,
    merge,
    read_annotations,
    read_file,
)
from pipeline.annotations.parsing.json_lines import Node, parse

VIDEOS = {"game.mp4": VideoFacts(6000, Fraction(120))}

BOMB = """<?xml version="1.0"?>
<!DOCTYPE lolz [
 <!ENTITY lol "lol">
 <!ENTITY lol2 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">
 <!ENTITY lol3 "&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;">
]>
<video><action begin="1" end="100" move="&lol3;"/></video>"""
EXTERNAL = """<!DOCTYPE video SYSTEM "file:///etc/passwd"><video><action begin="1" end="2"/></video>"""
PARAMETER = """<!DOCTYPE v [<!ENTITY % x SYSTEM "http://host/x.dtd"> %x;]><video/>"""


def read(data: str | bytes, file: str = "game.xml", **options: object) -> FileContent:
    raw = data.encode() if isinstance(data, str) else data
    return read_file(raw, file, videos=VIDEOS, options=AnnotationOptions.model_validate(options))


@pytest.mark.parametrize(
    ("data", "file", "kind", "line"),
    [
        (BOMB, "a.xml", "hostile", 2),
        (EXTERNAL, "a.xml", "hostile", 1),
        (PARAMETER, "a.xml", "hostile", 1),
        ("<video>&lol;</video>", "a.xml", "broken-file", 1),
        ("<a>" * 100_000, "a.xml", "hostile", 1),
        ("<video>\n<action begin='1' end='2'>\n</video>", "a.xml", "broken-file", 3),
        ("<video>", "a.xml", "broken-file", 1),
        ("<video/><video/>", "a.xml", "broken-file", 1),
        ("<html><body/></html>", "a.xml", "unknown-format", 0),
        ("[" * 100_000, "a.json", "hostile", 1),
        ('{"a":\n' * 100_000, "a.json", "hostile", 65),
        ('{"1": "bounce",\n"2": ' + "9" * 5000 + "}", "a.json", "hostile", 2),
        ('{"1": "bounce",\n}', "a.json", "broken-file", 2),
        ('{"1": "bounce"} x', "a.json", "broken-file", 1),
        ('{"1": "bounce', "a.json", "broken-file", 1),
        ('{"1": "\\ud800"}', "a.json", "broken-file", 1),
        ('{"1": NaN}', "a.json", "broken-file", 1),
        ('{"1" "x"}', "a.json", "broken-file", 1),
        ("[1, 2, 3]", "a.json", "unknown-format", 0),
        ('{"1": {"x": 3, "y": 4}}', "a.json", "unknown-format", 0),
        ("begin,end\n1,\x002", "a.csv", "hostile", 2),
        (b"begin,end,label\n1,2,\xff\xfe", "a.csv", "encoding", 2),
        ("<video/>".encode("utf-16"), "a.xml", "encoding", 0),
        (b"\x89PNG\r\n\x1a\n\0\0", "a.csv", "hostile", 3),
        ("# A readme\n", "a.csv", "unknown-format", 0),
        ("begin,end,begin\n1,2,3\n", "a.csv", "broken-file", 1),
    ],
)
def test_refused(data: str | bytes, file: str, kind: str, line: int) -> None:
    content = read(data, file)
    assert [(i.kind, i.line) for i in content.issues] == [(kind, line)]
    assert content.issues[0].kind in REFUSALS
    assert content.annotations == ()
    assert content.events == ()


def test_nothing_of_a_refused_file_is_used() -> None:
    text = '<video><action begin="120" end="220" move="x"/>\n<oops>'
    assert read(text).annotations == ()


def test_depth_that_is_allowed() -> None:
    assert [i.kind for i in read('{"a": ' * 63 + "1" + "}" * 63, "a.json").issues] == ["unknown-format"]


@pytest.mark.parametrize(
    "name",
    ["../game.mp4", "a/../../game.mp4", "/etc/game.mp4", "C:\\game.mp4", "..\\game.mp4", "a\x1b[31m.mp4"],
)
def test_names_that_leave_the_folder(name: str) -> None:
    content = read(f"video,begin,end\n{name},10,200\n", "a.csv")
    assert [(i.kind, i.line) for i in content.issues] == [("unsafe-name", 2)]
    assert content.annotations == ()


def test_climbing_addresses_of_label_studio() -> None:
    text = '{"data": {"video": "/data/local-files/?d=../../etc/game.mp4"}, "annotations": [{"result": []}]}'
    assert [i.kind for i in read(text, "a.json").issues] == ["unsafe-name"]


@pytest.mark.parametrize("number", ["1e999", "-1" + "0" * 30, "9" * 11, "1000000001"])
def test_absurd_numbers(number: str) -> None:
    xml = read(f'<video><action begin="1" end="{number}"/></video>')
    assert [i.kind for i in xml.issues] in (["bad-number"], ["malformed"])
    assert xml.annotations == ()
    table = read(f"begin,end\n1,{number}\n", "a.csv")
    assert len(table.issues) == 1
    assert table.annotations == ()


@pytest.mark.parametrize("number", ["", " ", "١٢", "0x10", "1_000", "1.5", "--1", ".", "1e3", "True"])
def test_what_is_no_frame_number(number: str) -> None:
    content = read(f'<video><action begin="1" end="{number}"/></video>')
    assert [i.kind for i in content.issues] == ["malformed"]


def test_size_limit(tmp_path: Path) -> None:
    text = '<video><action begin="120" end="220"/></video>'
    assert [i.kind for i in read(text, max_bytes=20).issues] == ["too-large"]
    path = tmp_path / "game.xml"
    path.write_text(text)
    found = read_annotations([path], videos=VIDEOS, options=AnnotationOptions(max_bytes=20))
    assert [i.kind for i in found.issues] == ["too-large"]


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.xml")
    (tmp_path / "dangling.xml").symlink_to(tmp_path / "gone.xml")
    found = read_annotations([tmp_path, tmp_path / "missing.csv", "/dev/zero"], videos=VIDEOS)
    assert [(Path(i.file).name, i.kind) for i in found.issues] == [
        ("zero", "unreadable"),
        ("dangling.xml", "unreadable"),
        ("missing.csv", "unreadable"),
        ("pipe.xml", "unreadable"),
    ]


def test_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    (tmp_path / "a" / "game.xml").write_text('<video><action begin="120" end="220"/></video>')
    assert len(read_annotations([tmp_path], videos=VIDEOS).annotations) == 1


def test_header_with_an_open_quotation_mark() -> None:
    assert [i.kind for i in read('begin,end,"label\n1,2,x\n', "game.csv").issues] == ["broken-file"]


def test_open_quotation_mark_is_reported_with_the_rows_it_swallows() -> None:
    content = read('begin,end,label\n1,2,"x\n3,4,y\n5,6,z\n', "game.csv")
    assert [(i.line, i.kind) for i in content.issues] == [(2, "malformed")]
    assert "line 4" in content.issues[0].message


def test_crowds_cost_little() -> None:
    # nested, equal and densely overlapping intervals, the worst for what compares intervals
    rows = [f"{1000 + i},{90_000 - i},x" for i in range(10_000)]
    rows += ["500,600,x"] * 10_000
    rows += [f"{2000 + i % 150},{2100 + i // 150 % 150},x" for i in range(20_000)]
    start = time.perf_counter()
    content = read("begin,end,label\n" + "\n".join(rows), "game.csv")
    found = merge([content], VIDEOS)
    cleaned = clean(found.annotations, VIDEOS, TAXONOMIES["detection"])
    assert cleaned.waterfall.counts()["read"] == 40_000
    assert cleaned.waterfall.counts()["grouped into actions"] == 2
    assert time.perf_counter() - start < 30


def test_every_kind_is_described() -> None:
    assert set(KINDS) >= REFUSALS


SEEDS = [
    b'<video><action begin="120" end="220" move="x"/></video>',
    b'<annotations><track id="0" label="x"><box frame="1" outside="0"/></track></annotations>',
    b'{"90": "left_forehand_loop a b", "95": "bounce"}',
    b'[{"data": {"video": "game.mp4"}, "annotations": [{"result": [{"value": '
    b'{"ranges": [{"start": 1, "end": 2}], "timelinelabels": ["a"]}}]}]}]',
    b"video,begin,end,label\ngame,1,2,x\n",
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SEEDS), st.data())
def test_damaged_files_never_raise(seed: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(seed)))
    cut = data.draw(st.integers(0, 8))
    raw = seed[:at] + data.draw(st.binary(max_size=6)) + seed[at + cut :]
    content = read(raw, "game.xml")
    assert {i.kind for i in content.issues} <= set(KINDS)
    for issue in content.issues:
        str(issue).encode()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_never_raise(raw: bytes) -> None:
    assert {i.kind for i in read(raw, "x").issues} <= set(KINDS)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "data",
                    "video",
                    "annotations",
                    "result",
                    "value",
                    "ranges",
                    "start",
                    "end",
                    "timelinelabels",
                    "1",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_any_json_never_raises(document: object) -> None:
    def plain(node: Node) -> object:
        if node.is_object:
            return {m.key: plain(m.node) for m in node.members}
        return [plain(item) for item in node.items] if node.is_array else node.scalar

    text = json.dumps(document, indent=1)
    if max((len(word) for word in text.replace(",", " ").split()), default=0) < 30:
        assert plain(parse(text)) == document
    read(text, "x.json")

"""What the pages say: oddities, agreement, detections, damaged results, costs."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape
from rich.console import Console

from pipeline.annotations import Action, Annotation, Step
from pipeline.errors import UserError
from pipeline.inputs.manifest import read_manifest
from pipeline.planning.request import Request
from pipeline.report import late_bar
from pipeline.report.build import Built
from pipeline.report.content.measures import COLUMNS, LOOK_STEPS, MOMENTS, SIDE, _curve
from pipeline.report.pages import duration, embedded, size, ticks
from pipeline.report.request import default_folder, write_report
from pipeline.report.sections.agreement import agreements
from pipeline.report.sections.detections import read_detections
from pipeline.report.sections.flow_diagram import BROAD, flow_diagram
from pipeline.report.sections.odd import find_odd, limits, twins
from tests.pipeline.report.conftest import PERSON, Project
from tests.support.projects import QUIET

GOOD = {"fps": 120.0, "no_pose": 0.0, "mask": 0.05, "brightness": 100.0, "pose_score": 0.7, "repeated": 0.0}


def odd_of(**changes: float) -> list[str]:
    """What is found about one video among five good ones."""
    figures = {f"good{i}": dict(GOOD) for i in range(5)} | {"odd": {**GOOD, **changes}}
    found = find_odd(figures, {})
    assert found.keys() <= {"odd"}
    return [o.figure for o in found.get("odd", [])]


@pytest.mark.parametrize(
    ("figure", "below", "above"),
    [
        ("no_pose", 0.19, 0.2), ("mask_empty", 0.49, 0.5), ("mask_full", 0.04, 0.05),
        ("roi_border", 0.49, 0.5), ("roi_jump", 0.049, 0.05), ("flow_clipped", 0.009, 0.01),
        ("brightness_jump", 19.0, 20.0), ("repeated", 0.04, 0.05), ("brightness", 150.0, 161.0),
        ("mask", 0.2, 0.26), ("pose_score", 0.5, 0.4), ("fps", 120.5, 60.0),
    ],
)  # fmt: skip
def test_each_limit(figure: str, below: float, above: float) -> None:
    assert odd_of(**{figure: below}) == []
    assert odd_of(**{figure: above}) == [figure]


def test_every_limit_stands_on_the_index(built: Built) -> None:
    text = built.index.read_text(encoding="utf-8")
    for title, limit, _ in limits():
        assert str(escape(title)) in text
        assert str(escape(limit)) in text


def look(pictures: Any) -> str:
    steps = np.rint(np.clip(pictures, 0, 255) * LOOK_STEPS).astype("<u2")
    return base64.b64encode(steps.tobytes()).decode()


def test_copies_are_found_and_other_recordings_of_the_hall_are_not() -> None:
    rng = np.random.default_rng(0)
    shape = MOMENTS, SIDE, SIDE
    hall = rng.uniform(20, 230, shape[1:])

    def recording() -> Any:
        pictures = np.repeat(hall[None], MOMENTS, axis=0)
        for t in range(MOMENTS):
            y, x = rng.integers(0, SIDE - 3, 2)
            pictures[t, y : y + 3, x : x + 3] = 240
        return pictures

    one, other = recording(), recording()
    looks = {"a": look(one), "b": look(other), "c": look(one + rng.normal(0, 0.5, shape))}
    # two recordings in which nothing moves are no copies of each other
    looks |= {"d": look(np.repeat(hall[None], MOMENTS, axis=0))}
    looks |= {"e": look(np.repeat(hall[None], MOMENTS, axis=0) + rng.normal(0, 0.1, shape))}
    assert twins(looks) == [("a", "c")]
    found = find_odd({name: dict(GOOD) for name in looks}, looks)
    assert {v: [(o.figure, o.value) for o in f] for v, f in found.items()} == {
        "a": [("twin", "c")], "c": [("twin", "a")],
    }  # fmt: skip


@given(st.lists(st.floats(-50, 50, width=16), min_size=1, max_size=3 * COLUMNS))
def test_a_curve_keeps_its_extremes(values: list[float]) -> None:
    curve = _curve(np.array(values))
    assert len(curve["high"]) <= COLUMNS
    assert max(curve["high"]) == pytest.approx(max(values), abs=1e-3)
    assert min(curve.get("low", curve["high"])) == pytest.approx(min(values), abs=1e-3)
    assert (len(curve["high"]) - 1) * curve["step"] < len(values) <= len(curve["high"]) * curve["step"]


def action(*members: tuple[str, str | None, int, int]) -> Action:
    found = tuple(Annotation("v", b, e, label, who, "f", 1) for who, label, b, e in members)
    return Action("v", 0, 10, None, True, found)


def test_agreement_and_kappa() -> None:
    """Two annotators, ten actions, eight with the same label; marginals 5:5 and 5:5 give kappa 0.6."""
    labels = [("x", "x")] * 4 + [("y", "y")] * 4 + [("x", "y"), ("y", "x")]
    pairs = [action(("Ann", a, 0, 10), ("Bea", b, 5, 15), ("", "x", 0, 10)) for a, b in labels]
    found = agreements([*pairs, action(("Ann", "x", 0, 9))])
    assert [(f.first, f.second, f.actions, f.labelled) for f in found] == [("Ann", "Bea", 10, 10)]
    assert found[0].same == pytest.approx(0.8)
    assert found[0].kappa == pytest.approx(0.6)
    assert found[0].overlap == pytest.approx(1 / 3)
    same = agreements([action(("Ann", "x", 0, 4), ("Bea", "x", 0, 4))])[0]
    assert (same.same, same.kappa, same.overlap) == (1.0, None, 1.0)
    none = agreements([action(("Ann", None, 0, 4), ("Bea", "x", 4, 8))])[0]
    assert (none.same, none.kappa, none.overlap) == (None, None, 0.0)


def test_the_flow_diagram_is_to_scale() -> None:
    steps = [
        Step("read", "annotations", 40, {}, {}),
        Step("rule", "annotations", 30, {}, {}, {"too-short": 10}),
        Step("kept", "actions", 10, {}, {}),
        Step("negatives", "negatives", 5, {}, {}),
    ]
    shown, height = flow_diagram(steps)
    assert [s.width for s in shown] == [BROAD, BROAD * 0.75, BROAD / 4, BROAD / 8]
    assert [bool(s.band) for s in shown] == [False, True, True, False]
    assert [bool(s.loss) for s in shown] == [False, True, False, False]
    assert height > shown[-1].y


@given(
    st.recursive(st.text() | st.integers() | st.none(), lambda v: st.lists(v) | st.dictionaries(st.text(), v))
)
def test_embedded_json_ends_no_script_and_says_the_same(value: Any) -> None:
    text = str(embedded(value))
    assert not re.search("[<>&\u2028\u2029]", text)
    text.encode()  # no half of a surrogate
    if not re.search("[\ud800-\udfff]", json.dumps(value, ensure_ascii=False)):
        assert json.loads(text) == value


def test_backticks_are_code_and_nothing_else_is() -> None:
    assert ticks("run `ttprep run <b>` & see") == "run <code>ttprep run &lt;b&gt;</code> &amp; see"


def test_numbers_have_units() -> None:
    assert [duration(s) for s in (0.04, 99, 125, 7000)] == ["0.0 s", "99.0 s", "2 min 05 s", "1 h 56 min"]
    assert [size(b) for b in (12, 1500, 250_000, 3e6, 4e12)] == [
        "12 B",
        "1.5 kB",
        "250 kB",
        "3.0 MB",
        "4.00 TB",
    ]


def write_detections(path: Path, videos: Any) -> Path:
    path.write_text(json.dumps({"rules": {}, "videos": videos}))
    return path


def found_in(video: str, frames: int = 32) -> dict[str, Any]:
    strokes = {"vote": [{"begin": 3, "end": 21, "class": "<i>Up"}], "gross": []}
    return {"video": video, "frames": frames, "strokes": strokes, "trained_on": True}


def test_detections_become_time_lines(project: Project, tmp_path: Path) -> None:
    file = write_detections(tmp_path / "report.json", [found_in("elsewhere/plain.mp4"), found_in("lost.mp4")])
    built = project.report(tmp_path / "r", detections=tmp_path, film_frames=0)
    assert file.name in built.index.read_text(encoding="utf-8")
    page = (built.folder / "videos" / f"{project.sha256('plain.mp4')[:16]}.html").read_text(encoding="utf-8")
    assert "detected, vote" in page
    assert "&lt;i&gt;Up, frames 3–20" in page
    assert built.lost == ["lost.mp4: no video of this name is in the report"]
    assert "no test of it" in built.index.read_text(encoding="utf-8")


def test_detections_of_another_length_are_doubted(project: Project, tmp_path: Path) -> None:
    write_detections(tmp_path / "report.json", [found_in("plain.mp4", frames=50)])
    built = project.report(tmp_path / "r", detections=tmp_path / "report.json", film_frames=0)
    page = (built.folder / "videos" / f"{project.sha256('plain.mp4')[:16]}.html").read_text(encoding="utf-8")
    assert "made of a video of 50 frames, this one has 32" in page


STROKE = '{"begin": 2, "end": 1, "class": ""}'


@pytest.mark.parametrize("strokes", ["[]", "3", '{"vote": [[]]}', f'{{"vote": [{STROKE}]}}'])
def test_strokes_that_are_none_are_one_line(tmp_path: Path, strokes: str) -> None:
    text = f'{{"videos": [{{"video": "a", "frames": 9, "strokes": {strokes}}}]}}'
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(UserError, match=r"is no report of detections .*tttrain detect"):
        read_detections(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"videos": [3]}', "[" * 100_000])
def test_what_is_no_report_of_detections_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(UserError, match=r"is no report of detections .*tttrain detect"):
        read_detections(tmp_path)
    with pytest.raises(UserError, match="no such file"):
        read_detections(tmp_path / "nowhere.json")


def test_the_index_says_what_failed_and_what_helps(built: Built) -> None:
    text = built.index.read_text(encoding="utf-8")
    assert built.code == 0  # the report itself is whole
    failure = re.search(r'<dl class="failures">(.*?)</dl>', text, re.S)
    assert failure
    assert failure[1].count("<dt>") == 1
    assert "broken.mp4" in failure[1]
    assert "copy it again" in failure[1]
    assert PERSON.replace("<", "&lt;").replace(">", "&gt;") in text
    assert "Cohen" in text
    assert "2 samples" in text


def test_nothing_of_the_web_is_referred_to(built: Built) -> None:
    files = [p for p in built.folder.rglob("*") if p.suffix in (".html", ".js", ".css")]
    assert len(files) >= 3 + 6
    for path in files:
        text = path.read_text(encoding="utf-8").replace(
            "http://www.w3.org/2000/svg", ""
        )  # a name, not a place
        assert not re.search(
            r"""https?:|(?:src|href)=["']//|url\(|@import|\bfetch\(|XMLHttp|WebSocket|Beacon""", text
        )
    for page in (p for p in files if p.suffix == ".html"):
        assert "default-src 'none'" in page.read_text(encoding="utf-8")


def copied(project: Project, folder: Path) -> Request:
    """The project's store under another name, to be damaged."""
    shutil.copytree(project.request.store_root, folder / "store", copy_function=shutil.copy2)
    manifest = read_manifest(project.folder / "data_manifest.yaml")
    return Request(manifest, folder / "store", pose_weights=project.request.pose_weights)


def test_damaged_results_are_named_and_the_rest_is_shown(project: Project, tmp_path: Path) -> None:
    request = copied(project, tmp_path)
    video = project.sha256("plain.mp4")[:16]
    for stage in ("flow", "roi"):
        path = next((request.store_root / "videos" / video).glob(f"{stage}-*.h5"))
        data = bytearray(path.read_bytes())
        data[len(data) // 2 :: 97] = bytes(len(data[len(data) // 2 :: 97]))
        stat = path.stat()
        path.write_bytes(data)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    built = write_report(request, QUIET, tmp_path / "r")
    assert built.code == 3
    found = next(v for v in built.videos if v.id == video)
    assert found.problems.keys() >= {"flow"}
    page = (built.folder / found.page).read_text(encoding="utf-8")
    assert "<code>ttprep run</code> makes it anew" in page
    assert "<video" in page, "the frames are sound"
    again = write_report(request, QUIET, tmp_path / "r")
    assert again.code == 0, "known by now, as for `ttprep status`"
    failures = re.search(r'<dl class="failures">(.*?)</dl>', again.index.read_text(encoding="utf-8"), re.S)
    assert failures
    assert "flow damaged" in failures[1]


def test_the_default_folder_lies_beside_the_store(tmp_path: Path) -> None:
    assert default_folder(tmp_path / "ttprep-store") == tmp_path / "ttprep-store-report"


@pytest.mark.parametrize("patience", [60.0, 0.0])
def test_a_bar_appears_only_where_something_takes_long(
    monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    monkeypatch.setattr(late_bar, "PATIENCE_S", patience)
    for terminal in (True, False):
        written = io.StringIO()
        with late_bar.LateBar("report", Console(file=written, force_terminal=terminal, width=80)) as bar:
            bar.advance(0, 10)
            bar.advance(10)
        assert bool(written.getvalue()) == (terminal and not patience)

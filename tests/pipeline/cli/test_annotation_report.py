"""`ttprep annotations`: videos from the store, from files, from a list; text, JSON and picture."""

from __future__ import annotations

import io
import json
import os
import shutil
from fractions import Fraction
from pathlib import Path

import cv2
import pytest
from rich.console import Console

from pipeline.cli.output.annotation_report import print_report, write_report
from pipeline.errors import UserError
from pipeline.inputs.manifest import Manifest, VideoEntry
from pipeline.inputs.sources import identify
from pipeline.planning.annotation_report import AnnotationReport, read_list, report
from store import Store
from tests.support.projects import manifest_in, project, write_actions, write_video

ACTIONS = [(0, 20, "Up"), (5, 25, "Up"), (30, 33, "Down"), (40, 50, "Oddity"), (50, 90, "Up")]


@pytest.fixture
def made(tmp_path: Path) -> Manifest:
    return project(tmp_path / "p", {"a": 64, "b": 30}, {"a": ACTIONS, "b": [(3, 20, "Down")]})


def counts(result: AnnotationReport) -> dict[str, int]:
    return result.cleaned.waterfall.counts()


#: by hand: one starts at 0, one ends behind frame 64, one lasts 3 frames, one has no class;
#: between the stroke to 25 and the one from 40 nobody plays
KEPT = {
    "read": 6, "not at frame 0": 5, "inside the video": 4, "0.05-10 s": 3, "grouped into actions": 3,
    "agreed labels": 3, "kept": 2, "negatives": 1,
}  # fmt: skip


def test_frame_counts_come_from_the_store(made: Manifest) -> None:
    store = Store.open(made.folder / "store")
    decoded: list[str] = []
    result = report(made, store, [], progress=decoded.append)
    assert counts(result) == KEPT
    assert decoded == []
    assert {Path(n).name: f.n_frames for n, f in result.videos.items()} == {"a.mp4": 64, "b.mp4": 30}
    assert result.code == 0


def test_a_store_knows_videos_that_are_gone(made: Manifest) -> None:
    store = Store.open(made.folder / "store")
    # hashes are only remembered for files that have not changed for a while
    for path in (made.folder / "videos").iterdir():
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 60))
    identify(sorted((made.folder / "videos").iterdir()), store)
    shutil.rmtree(made.folder / "videos")
    result = report(made.model_copy(update={"videos": ()}), store, [made.folder / "annotations"])
    assert counts(result) == KEPT


def test_videos_given_are_counted_by_decoding(made: Manifest, tmp_path: Path) -> None:
    decoded: list[str] = []
    manifest = made.model_copy(update={"videos": ()})
    result = report(manifest, None, [made.folder / "annotations"], [made.folder / "videos"], decoded.append)
    assert counts(result) == KEPT
    assert len(decoded) == 2


def test_the_manifests_rate_and_player_count(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4", 40, fps=30)
    notes = write_actions(tmp_path / "v.xml", [(3, 10, "Serve Forehand Loop")])
    entry = VideoEntry(path=video, fps=240, player="anna")
    manifest = Manifest(videos=(entry,), annotations=(notes,), folder=tmp_path)
    facts = next(iter(report(manifest, None, []).videos.values()))
    assert (facts.fps, facts.player, facts.n_frames) == (Fraction(240), "anna", 40)


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_a_list_stands_in_for_videos_not_at_hand(made: Manifest, tmp_path: Path, suffix: str) -> None:
    comma = "\t" if suffix == ".tsv" else ","
    lines = [
        ["video", "frames", "fps", "player"],
        ["a.mp4", "64", "120", ""],
        ["b.mp4", "30", "120000/1001", "eva"],
    ]
    path = tmp_path / f"list{suffix}"
    path.write_text("\n".join(comma.join(line) for line in lines) + "\n")
    assert read_list(path)["b.mp4"].player == "eva"
    result = report(made, None, [made.folder / "annotations"], [path])
    assert counts(result) == KEPT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video,frames\na,3\n", r":2: not a list of videos \('fps'\)"),
        ("video,frames,fps\na,3,30\nb,many,30\n", r":3: not a list"),
        ("video,frames,fps\na,-3,30\n", r":2: .* must be positive"),
        ("video,frames,fps\na,3,1/0\n", r":2: not a list"),
        ("video,frames,fps\na,3\n", r":2: not a list"),
    ],
)
def test_a_bad_list_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_list(path)


def test_printed_written_and_drawn(made: Manifest, tmp_path: Path) -> None:
    write_actions(made.folder / "annotations" / "b.xml", [(3, 20, "Down"), (3, 20, "Down")])
    (made.folder / "annotations" / "broken.xml").write_text("<video><action")
    result = report(made, Store.open(made.folder / "store"), [])
    out = io.StringIO()
    print_report(result, Console(file=out, width=200))
    text = out.getvalue()
    assert "not at frame 0" in text
    assert "1 starts-at-0" in text
    assert "a.xml:2: starts-at-0: 0-20" in text
    assert "broken.xml:1: broken-file" in text
    assert "1 duplicate" in text
    assert "(Oddity)" in text
    assert result.code == 3
    files = write_report(result, tmp_path / "sub" / "waterfall")
    value = json.loads(files[0].read_text())
    assert [s["count"] for s in value["waterfall"]["steps"]] == list(counts(result).values())
    assert value["finding_counts"]["broken-file"] == 1
    assert {f["kind"] for f in value["findings"]} == set(value["finding_counts"])
    assert len(value["samples"]) == counts(result)["kept"] + counts(result)["negatives"]
    picture = cv2.imread(str(files[1]))
    assert picture is not None
    assert picture.shape[1] == 1200


def test_unusable_files_alone_fail(tmp_path: Path) -> None:
    manifest = manifest_in(tmp_path)
    (tmp_path / "annotations" / "x.json").write_text("{")
    result = report(manifest, None, [tmp_path / "annotations"], [write_video(tmp_path / "v.mp4", 8)])
    assert result.code == 1


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no annotations given"):
        report(Manifest(folder=tmp_path), None, [])
    with pytest.raises(UserError, match=r"nowhere\.xml: no such file"):
        report(Manifest(folder=tmp_path), None, [tmp_path / "nowhere.xml"])
    write_actions(tmp_path / "v.xml", [(3, 10, "Serve Forehand Loop")])
    broken = tmp_path / "v.mp4"
    broken.write_bytes(b"no video" * 100)
    result = report(Manifest(folder=tmp_path), None, [tmp_path / "v.xml"], [broken])
    assert result.code == 3
    assert "v.mp4" in result.problems[0]

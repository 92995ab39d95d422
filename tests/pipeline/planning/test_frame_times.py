"""Times of frames on their way from a file to the samples: through the store, and by decoding alone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import h5py
import pytest
from click.testing import CliRunner

from pipeline.cli.main import main
from pipeline.inputs.manifest import Manifest
from pipeline.planning.annotation_report import AnnotationReport, report
from pipeline.planning.request import Request
from pipeline.planning.survey import survey
from store import Store
from tests.support.projects import QUIET, export_here, manifest_in, run_here, write_actions
from tests.support.projects import project as small_project
from tests.support.timed_videos import slower_from, write_timed
from tttrain.data.dataset_file import read_info

SECONDS = {"csv": {"unit": "seconds"}}
ROWS = """video,begin,end,label
phone.mp4,2.5,3.5,Up
late.mp4,2.0,3.0,Up
stream.ts,1.0,2.0,Up
"""
#: the frames that a player shows from the one time to the other
SHOWN = {"phone.mp4": (68, 83), "late.mp4": (15, 45), "stream.ts": (30, 60)}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("times")
    # the last even frame is at 2 s, number 60
    write_timed(folder / "videos" / "phone.mp4", slower_from(2, 4))
    write_timed(folder / "videos" / "late.mp4", [1.5 + i / 30 for i in range(60)], sound=4)
    # its clock starts at 1.4 s, that of a player at 0
    write_timed(folder / "videos" / "stream.ts", [i / 30 for i in range(90)])
    (folder / "annotations").mkdir()
    (folder / "annotations" / "all.csv").write_text(ROWS)
    return manifest_in(folder, annotation_options=SECONDS, modalities=["rgb"])


def found(result: AnnotationReport) -> dict[str, tuple[int, int]]:
    return {Path(s.video).name: (s.begin, s.end) for s in result.cleaned.samples}


def test_counted_by_decoding(project: Manifest) -> None:
    result = report(project, None, [])
    assert result.problems == ()
    assert found(result) == SHOWN


def test_read_from_the_store(project: Manifest) -> None:
    run_here(project)
    store = Store.open(project.folder / "store")
    decoded: list[str] = []
    result = report(project, store, [], progress=decoded.append)
    assert decoded == []
    assert found(result) == SHOWN
    rates = {Path(name).name: video["rate"] for name, video in result.to_json()["videos"].items()}
    assert rates == {"phone.mp4": "variable", "late.mp4": "constant", "stream.ts": "constant"}


def test_videos_to_be_counted_are_not_unknown(project: Manifest, tmp_path: Path) -> None:
    for name in ("phone.mp4", "late.mp4"):
        (tmp_path / "videos").mkdir(exist_ok=True)
        (tmp_path / "videos" / name).write_bytes((project.folder / "videos" / name).read_bytes())
    whole = (tmp_path / "videos" / "late.mp4").read_bytes()
    manifest = manifest_in(
        tmp_path,
        annotation_options={**SECONDS, "label_studio": {"frame_rate": 24}},
        modalities=["rgb"],
    )
    (tmp_path / "annotations" / "all.csv").write_text(ROWS)
    write_actions(tmp_path / "annotations" / "phone.xml", [(9, 30, "Up")])
    (tmp_path / "annotations" / "phone.json").write_text('{"40": "left_forehand_loop", "44": "bounce"}')
    planned = survey(Request(manifest, manifest.resolve(manifest.store)), None, QUIET)
    assert [n.partition("unknown-video: ")[2][:29] for n in planned.notes if "unknown-video" in n] == [
        "no video 'stream.ts' is known"
    ]
    assert planned.samples.annotations.waiting == {
        (tmp_path / "videos" / "late.mp4").as_posix(): 1,
        (tmp_path / "videos" / "phone.mp4").as_posix(): 4,
    }
    assert any("5 entries are of 2 videos whose frames are not counted yet" in n for n in planned.notes)
    # a video that cannot be decoded is no unknown one either
    (tmp_path / "videos" / "late.mp4").write_bytes(whole[:200])
    done = run_here(manifest)
    assert done.code == 3
    assert [n for n in done.overview.notes if "unknown-video" in n and "stream.ts" not in n] == []
    assert any("1 entries are of 1 videos" in n for n in done.overview.notes)
    assert {Path(s.video).name for s in done.overview.samples.cleaned.samples} == {"phone.mp4"}


def test_a_variable_rate_is_named(project: Manifest, tmp_path: Path) -> None:
    run_here(project)
    place = ["--manifest", str(project.folder / "data_manifest.yaml")]
    shown = CliRunner().invoke(main, ["status", *place])
    assert shown.exit_code == 0, shown.output
    assert "30/s variable" in re.sub(r"\x1b\[[\d;]*m", "", shown.output)
    assert "variable frame rate: " in shown.output
    value = json.loads(CliRunner().invoke(main, ["status", "--json", *place]).stdout)
    rates = {Path(name).name: video["rate"] for name, video in value["rates"].items()}
    assert rates == {"phone.mp4": "variable", "late.mp4": "constant", "stream.ts": "constant"}
    export_here(project, tmp_path / "dataset.h5")
    with h5py.File(tmp_path / "dataset.h5") as file:
        names, column = file["videos/name"].asstr()[()], file["videos/rate"].asstr()[()]
        assert dict(zip(names, column, strict=True)) == {
            "videos/phone.mp4": "variable", "videos/late.mp4": "constant", "videos/stream.ts": "constant",
        }  # fmt: skip
        assert {int(b) for b in file["samples/begin"][()]} == {begin for begin, _ in SHOWN.values()}
    card = (tmp_path / "dataset.md").read_text()
    assert "The frame rate of 1 videos changes (videos/phone.mp4), so T frames of their 1 samples" in card
    assert read_info(tmp_path / "dataset.h5").videos.fps.tolist() == [30, 30, 30]


def test_a_dataset_of_constant_rates_has_no_column_for_it(tmp_path: Path) -> None:
    manifest = small_project(tmp_path / "p", {"a": 64}, {"a": [(5, 25, "Up"), (30, 60, "Down")]})
    export_here(manifest, tmp_path / "dataset.h5")
    with h5py.File(tmp_path / "dataset.h5") as file:
        assert "rate" not in file["videos"]

"""Times of frames on their way from a file to the samples: through the store, and by decoding alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli.annotation_report import AnnotationReport, report
from pipeline.inputs.manifest import Manifest
from store import Store
from tests.support.projects import manifest_in, run_here
from tests.support.timed_videos import slower_from, write_timed

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

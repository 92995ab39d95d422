"""Films and overlays: every frame at its own time, every layer where the page looks for it."""

from __future__ import annotations

import base64
import json
import re
import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.pictures.draw import flow_glow
from pipeline.planning.request import Request, Where
from pipeline.report.build import Built
from pipeline.report.content.results import Results, open_results
from pipeline.report.request import write_report
from pipeline.run import run
from tests.pipeline.report.conftest import FRAMES, UNEVEN, Project, level
from tests.support.projects import QUIET, manifest_in


def frames_of(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    with av.open(str(path)) as file:
        found = [(f.to_ndarray(format="rgb24"), float(f.time or 0)) for f in file.decode(video=0)]
    return np.stack([f for f, _ in found]), np.array([t for _, t in found])


def note_of(built: Built, name: str) -> tuple[Path, dict[str, Any]]:
    video = next(v for v in built.videos if v.name.endswith(name))
    return (built.folder / video.page).with_suffix(".mp4"), video.note


def results_of(project: Project, name: str, stack: ExitStack) -> Results:
    plan = project.result.overview.plans[project.sha256(name)]
    return open_results(project.store, plan, stack)


@pytest.mark.parametrize("name", ["plain.mp4", "uneven.mp4"])
def test_a_film_has_every_frame_at_its_time(built: Built, name: str) -> None:
    path, note = note_of(built, name)
    pictures, times = frames_of(path)
    expected = UNEVEN / 240 if name == "uneven.mp4" else np.arange(FRAMES) / 120
    np.testing.assert_allclose(times, expected, atol=2e-5)
    shown = pictures[:, 4:20, 4:28].mean(axis=(1, 2, 3))
    np.testing.assert_allclose(shown, [level(t) for t in range(FRAMES)], atol=3.4)
    assert note["film"]["frames"] == note["n"] == FRAMES
    assert (note["times"] is None) == (name == "plain.mp4")


def test_the_layers_of_a_film_are_those_of_the_store(project: Project, built: Built) -> None:
    path, note = note_of(built, "plain.mp4")
    pictures, _ = frames_of(path)
    film = note["film"]
    width, height = film["tile"]
    tiles = {
        name: pictures[:, i * film["pitch"] : i * film["pitch"] + height, :width].astype(float)
        for i, name in enumerate(film["tiles"])
    }
    assert list(tiles) == ["frame", "flow", "mask"]
    with ExitStack() as stack:
        results = results_of(project, "plain.mp4", stack)
        rgb, mask = results.readers["frames"].read("rgb"), results.readers["foreground"].read("mask")
        flow = results.readers["flow"].read("flow") / 64
    np.testing.assert_allclose(tiles["frame"].mean(), rgb.mean(), atol=2)
    assert np.abs(tiles["frame"] - rgb).mean() < 10
    seen = tiles["mask"].mean(axis=3) > 160
    assert (seen == (mask > 0)).mean() > 0.98
    light = tiles["flow"].max(axis=3)[:-1] > 60
    length = np.linalg.norm(flow, axis=3)
    assert light[length > film["largest"] * 0.8].mean() > 0.8
    assert light[length == 0].mean() < 0.05
    assert tiles["flow"][-1].max() < 12, "the last frame has no pair"


def test_the_same_results_make_no_new_film(project: Project, tmp_path: Path) -> None:
    first = project.report(tmp_path / "r")
    assert first.to_json()["films_made"] == 4
    films = {p: p.stat().st_mtime_ns for p in (tmp_path / "r" / "videos").glob("*.mp4")}
    again = project.report(tmp_path / "r")
    assert (again.to_json()["films_made"], len(films)) == (0, 4)
    assert all(p.stat().st_mtime_ns == t for p, t in films.items())
    damaged = bytearray(sorted(films)[0].read_bytes())
    damaged[-100] ^= 1
    sorted(films)[0].write_bytes(damaged)
    assert project.report(tmp_path / "r").to_json()["films_made"] == 1


def test_a_damaged_note_or_overlay_is_made_anew(project: Project, tmp_path: Path) -> None:
    project.report(tmp_path / "r", film_frames=0)
    for path in sorted((tmp_path / "r" / "videos").glob("*.js*")):
        before = path.read_bytes()
        path.write_bytes(before.replace(b"0", b"1"))
        project.report(tmp_path / "r", film_frames=0)
        after = path.read_bytes()
        assert after == before or path.suffix == ".json", path
        assert after != before.replace(b"0", b"1")


def test_results_of_other_frames_are_not_laid_over_these(project: Project, tmp_path: Path) -> None:
    """A smaller frame was decoded since; mask, flow and ROI still are those of the larger one."""
    shutil.copytree(project.request.store_root, tmp_path / "store")
    shutil.copytree(project.folder / "videos", tmp_path / "videos", symlinks=True)
    manifest = manifest_in(tmp_path, dataset=None, stages={"frames": {"width": 32, "height": 24}})
    request = Request(manifest, tmp_path / "store", stages=("frames",), where=Where(workers=0))
    assert run(request, QUIET).code == 3  # the broken one
    built = write_report(replace(request, stages=()), QUIET, tmp_path / "r")
    video = next(v for v in built.videos if v.name.endswith("plain.mp4"))
    assert video.note["film"]["tiles"] == ["frame"]
    assert set(video.foreign) == {"foreground", "flow", "roi", "statistics", "quality"}
    text = (built.folder / video.page).read_text(encoding="utf-8")
    assert "not shown, since made of other frames: foreground, flow, statistics, roi, quality" in text


def test_results_of_older_parameters_are_shown_and_said_to_be(project: Project, tmp_path: Path) -> None:
    flow = project.manifest.stages["flow"].model_copy(update={"n_sor": 3})
    stages = {**project.manifest.stages, "flow": flow}
    manifest = project.manifest.model_copy(update={"stages": stages})
    request = replace(project.request, manifest=manifest)
    built = write_report(request, QUIET, tmp_path / "r", film_frames=0)
    video = next(v for v in built.videos if v.name.endswith("plain.mp4"))
    assert video.old[:1] == ["flow"]
    assert "Shown with results of older parameters: flow" in (built.folder / video.page).read_text()


def test_a_short_film_says_so_and_is_made_whole_when_asked(project: Project, tmp_path: Path) -> None:
    folder, sha256 = tmp_path / "r", project.sha256("plain.mp4")
    none = project.report(folder, film_frames=0)
    page = folder / "videos" / f"{sha256[:16]}.html"
    assert none.to_json()["films_made"] == 0
    assert "No film is there" in page.read_text()
    assert "<video" not in page.read_text()
    project.report(folder, film_frames=10)
    assert "The film holds the first 10 of 32 frames" in page.read_text()
    assert len(frames_of(page.with_suffix(".mp4"))[0]) == 10
    whole = project.report(folder, film_frames=10, whole_film=project.folder / "videos" / "plain.mp4")
    assert whole.to_json()["films_made"] == 1
    assert len(frames_of(page.with_suffix(".mp4"))[0]) == FRAMES
    assert project.report(folder, film_frames=0).to_json()["films_made"] == 0
    assert len(frames_of(page.with_suffix(".mp4"))[0]) == FRAMES, "a film that is there is kept"


def test_overlays_hold_the_roi_and_the_joints(project: Project, built: Built) -> None:
    path, note = note_of(built, "plain.mp4")
    assert note["overlay"]["scripts"] == 1
    text = path.with_name(f"{path.stem}-0.js").read_text()
    found = re.search(r"ttprepOverlay\(0, (\{.*\})\);", text)
    assert found
    value = {k: base64.b64decode(v) for k, v in json.loads(found[1]).items()}
    with ExitStack() as stack:
        results = results_of(project, "plain.mp4", stack)
        centre = results.readers["roi"].read("centre")
        joints = results.readers["descriptor"].read("joints")
    shown = np.frombuffer(value["centre"], "<i2").reshape(-1, 2) / 16
    np.testing.assert_allclose(shown, centre, atol=1 / 32)
    shown = np.frombuffer(value["joints"], "<i2").reshape(-1, 13, 2) / 16
    np.testing.assert_allclose(shown, joints[:, 1:, :2], atol=1 / 32)
    scores = np.frombuffer(value["scores"], np.uint8).reshape(-1, 14) / 255
    np.testing.assert_allclose(scores, joints[:, :, 2], atol=1 / 510)


def test_flow_is_black_where_nothing_moves_and_bright_at_full_length() -> None:
    flow = np.zeros((1, 4, 2), np.float32)
    flow[0, 1:] = (2, 0), (0, 4), (-8, 0)
    colours = flow_glow(flow, 4.0)
    assert colours[0, 0].tolist() == [0, 0, 0]
    assert colours[0, 1].tolist() == [127, 0, 0]  # to the right: red, half as bright
    assert colours[0, 2].max() == colours[0, 3].max() == 255
    assert colours[0, 3, 0] == 0  # to the left: the opposite of red

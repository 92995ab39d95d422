"""The picture of a start: of a rendered trial, and of detections made up to be awkward."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.inputs.manifest import Manifest
from pipeline.pictures.draw import Picture
from pipeline.pictures.start_frame import LEFT, RIGHT, WIDTH, Detection, draw_start, read_detection, render
from pipeline.planning.request import Request
from pipeline.planning.survey import survey
from stages.start import NO_START
from store import Store
from tests.support.projects import QUIET, manifest_in, run_here
from ttdemo.throws.trial_set import JOINTS_FILE, TrialJob, render_trial_job

RED = np.array([200, 16, 46])


def decoded(png: bytes) -> Picture:
    return np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR), np.uint8)[..., ::-1]


def made_up(size: tuple[int, int] = (64, 48), found: int = 30, title: str = "trials/é") -> Detection:
    t = np.arange(60)
    change, moved = np.where(t >= 25, 20.0, 1.0), np.where(t >= 28, 0.4, 0.01)
    met = np.stack([t >= 25, (t >= 25) & (t < 40), t >= 28], axis=1)
    numbers = (9, 29, 30, 37) if found != NO_START else (9, 25, 59)
    stills = tuple(
        (n, "still", np.full((size[1], size[0], 3), 40 * i, np.uint8)) for i, n in enumerate(numbers)
    )
    text = "start: frame 30 (1.000 s)" if found != NO_START else "no start: nothing moved"
    return Detection(title, text, found, 10, (6.0, 0.16), change, moved, met, stills)


@pytest.mark.parametrize("size", [(64, 48), (48, 64), (160, 20)])
def test_the_picture_is_as_tall_as_its_stills_need(size: tuple[int, int]) -> None:
    picture = decoded(render(made_up(size)))
    assert picture.shape[1] == 1200
    assert picture.shape[0] == pytest.approx(664 + 296 * size[1] / size[0], abs=2)


def test_the_start_is_marked_where_it_is() -> None:
    picture = decoded(render(made_up())).astype(int)
    lower = picture[-400:]  # below the stills
    columns = np.flatnonzero((np.abs(lower - RED).max(axis=2) < 30).sum(axis=0) > 300)
    share = (30 + 0.5) / 60
    assert columns.mean() == pytest.approx(100 * (LEFT + share * (WIDTH - LEFT - RIGHT)), abs=2)
    none = decoded(render(made_up(found=NO_START))).astype(int)
    assert not ((np.abs(none - RED).max(axis=2) < 30).sum(axis=0) > 300).any()


def test_names_are_shown_as_they_are_written(recwarn: pytest.WarningsRecorder) -> None:
    names = ["trials/é", "trials/e", "trials/?", "trials/$\\alpha$", "trials/卓球", "x" * 300, "W" * 300]
    pictures = [render(made_up(title=name)) for name in names]
    assert len(set(pictures)) == len(names)
    assert not recwarn.list
    margin = np.concatenate([decoded(p)[:40, -14:] for p in pictures[-2:]])
    assert (margin == 255).all(), "a long name runs out of the picture"


def test_the_same_detection_gives_the_same_bytes_whatever_the_users_settings() -> None:
    plain = render(made_up())
    with matplotlib.rc_context({"axes.facecolor": "red", "font.size": 30, "savefig.dpi": 30}):
        assert render(made_up()) == plain
    assert render(replace(made_up(), limits=(7.0, 0.16))) != plain


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, TrialJob]:
    """One rendered trial, processed."""
    folder = tmp_path_factory.mktemp("trial")
    job = TrialJob(folder, seed=1, player=0, target=4, trial=0, size=(96, 72))
    render_trial_job(job)
    (folder / "labels.csv").write_text(f"file,label\n{job.name},Up\n")
    source = {"kind": "frames", "path": "trials", "fps": 30, "joints": JOINTS_FILE, "labels": "labels.csv"}
    frames = {"frames": {"width": 96, "height": 72}, "flow": {"method": "dis"}}
    manifest = manifest_in(
        folder, videos=[], annotations=[], modalities=["rgb", "pose"],
        sources=[{**source, "sample": "start"}], stages=frames,
    )  # fmt: skip
    jobs = run_here(manifest).jobs
    assert all(job.state == "done" for job in jobs), [job.reason for job in jobs if job.reason]
    return manifest, job


def test_the_start_of_a_trial(trial: tuple[Manifest, TrialJob], tmp_path: Path) -> None:
    manifest, job = trial
    store = Store.open(manifest.resolve(manifest.store))
    (plan,) = survey(Request(manifest, store.root), store, QUIET).plans.values()
    shown = read_detection(store, plan)
    assert abs(shown.found - job.plan().start) <= 3
    assert [t for t, *_ in shown.stills] == [9, shown.found - 1, shown.found, shown.found + 7]
    with store.reader(plan[0].node.slot) as reader:
        for t, _, still in shown.stills:
            assert (still == reader.read("rgb", t, t + 1)[0]).all()
    out = tmp_path / "start.png"
    assert draw_start(store, plan, out) == f"start: frame {shown.found} ({shown.found / 30:.3f} s)"
    assert out.read_bytes() == render(shown)
    with pytest.raises(UserError, match=r"a\.jpg: .* choose that suffix"):
        draw_start(store, plan, tmp_path / "a.jpg")
    with pytest.raises(UserError, match="cannot be written"):
        draw_start(store, plan, out / "a.png")


def test_a_start_that_is_not_computed_is_refused(trial: tuple[Manifest, TrialJob], tmp_path: Path) -> None:
    manifest, _ = trial
    empty = Store.create(tmp_path / "store")
    (plan,) = survey(Request(manifest, empty.root), empty, QUIET).plans.values()
    with pytest.raises(UserError, match="ttprep run --stage start"):
        draw_start(empty, plan, tmp_path / "a.png")

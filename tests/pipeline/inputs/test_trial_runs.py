"""Trials through the pipeline: joints, start frames, what a change touches."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import cv2
import hdf5plugin  # noqa: F401  (registers the codecs)
import numpy as np
import pytest
from rich.console import Console

from pipeline.errors import SOME_FAILED
from pipeline.inputs.manifest import read_manifest
from pipeline.planning.request import Request
from pipeline.planning.survey import survey
from store import Store
from tests.pipeline.inputs.trials import (
    MANIFEST,
    N,
    exported,
    pictures,
    positions,
    read_picture,
    run,
    write_joints,
    write_trial,
)
from tests.support.command_line import as_json, stage_files, ttprep


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four trials with joints and labels."""
    lines = ["file,label,player"]
    for i, label in enumerate(("left", "right", "left", "right")):
        trial = write_trial(tmp_path / "trials" / f"p{i % 2} t{i}", seed=i)
        write_joints(trial / "joints.csv", positions(seed=i))
        lines.append(f"p{i % 2} t{i},{label},p{i % 2}")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    more = ", joints: joints.csv, labels: labels.csv"
    (tmp_path / "data_manifest.yaml").write_text(MANIFEST.format(more=more))
    return tmp_path


def test_given_joints_replace_the_network_and_reach_the_dataset(folder: Path) -> None:
    run(folder)
    made = {Path(p).name.split("-")[0] for p in stage_files(folder / "store")}
    assert made == {"frames", "foreground", "flow", "roi", "statistics", "descriptor", "quality", "cuboids"}
    samples = exported(folder)
    assert samples["name"] == [f"trials/p{i % 2} t{i}" for i in (0, 2, 1, 3)]
    assert samples["label_name"] == ["Left", "Left", "Right", "Right"]
    assert [samples["classes"][i] for i in samples["label"]] == ["Left", "Left", "Right", "Right"]
    assert samples["player"] == ["p0", "p0", "p1", "p1"]
    assert (samples["begin"], samples["end"], samples["rows"]) == ([0] * 4, [N] * 4, [N] * 4)
    for row, seed in enumerate((0, 2, 1, 3)):
        pose, joints = samples["pose"][row], positions(seed=seed)
        np.testing.assert_allclose(pose[:, 1:], joints, atol=2e-3)
        np.testing.assert_allclose(pose[:, 0, :2], joints[..., :2].mean(axis=1), atol=2e-3)
        x, y = samples["window"][row][0]
        assert np.array_equal(samples["rgb"][row][0], pictures(seed=seed)[0][y : y + 40, x : x + 40])


def test_a_change_of_one_trial_touches_that_trial_alone(folder: Path) -> None:
    run(folder)
    before = stage_files(folder / "store")
    assert ttprep("plan", cwd=folder).stdout == ""
    trial = folder / "trials" / "p1 t1"

    frame = read_picture(str(trial / "005.png"))
    frame[0, 0] ^= 255
    cv2.imwrite(str(trial / "005.png"), frame)
    plan = as_json(ttprep("plan", "--json", cwd=folder))
    assert {p["video"] for p in plan["to_do"]} == {"trials/p1 t1"}
    assert "frames" in {p["stage"] for p in plan["to_do"]}
    run(folder)
    now = stage_files(folder / "store")
    assert before.items() <= now.items()
    assert len({Path(p).parent.name for p in now}) == 5  # four trials, one of them in two versions

    joints = positions(seed=1)
    joints[3, 4, 0] += 2
    write_joints(trial / "joints.csv", joints)
    plan = as_json(ttprep("plan", "--json", cwd=folder))
    assert {p["video"] for p in plan["to_do"]} == {"trials/p1 t1"}


def test_touching_renaming_and_relabelling_compute_nothing(folder: Path) -> None:
    run(folder)
    samples = exported(folder)
    trials = folder / "trials"
    for path in trials.rglob("*.png"):
        os.utime(path)
    (trials / "p1 t3").rename(trials / "elsewhere")
    text = (folder / "labels.csv").read_text()
    (folder / "labels.csv").write_text(text.replace("p1 t3,right", "elsewhere,left"))
    (trials / "elsewhere" / "notes.txt").write_text("not a picture")
    assert ttprep("plan", cwd=folder).returncode == 0
    again = exported(folder)
    assert dict(zip(again["id"], again["label_name"], strict=True)) == {
        **dict(zip(samples["id"], samples["label_name"], strict=True)), samples["id"][3]: "Left"
    }  # fmt: skip


def test_renamed_pictures_are_another_trial(folder: Path) -> None:
    run(folder, "--stage", "frames")
    trial = folder / "trials" / "p0 t0"
    (trial / "010.png").rename(trial / "x")
    (trial / "014.png").rename(trial / "010.png")
    (trial / "x").rename(trial / "014.png")  # the same bytes in another order
    plan = as_json(ttprep("plan", "--stage", "frames", "--json", cwd=folder))
    assert [p["video"] for p in plan["to_do"]] == ["trials/p0 t0"]


def test_paths_may_name_single_trials(folder: Path) -> None:
    done = as_json(ttprep("plan", "--stage", "roi", "--json", "trials/p0 t2", cwd=folder))
    assert {p["video"] for p in done["to_do"]} == {"trials/p0 t2"}
    done = as_json(ttprep("plan", "--stage", "frames", "--json", ".", cwd=folder))
    assert {p["video"] for p in done["to_do"]} == {f"trials/p{i % 2} t{i}" for i in range(4)}
    lost = ttprep("plan", "--stage", "frames", "trials/none", cwd=folder)
    assert "no such file or folder" in lost.stdout


def test_a_trial_without_its_joints_fails_alone(folder: Path) -> None:
    (folder / "trials" / "p0 t0" / "joints.csv").unlink()
    write_joints(folder / "trials" / "p1 t1" / "joints.csv", positions(20))
    done = ttprep("run", "--workers", "0", "--stage", "descriptor", cwd=folder)
    assert done.returncode == SOME_FAILED
    lines = [x for x in done.stdout.splitlines() if x.startswith("failed: ")]
    assert len(lines) == 2
    assert any("p0 t0: joints.csv cannot be read" in x for x in lines)
    assert any("p1 t1" in x and "joints of 20 frames" in x for x in lines)
    assert len([p for p in stage_files(folder / "store") if "descriptor" in p]) == 2


def test_joints_may_lie_elsewhere(folder: Path) -> None:
    (folder / "joints").mkdir()
    for trial in (folder / "trials").iterdir():
        shutil.move(trial / "joints.csv", folder / "joints" / f"{trial.name}.csv")
    text = (folder / "data_manifest.yaml").read_text()
    (folder / "data_manifest.yaml").write_text(text.replace("joints.csv", '"../../joints/{trial}.csv"'))
    run(folder, "--stage", "descriptor")
    assert len([p for p in stage_files(folder / "store") if "descriptor" in p]) == 4


def test_serial_equals_parallel(folder: Path) -> None:
    run(folder, workers=2)
    run(folder, "--store", "other")
    assert stage_files(folder / "store") == stage_files(folder / "other")


# -- start frames ----------------------------------------------------------------------------


def with_start(folder: Path, **start: float) -> None:
    """Samples from the start frame on; the square is found to set off."""
    text = (folder / "data_manifest.yaml").read_text().replace("labels.csv}", "labels.csv, sample: start}")
    values = {"still_seconds": 0.1, "growing_seconds": 0.1, **start}
    (folder / "data_manifest.yaml").write_text(text + f"  start: {json.dumps(values)}\n")


def test_samples_begin_at_the_start_frame(folder: Path) -> None:
    with_start(folder)
    done = run(folder)
    assert ttprep("plan", cwd=folder).returncode == 0
    samples = exported(folder)
    # still up to frame 6: with three frames of growth the first that moved enough is 7 or 8
    assert all(b in (7, 8) for b in samples["begin"])
    assert samples["end"] == [N] * 4
    assert samples["rows"] == [20] * 4  # T, reaching back before the start, which is said
    assert "4 with less than 20 frames from the start on: trials/p0 t0, " in done.stderr
    manifest = read_manifest(folder / "data_manifest.yaml")
    store = Store.open(folder / "store")
    overview = survey(Request(manifest, folder / "store"), store, Console(stderr=True, quiet=True))
    for source in overview.sources:
        plan = {p.node.stage.name: p for p in overview.plans[source.sha256]}
        with store.reader(plan["start"].node.slot) as reader:
            assert np.flatnonzero(reader.read("start")).tolist() == [overview.samples.starts[source.sha256]]


def test_a_trial_without_start_is_reported_and_is_no_sample(folder: Path) -> None:
    still = folder / "trials" / "p0 t2"
    shutil.rmtree(still)
    write_trial(still, [pictures(seed=2)[0]] * N)
    write_joints(still / "joints.csv", positions(seed=2))
    with_start(folder)
    done = run(folder)
    notes = [x for x in done.stderr.splitlines() if "no start frame found" in x]
    assert len(notes) == 1
    assert "trials/p0 t2" in notes[0]
    assert "its picture never changes by 6" in notes[0]
    again = as_json(ttprep("run", "--workers", "0", "--json", cwd=folder))
    assert [n for n in again["notes"] if "no start frame found" in n] == [notes[0].removeprefix("note: ")]
    assert exported(folder)["name"] == ["trials/p0 t0", "trials/p1 t1", "trials/p1 t3"]
    status = ttprep("status", cwd=folder).stdout
    (row,) = [x for x in status.splitlines() if "│" in x and "p0 t2" in x]
    assert "–" in row, "no cuboids are made of it, and none are kept"
    for words in (("plan",), ("export", "e.h5")):
        assert notes[0] in ttprep(*words, cwd=folder).stderr
    picture = ttprep("preview", "trials/p0 t2", "-o", "no start.png", "--start", cwd=folder)
    assert picture.returncode == 0
    assert "no start: its picture never changes" in picture.stderr
    found = ttprep("preview", "trials/p0 t0", "-o", "start.png", "--start", cwd=folder)
    assert "start: frame " in found.stderr
    for name in ("no start.png", "start.png"):
        image = read_picture(str(folder / name))
        assert image.shape[1] == 1200
        assert image.std() > 20


def test_an_export_without_any_start_says_what_is_lacking(folder: Path) -> None:
    with_start(folder, picture=10_000)
    done = run(folder)
    assert done.stderr.count("no start frame found") == 4
    lost = ttprep("export", "e.h5", cwd=folder)
    assert lost.returncode == 1
    assert "no sample to export" in lost.stderr
    assert "a start frame" in lost.stderr


def test_start_is_for_trials_that_ask_for_it(folder: Path) -> None:
    run(folder)
    assert not [p for p in stage_files(folder / "store") if "start" in Path(p).name]
    picture = ttprep("preview", "trials/p0 t0", "-o", "a.png", "--start", cwd=folder)
    assert picture.returncode == 1
    assert "ttprep run --stage start" in picture.stderr
    run(folder, "--stage", "start")  # on request it is computed all the same
    assert len([p for p in stage_files(folder / "store") if "start" in Path(p).name]) == 4

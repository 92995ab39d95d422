"""``ttprep strokes``: one row for each annotated stroke, of trials with joints and of a rendered video."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest
import yaml
from click.testing import Result

from pipeline.inputs.manifest import Manifest
from pipeline.planning.graph import active_inputs
from stages.kinematics.angles import UNITS
from stages.kinematics.measures import MEASURES
from stages.kinematics.stage import STAGE as kinematics
from tests.pipeline.cli.conftest import Ttprep
from tests.support.flipped_store import TINY, write_trial
from ttdemo import load_truth, render_clip

SOURCE = {"kind": "frames", "path": "trials", "fps": 30, "labels": "labels.csv", "joints": "joints.csv"}
LABELS = "file,label,player\na,Left,anna\nb,Right,ben\n"


def project(folder: Path, **changes: Any) -> None:
    """Two trials of somebody who moves to the right, with joints."""
    for name, n in (("a", 20), ("b", 26)):
        write_trial(folder / "trials" / name, n, joints=True)
    (folder / "labels.csv").write_text(LABELS)
    (folder / "data_manifest.yaml").write_text(yaml.safe_dump({**TINY, "sources": [SOURCE], **changes}))


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("strokes")
    project(folder)
    return folder


Strokes = Callable[..., Result]


@pytest.fixture
def strokes(ttprep: Ttprep, trials: Path) -> Strokes:
    """``strokes(*words)`` of the two trials."""
    return lambda *words: ttprep("strokes", "--workers", 0, *words, folder=trials)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_row_for_each_stroke_with_units_in_the_headings(strokes: Strokes) -> None:
    done = strokes()
    assert done.exit_code == 0, done.output
    rows = rows_of(done.stdout)
    assert [(r["label"], r["player"], r["begin"], r["end"]) for r in rows] == [
        ("Left", "anna", "0", "20"), ("Right", "ben", "0", "26"),
    ]  # fmt: skip
    assert {r["rate"] for r in rows} == {"30"}
    assert {"body_length_px", "forward_swing_s", "elbow_at_turn_degrees"} < set(rows[0])
    assert {"wrist_peak_speed_body_lengths_per_s", "path_length_body_lengths"} < set(rows[0])
    # all joints move alike: 30 px/s
    speeds = [float(r["wrist_peak_speed_body_lengths_per_s"]) * float(r["body_length_px"]) for r in rows]
    assert speeds == pytest.approx([30, 30], rel=0.05)
    assert {r["arm_confidence"] for r in rows} == {"0.9"}


def test_json_has_the_units_and_the_same_values(strokes: Strokes) -> None:
    told = json.loads(strokes("--json", "-q").stdout)
    assert told["units"]["turn"] == "frame"
    assert {name: told["units"][name] for name in MEASURES} == {n: u for n, (u, _) in MEASURES.items()}
    rows = rows_of(strokes().stdout)
    assert [s["body_length"] for s in told["strokes"]] == pytest.approx(
        [float(r["body_length_px"]) for r in rows], rel=1e-5
    )


def test_the_store_holds_every_frame_with_units(strokes: Strokes, trials: Path) -> None:
    assert strokes().exit_code == 0
    files = sorted(trials.glob("store/videos/*/kinematics-*.h5"))
    assert len(files) == 2
    with h5py.File(files[0]) as file:
        n = len(file["frame"])
        assert file["joints"].shape == (n, 13, 2)
        assert file["hand"].shape == (1,)
        for name, unit in UNITS.items():
            assert (file[name].shape, file[name].attrs["units"]) == ((n,), unit)
        assert file["samples"][:].tolist() == [[0, n, 0, n, n]]


def test_a_second_call_computes_nothing(strokes: Strokes, trials: Path) -> None:
    strokes()
    before = {p: p.stat().st_mtime_ns for p in trials.glob("store/videos/*/*.h5")}
    assert strokes().exit_code == 0
    assert {p: p.stat().st_mtime_ns for p in trials.glob("store/videos/*/*.h5")} == before


def test_a_player_alone_and_one_whom_nobody_knows(strokes: Strokes) -> None:
    assert [r["player"] for r in rows_of(strokes("--player", "BEN").stdout)] == ["ben"]
    done = strokes("--player", "carl")
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == "error: no stroke is of a player 'carl'; known: anna, ben"


def test_left_handers_are_mirrored_on_request(ttprep: Ttprep, tmp_path: Path) -> None:
    project(tmp_path, stages={**TINY["stages"], "kinematics": {"hand": "left"}})
    plain = rows_of(ttprep("strokes", "--workers", 0, folder=tmp_path).stdout)
    turned = rows_of(ttprep("strokes", "--workers", 0, "--mirror", folder=tmp_path).stdout)
    assert {r["hand"] for r in plain + turned} == {"left"}
    assert ({r["mirrored"] for r in plain}, {r["mirrored"] for r in turned}) == ({"0"}, {"1"})
    for a, b in zip(plain, turned, strict=True):
        assert a.pop("mirrored") != b.pop("mirrored")
        for name in a:
            if name.startswith("trunk_lean"):
                assert float(b[name]) == pytest.approx(-float(a[name]), rel=1e-3, abs=1e-4)
            elif name not in ("video", "player", "label", "hand"):
                assert float(b[name]) == pytest.approx(float(a[name]), rel=1e-3, abs=1e-5), name


def test_what_cannot_be_described_is_said_in_one_line(
    ttprep: Ttprep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTPREP_POSENET_WEIGHTS", str(tmp_path / "none"))
    project(tmp_path, sources=[{**SOURCE, "joints": ""}])
    done = ttprep("strokes", "--workers", 0, folder=tmp_path)
    assert done.exit_code == 1
    assert "holds no usable PoseNet weights" in done.stderr.splitlines()[-1]
    assert done.stdout == ""
    assert "Traceback" not in done.output
    nowhere = ttprep("strokes", "--workers", 0, "nowhere.mp4", folder=tmp_path)
    assert (nowhere.exit_code, nowhere.stdout) == (1, "")
    assert "no such file" in nowhere.stderr


@pytest.mark.usefixtures("pose_weights")
def test_a_rendered_stroke_is_described_as_it_was_played(ttprep: Ttprep, tmp_path: Path) -> None:
    clip = render_clip(
        tmp_path / "clips/one.mp4", seed=4, strokes=["Offensive Forehand Loop"], fps=60, size=(320, 180),
        duration=(0.8, 0.8), gap=(0.2, 0.25),
    )  # fmt: skip
    manifest = {"videos": ["clips"], "annotations": ["clips"], "store": "store"}
    (tmp_path / "data_manifest.yaml").write_text(yaml.safe_dump(manifest))
    done = ttprep("strokes", "--workers", 0, folder=tmp_path)
    assert done.exit_code == 0, done.output
    (row,) = rows_of(done.stdout)
    truth = load_truth(clip.truth)
    assert (row["hand"], row["label"]) == ("right", "Offensive Forehand Loop")
    assert abs(int(row["turn"]) - truth.back[0]) <= 6
    assert abs(int(row["peak"]) - truth.contact[0]) <= 6
    joints = truth.joints
    length = np.linalg.norm(joints[:, 6] - joints[:, 12], axis=-1)
    assert float(row["body_length_px"]) == pytest.approx(float(np.median(length)), rel=0.2)
    # 15.2 by the renderer's joints; PoseNet's alone say 9.6
    assert 11 < float(row["wrist_peak_speed_body_lengths_per_s"]) < 19


@pytest.mark.parametrize(
    ("changes", "read"),
    [
        ({}, True),
        ({"stages": {"flow": {"method": "dis"}}}, False),
        ({"stages": {"kinematics": {"motion": "joints"}}}, False),
        ({"modalities": ["rgb", "pose"]}, False),
    ],
)
def test_flow_that_is_too_coarse_is_not_read(changes: dict[str, Any], read: bool) -> None:
    manifest = Manifest.model_validate(changes)
    assert ("flow.flow" in active_inputs(kinematics, manifest)) == read
    assert "descriptor.joints" in active_inputs(kinematics, manifest)

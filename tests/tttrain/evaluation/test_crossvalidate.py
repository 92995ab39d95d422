"""Folds of whole groups, the table over them, and the pose-only baseline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

import torch

from tests.support.dataset_writer import write_dataset
from tests.support.trainings import call
from tttrain.data.dataset_file import read_info
from tttrain.errors import TrainError
from tttrain.evaluation.folds.crossvalidate import summarise
from tttrain.evaluation.folds.dealing import as_fold, deal, folds_of, groups_of
from tttrain.evaluation.folds.pose_baseline import courses, fit_and_predict, joint_course

torch.set_num_threads(1)
GROUPS = ("red", "red", "blue", "green", "green")
JOINTS = ("pose", "nose", "left_shoulder", "right_shoulder", "left_hip", "right_hip", "left_wrist")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("folds") / "d.h5", videos=5, strokes=6, groups=GROUPS)


@given(
    st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 6)), min_size=2, max_size=60),
    st.integers(0, 7),
)
def test_each_group_is_tested_once_and_no_fold_is_empty(pairs: list[tuple[int, int]], folds: int) -> None:
    label = np.array([k for k, _ in pairs])
    groups = np.array([f"g{g}" for _, g in pairs])
    used = sorted(set(groups[label >= 0].tolist()))
    if not 2 <= (folds or len(used)) <= len(used):
        with pytest.raises(TrainError, match="groups cannot make"):
            deal(label, groups, folds)
        return
    dealt = deal(label, groups, folds)
    assert len(dealt) == (folds or len(used))
    assert all(dealt)
    assert sorted(name for fold in dealt for name in fold) == used
    order = np.random.default_rng(len(pairs)).permutation(len(pairs))
    assert deal(label[order], groups[order], folds) == dealt


def test_classes_are_spread_over_folds() -> None:
    label = np.array([0] * 12 + [1] * 12)
    groups = np.array([f"{'ab'[k]}{i // 3}" for k in (0, 1) for i in range(12)])
    for fold in deal(label, groups, 4):
        assert sorted(name[0] for name in fold) == ["a", "b"]


def test_a_fold_trains_on_nothing_that_it_tests(path: Path) -> None:
    info = read_info(path)
    groups = groups_of(info, "group")
    dealt = deal(info.samples.label, groups, 0)
    assert dealt == [["green"], ["red"], ["blue"]]
    digests = set()
    for fold, test in zip(folds_of(info, groups, dealt, validation="validation"), dealt, strict=True):
        rows = {split: set(groups[fold.rows_of(split)].tolist()) for split in fold.splits}
        assert rows["test"] == set(test)
        assert not rows["train"] & (rows["test"] | rows["validation"])
        assert set.union(*rows.values()) == {"red", "blue", "green"}
        digests.add(fold.samples_digest)
    assert len(digests | {info.samples_digest}) == 4
    without = as_fold(info, groups, ["red"])
    assert not len(without.rows_of("validation"))
    assert set(groups_of(info, "video").tolist()) == {f"video_{v}.mp4" for v in range(5)}


def test_the_command_trains_tests_tabulates_and_continues(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    args: list[Any] = [
        "crossvalidate", path, out, "--models", "pose,twin", "--folds", "3", "--epochs", "1",
        "--size", "16x16", "--validation", "none", "--schedule", "constant", "--no-augment",
    ]  # fmt: skip
    found = json.loads(call(*args, "--json").stdout)
    assert json.loads((out / "report.json").read_text()) == found
    assert [m["name"] for m in found["models"]] == ["pose", "twin"]
    assert [b["name"] for b in found["baselines"]] == ["most frequent class", "pose alone"]
    assert found["samples"] == 60
    for row in (*found["models"], *found["baselines"]):
        assert np.sum(row["confusion"]) == 60
        assert np.trace(row["confusion"]) / 60 == pytest.approx(row["pooled"])
        sizes = [fold["samples"] for fold in found["folds"]]
        assert np.average(row["accuracies"], weights=sizes) == pytest.approx(row["pooled"])
        assert row["mean"] == pytest.approx(np.mean(row["accuracies"]))
    report = json.loads((out / "twin" / "fold-1" / "evaluate-test" / "report.json").read_text())
    info = read_info(path)
    rows = np.isin(info.samples.id, [p["id"] for p in report["predictions"]])
    assert set(groups_of(info, "group")[rows].tolist()) == set(found["folds"][0]["test"])
    table = (out / "table.md").read_text()
    assert "| pose alone |" in table
    assert "| fold | samples | groups tested |" in table
    # again: nothing is trained, the same table
    made = {p: p.stat().st_mtime_ns for p in out.rglob("*.pt")}
    assert "60 samples in 3 folds" in call(*args).output
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*.pt")} == made
    assert (out / "table.md").read_text() == table


def test_one_fold_tests_the_groups_named(path: Path, tmp_path: Path) -> None:
    call("crossvalidate", path, tmp_path / "o", "--test-group", "blue", "--validation", "none",
         "--schedule", "constant")  # fmt: skip
    found = json.loads((tmp_path / "o" / "report.json").read_text())
    assert found["folds"] == [{"test": ["blue"], "samples": 12}]
    assert found["models"] == []
    assert found["baselines"][0]["deviation"] is None


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--folds", "4"], "3 groups cannot make 4 folds; take 2 to 3"),
        (["--test-group", "grey"], "no group 'grey'; there are: blue, green, red"),
        (["--test-group", "red"], "--validation none --schedule constant"),
        (["--train", "all"], "folds take the place of splits"),
        (["--models", "twin", "--folds", "3", "--statistics", "train"], "take --statistics all"),
        (["--sampling", "frames"], "folds are of samples"),
    ],
)
def test_what_cannot_be_done_is_one_line(path: Path, tmp_path: Path, words: list[str], why: str) -> None:
    result = call("crossvalidate", path, tmp_path / "o", *words, code=2)
    assert why in result.output
    assert result.output.count("\n") == 1
    assert not (tmp_path / "o").exists()


def test_without_groups_the_video_is_the_remedy(tmp_path: Path) -> None:
    plain = write_dataset(tmp_path / "d.h5", videos=2, strokes=3)
    assert "--by video" in call("crossvalidate", plain, tmp_path / "o", "--folds", "2", code=2).output
    call("crossvalidate", plain, tmp_path / "o", "--folds", "2", "--by", "video")
    assert "| video_0.mp4 |" in (tmp_path / "o" / "table.md").read_text()


def test_the_joints_course_is_free_of_place_distance_and_duration() -> None:
    rng = np.random.default_rng(0)
    pose = np.concatenate([rng.uniform(20, 60, (9, 7, 2)), np.ones((9, 7, 1))], axis=2)
    pose[:, 2:6] = pose[0, 2:6]  # the trunk rests
    usual = joint_course(pose, JOINTS)
    assert usual.shape == (16 * 6 * 2,)
    moved = pose.copy()
    moved[..., :2] = 3 * moved[..., :2] + [70, -20]
    np.testing.assert_allclose(joint_course(moved, JOINTS), usual)
    slow = np.empty((17, 7, 3))
    slow[::2], slow[1::2] = pose, (pose[1:] + pose[:-1]) / 2
    np.testing.assert_allclose(joint_course(slow, JOINTS), usual)
    # a joint that is not found in a frame is bridged; nobody at all is zeros
    gap = pose.copy()
    gap[4, 6] = [1000, 1000, 0]
    assert np.abs(joint_course(gap, JOINTS)).max() < 10
    gap[..., 2] = 0
    assert not joint_course(gap, JOINTS).any()


def test_the_baseline_learns_from_poses_what_pixels_show(path: Path) -> None:
    info = read_info(path)
    features, groups = courses(info), groups_of(info, "video")
    fold = as_fold(info, groups, ["video_4.mp4"])
    test, label = fold.rows_of("test"), info.samples.label
    train = np.setdiff1d(np.arange(len(label)), test)
    predicted = fit_and_predict(features, label, train, test, len(info.classes))
    vertical = label[test] < 2  # up and down differ by the course alone
    assert (predicted == label[test])[vertical].mean() == 1.0


def test_a_summary_counts_as_a_person_would() -> None:
    row = summarise("x", [np.array([[3, 1], [0, 0]]), np.array([[0, 0], [2, 2]])], ["a", "b"])
    assert row["accuracies"] == [0.75, 0.5]
    assert row["mean"] == 0.625
    assert row["deviation"] == pytest.approx(0.1767767)
    assert (row["pooled"], row["recall"]) == (0.625, {"a": 0.75, "b": 0.5})
    assert row["confusion"] == [[3, 1], [2, 2]]

"""Robustness [GRU] §V-F: what is disturbed and how, and that nothing else decides the random numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.dataset_writer import write_dataset
from tttrain.evaluation.disturbances import (
    DISTURBANCES,
    Disturbed,
    disturb_frames,
    frame_rate_error,
    missing_frames,
    shifted,
    spatial_offset,
    trial_rng,
    undisturbed,
)

T = 40


@given(st.integers(0, 2**32 - 1), st.integers(41, 45))
def test_extra_frames_are_deleted_and_the_rest_keeps_its_order(seed: int, taken: int) -> None:
    made = frame_rate_error(np.random.default_rng(seed), T, taken)
    assert len(made.frames) == len(set(made.frames.tolist())) == T
    assert (np.diff(made.frames) >= 1).all()
    assert made.frames[0] >= 0
    assert made.frames[-1] < taken
    assert not made.missing.any()
    assert made.shift == (0, 0)


def test_every_frame_is_deleted_as_often_as_any_other() -> None:
    rng = np.random.default_rng(0)
    kept = np.zeros(T + 5)
    for _ in range(2000):
        kept[frame_rate_error(rng, T, T + 5).frames] += 1
    assert np.abs(kept / 2000 - T / (T + 5)).max() < 0.03  # 4 deviations of a share of 2000


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_so_many_frames_are_missing_and_no_other_thing_changes(seed: int, count: int) -> None:
    made = missing_frames(np.random.default_rng(seed), T, count)
    assert made.missing.sum() == count
    assert made.missing.dtype == bool
    assert made.frames.tolist() == list(range(T))
    assert made.shift == (0, 0)


def test_any_frame_can_be_missing() -> None:
    rng = np.random.default_rng(1)
    lost = sum(missing_frames(rng, T, 2).missing.astype(int) for _ in range(1500))
    assert np.abs(lost / 1500 - 2 / T).max() < 0.03


@given(st.integers(0, 2**32 - 1), st.integers(1, 10))
def test_the_offset_is_so_long(seed: int, pixels: int) -> None:
    made = spatial_offset(np.random.default_rng(seed), T, pixels)
    assert abs(np.hypot(*made.shift) - pixels) <= np.sqrt(0.5)  # rounded to whole pixels
    assert made.frames.tolist() == list(range(T))
    assert not made.missing.any()


def test_offsets_go_in_all_directions() -> None:
    rng = np.random.default_rng(2)
    shifts = np.array([spatial_offset(rng, T, 10).shift for _ in range(400)])
    quarter = np.floor(np.arctan2(shifts[:, 1] + 0.01, shifts[:, 0] + 0.01) / (np.pi / 2)).astype(int) % 4
    assert np.bincount(quarter, minlength=4).min() > 70
    assert np.abs(shifts.mean(axis=0)).max() < 1.5


def test_random_numbers_follow_from_seed_disturbance_strength_repeat_and_trial_alone() -> None:
    given_ = (7, "frame-rate", 43, 1, "abc:20-90")
    first = trial_rng(*given_).integers(0, 2**63, 4).tolist()
    trial_rng(*given_).random(100)
    assert trial_rng(*given_).integers(0, 2**63, 4).tolist() == first
    others = [
        (8, "frame-rate", 43, 1, "abc:20-90"), (7, "missing-frames", 43, 1, "abc:20-90"),
        (7, "frame-rate", 42, 1, "abc:20-90"), (7, "frame-rate", 43, 0, "abc:20-90"),
        (7, "frame-rate", 43, 1, "abc:21-90"), (7, "frame-rate", 4, 31, "abc:20-90"),
    ]  # fmt: skip
    drawn = [trial_rng(*other).integers(0, 2**63, 4).tolist() for other in others]
    assert len({tuple(d) for d in [first, *drawn]}) == 1 + len(others)


def test_the_three_experiments_are_the_papers() -> None:
    rate, missing, offset = DISTURBANCES.values()
    assert rate.strengths == (41, 42, 43, 44, 45)
    assert missing.strengths == (1, 2, 3, 4, 5)
    assert offset.strengths == tuple(range(1, 11))
    rng = np.random.default_rng
    assert rate.apply(rng(3), T, 45, 240).frames.max() > T
    assert missing.apply(rng(3), T, 4, 240).missing.sum() == 4
    assert np.hypot(*offset.apply(rng(3), T, 10, 240).shift) == pytest.approx(10, abs=0.71)
    assert np.hypot(*offset.apply(rng(3), T, 10, 120).shift) == pytest.approx(5, abs=0.71)


@pytest.mark.parametrize("shift", [(0, 0), (3, 2), (-2, 1), (4, -3), (12, 9), (-30, -30)])
def test_a_shift_moves_the_content_and_repeats_the_border(shift: tuple[int, int]) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 9, 12, 3), dtype=np.uint8)
    pad = 40
    padded = np.pad(frames, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="edge")
    x, y = shift
    expected = padded[:, pad - y : pad - y + 9, pad - x : pad - x + 12]
    assert np.array_equal(shifted(frames, shift), expected)


def test_a_dot_goes_where_the_shift_says() -> None:
    frames = np.zeros((1, 9, 12, 3), np.uint8)
    frames[0, 4, 6] = 255
    moved = shifted(frames, (2, -3))
    assert np.argwhere(moved[0, ..., 0]).tolist() == [[1, 8]]


def test_frames_behind_the_last_one_repeat_it() -> None:
    frames = np.arange(42, dtype=np.uint8).reshape(42, 1, 1, 1)
    chosen = np.array([*range(3, 41), 43, 44])
    out = disturb_frames(frames, Disturbed(chosen, np.zeros(T, bool), (0, 0)))
    assert out[:, 0, 0, 0].tolist() == [*range(3, 41), 41, 41]
    assert disturb_frames(frames, undisturbed(T))[:, 0, 0, 0].tolist() == list(range(T))


# -- the command -----------------------------------------------------------------------------

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

import torch  # noqa: E402

from tests.support.trainings import call  # noqa: E402
from tttrain.evaluation.robustness import ComparedRun, names_of, robustness  # noqa: E402
from tttrain.evaluation.trained_network import load_network  # noqa: E402
from tttrain.evaluation.trials import TrialScorer  # noqa: E402

FIT = ["--model", "cnn-lstm", "--size", "12x12", "--pixels", "standard", "--batch", "6", "--lr", "0.002"]
SHAPE: Any = {"frame": (64, 48), "crop": (32, 32), "window": (32, 32), "length": T + 2}


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A dataset, and two runs with a sampling method each."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("robust")
    data = write_dataset(folder / "d.h5", videos=2, strokes=9, modalities=("rgb",), untrimmed=False, **SHAPE)
    for number in (3, 4):
        call("fit", data, folder / f"run{number}", *FIT, "--epochs", 40, "--sampling", f"method-{number}")
    return data, folder / "run3", folder / "run4"


@pytest.fixture(scope="module")
def report(paths: tuple[Path, Path, Path]) -> dict[str, Any]:
    _, one, other = paths
    found: dict[str, Any] = json.loads(
        call("robustness", one, other, "--repeat", "2", "--json", "--device", "cpu").stdout
    )
    return found


def test_every_strength_of_every_disturbance_is_measured(
    paths: tuple[Path, Path, Path], report: dict[str, Any]
) -> None:
    _, one, _ = paths
    assert list(report["runs"]) == ["run3", "run4"]
    assert (report["split"], report["repeat"], report["seed"]) == ("test", 2, 0)
    for found in report["runs"].values():
        assert list(found["disturbances"]) == list(DISTURBANCES)
        for name, points in found["disturbances"].items():
            assert tuple(p["strength"] for p in points) == DISTURBANCES[name].strengths
            for point in points:
                assert len(point["repeats"]) == 2
                assert point["accuracy"] == pytest.approx(np.mean(point["repeats"]))
                hits = np.array(point["repeats"]) * report["trials"]
                np.testing.assert_allclose(hits, np.rint(hits), atol=1e-9)
    place = one / "robustness-test"
    assert json.loads((place / "robustness.json").read_text()) == report
    table = (place / "robustness.md").read_text()
    assert "| run3 |" in table
    assert "| run | none | 41 | 42 | 43 | 44 | 45 |" in table
    shown = cv2.imread(str(place / "robustness.png"))
    assert shown is not None
    assert shown.std() > 10


def test_undisturbed_it_is_what_evaluate_says(paths: tuple[Path, Path, Path], report: dict[str, Any]) -> None:
    for run in paths[1:]:
        plain = json.loads(call("evaluate", run, "--json", "--device", "cpu").stdout)
        assert report["runs"][run.name]["accuracy"] == plain["decisions"]["average"]["accuracy"]


def test_neither_order_nor_company_changes_a_number(
    paths: tuple[Path, Path, Path], report: dict[str, Any]
) -> None:
    _, one, other = paths
    words = ("--repeat", "2", "--json", "--device", "cpu", "-o", one / "again", "--batch", "3")
    again = json.loads(call("robustness", other, one, "--only", "spatial-offset", *words).stdout)
    for run in ("run3", "run4"):
        found, known = again["runs"][run], report["runs"][run]
        assert list(found["disturbances"]) == ["spatial-offset"]
        assert found["accuracy"] == known["accuracy"]
        assert found["disturbances"]["spatial-offset"] == known["disturbances"]["spatial-offset"]


class Recorder(TrialScorer):
    """Keeps what it is asked to score."""

    seen: list[tuple[Any, Any]]

    def score_many(self, trials: Any) -> Any:
        self.seen += [(frames.copy(), missing) for frames, missing in trials]
        return super().score_many(trials)


def test_networks_are_shown_what_is_described(paths: tuple[Path, Path, Path], tmp_path: Path) -> None:
    """Every disturbed trial, made anew by hand from the stored frames."""
    scorer = Recorder(load_network(paths[1], None, torch.device("cpu")))
    scorer.seen = []
    robustness([ComparedRun("a", paths[1], scorer)], "test", tmp_path, repeat=1, seed=5)
    seen = iter(scorer.seen)
    for trial in scorer.trials("test"):
        frames, missing = next(seen)
        assert np.array_equal(frames, trial.frames[:T])
        assert missing is None
        long = np.concatenate([trial.frames, trial.frames[[-1] * 8]])
        for taken in range(41, 46):
            frames, missing = next(seen)
            kept = np.sort(trial_rng(5, "frame-rate", taken, 0, trial.id).choice(taken, T, replace=False))
            assert np.array_equal(frames, long[kept])
            assert missing is None
        for count in range(1, 6):
            frames, missing = next(seen)
            lost = trial_rng(5, "missing-frames", count, 0, trial.id).choice(T, count, replace=False)
            assert np.array_equal(frames, trial.frames[:T])
            assert np.flatnonzero(missing).tolist() == sorted(lost.tolist())
        for pixels in range(1, 11):
            frames, missing = next(seen)
            angle = trial_rng(5, "spatial-offset", pixels, 0, trial.id).uniform(0, 2 * np.pi)
            x, y = (round(pixels * 32 / 240 * f(angle)) for f in (np.cos, np.sin))
            wide = np.pad(trial.frames[:T], ((0, 0), (9, 9), (9, 9), (0, 0)), mode="edge")
            assert np.array_equal(frames, wide[:, 9 - y : 41 - y, 9 - x : 41 - x])
            assert missing is None
    assert next(seen, None) is None


def test_a_network_that_has_learnt_loses_accuracy_off_the_centre(paths: tuple[Path, Path, Path]) -> None:
    words = ("--split", "all", "--only", "spatial-offset", "--repeat", "1", "--json", "--device", "cpu")
    found = json.loads(call("robustness", paths[1], *words).stdout)["runs"]["run3"]
    assert found["accuracy"] > 0.8
    assert found["disturbances"]["spatial-offset"][-1]["accuracy"] < found["accuracy"] - 0.05


def test_what_the_reader_must_know_is_noted(paths: tuple[Path, Path, Path], report: dict[str, Any]) -> None:
    said = " ".join(report["notes"])
    assert "have fewer than 45 frames" in said  # samples of 42 to 49 rows
    assert "reaches 1 px over the picture's border" in said  # the crop is all there is
    assert "an offset of 1 px of a crop of 240 is 0.13 of its pixels" in said
    assert "no test" not in said
    seen = call("robustness", paths[1], "--split", "train", "--only", "missing-frames", "--repeat", "1")
    assert "note: this is no test of run3, which was trained on" in seen.stderr
    out = call("robustness", paths[2], "--only", "missing-frames", "--repeat", "1", "--device", "cpu")
    assert "frames missing" in out.stdout
    assert "robustness.png" in out.stdout


def test_runs_that_cannot_be_compared_are_refused(paths: tuple[Path, Path, Path], tmp_path: Path) -> None:
    data, one, _ = paths
    assert "named twice" in call("robustness", one, one, code=2).stderr
    plain = tmp_path / "plain"
    call("fit", data, plain, *FIT, "--epochs", "1", "--sampling", "normal", "--length", "4")
    assert "name a run of an RGB model trained with --sampling" in call("robustness", plain, code=2).stderr
    other = write_dataset(
        tmp_path / "o.h5", seed=1, videos=2, strokes=9, modalities=("rgb",), untrimmed=False, **SHAPE
    )
    call("fit", other, tmp_path / "far", *FIT, "--epochs", "1", "--sampling", "method-4")
    assert "of different datasets" in call("robustness", one, tmp_path / "far", code=2).stderr
    assert "no run there" in call("robustness", tmp_path / "none", code=1).stderr
    assert "no split 'exam'" in call("robustness", one, "--split", "exam", code=1).stderr


def test_names_of_runs_tell_them_apart() -> None:
    assert names_of([Path("a/x"), Path("a/y")]) == ["x", "y"]
    assert names_of([Path("a/x"), Path("b/x")]) == ["a/x", "b/x"]

"""Sampling methods, crop and colours of the ConvGRU paper, from the file to the score."""

from __future__ import annotations

import colorsys
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

import torch

from tests.support.trainings import CPU, Quiet, curve, run
from tests.support.trials_writer import write_trials
from tttrain.data.augmentation import draw_colour, draw_crop
from tttrain.data.colour import change_colour
from tttrain.data.dataset_file import (
    Array,
    read_info,
)
from tttrain.data.prepare import Preparer
from tttrain.data.samples import StrokeDataset, merged
from tttrain.data.sampling_methods import INTERVAL, METHODS
from tttrain.data.view import make_view
from tttrain.errors import TrainError
from tttrain.evaluation import plots
from tttrain.evaluation.evaluate import evaluate, sample_scores
from tttrain.evaluation.metrics import class_report, confusion_matrix, temporal_consistency
from tttrain.evaluation.trained_network import load_network
from tttrain.evaluation.trials import TrialScorer
from tttrain.models.outputs import probabilities
from tttrain.training import train
from tttrain.training.checkpoint import Checkpoints
from tttrain.training.config import RunConfig
from tttrain.training.lr_schedule import Constant, Point

torch.set_num_threads(1)
#: Table II as printed: training {first}, step(s), length; testing {first}, step, length
TABLE_2 = {
    1: (range(2), {2}, 20, (0, 1), 2),
    2: (range(4), {4}, 10, (0, 1, 2, 3), 4),
    3: (range(5), {5}, 8, (0, 1, 2, 3, 4), 5),
    4: (range(8), {8}, 5, (0, 1, 2, 3, 4, 5, 6, 7), 8),
    5: (range(4), {3, 4, 5}, 10, (0, 1, 2, 3), 4),
    6: (range(30), {1}, 10, (0, 10, 20, 30), 1),
    7: (range(20), {2}, 10, (0, 1, 20, 21), 2),
}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_trials(tmp_path_factory.mktemp("methods") / "d.h5")


def small(**changes: Any) -> RunConfig:
    base = {"model": "2d-convgru", "options": {"width": 0.03, "stride": 1, "dropout": 0.2}, "size": (16, 16),
            "sampling": "method-4", "epochs": 3, "batch": 9, "lr": 1e-3}  # fmt: skip
    return RunConfig(**{**base, **changes})


@pytest.mark.parametrize("number", TABLE_2)
def test_table_2(number: int) -> None:
    firsts, steps, length, test_firsts, test_step = TABLE_2[number]
    method = METHODS[f"method-{number}"]
    expected = [[f + test_step * i for i in range(length)] for f in test_firsts]
    assert method.tests.tolist() == expected
    assert method.tests.max() < INTERVAL
    rng = np.random.default_rng(number)
    drawn = np.array([method.draw(rng) for _ in range(600)])
    assert drawn.shape == (600, length)
    assert drawn.min() >= 0
    assert drawn.max() < INTERVAL
    assert set(drawn[:, 0]) == set(firsts)
    assert set(np.diff(drawn, axis=1).ravel()) == steps


def test_test_samples_of_methods_1_to_4_are_all_40_frames_once() -> None:
    for number in (1, 2, 3, 4):
        assert sorted(METHODS[f"method-{number}"].tests.ravel()) == list(range(40))


def test_the_settings_are_the_papers_unless_given(path: Path) -> None:
    config = RunConfig(model="2d-convgru")
    assert (config.optimizer, config.lr, config.batch, config.epochs) == ("adam", 1e-4, 32, 300)
    assert (config.weight_decay, config.schedule, config.sampling) == (5e-4, "constant", "method-1")
    assert (config.augmentation, config.square) == ("colour", 240)
    assert RunConfig(model="cnn-lstm").optimizer == "adam"
    assert RunConfig(model="cnn-lstm").epochs == 50
    assert RunConfig(model="2d-convgru", lr=0.5, sampling="method-5").lr == 0.5
    assert RunConfig(model="twin").optimizer == "sgd"
    assert RunConfig.model_validate_json(config.model_dump_json()) == config


def test_square_and_size_are_the_papers_or_in_proportion(path: Path, tmp_path: Path) -> None:
    info = read_info(path)
    large = dataclasses.replace(info, crop=(320, 240), window=(320, 240))
    view = make_view(large, square=240, method="method-1")
    assert (view.crop, view.size, view.inset, view.length, view.span) == (
        (240, 240),
        (224, 224),
        (40, 0),
        20,
        40,
    )
    view = make_view(dataclasses.replace(info, crop=(400, 300)), square=240, method="method-5")
    assert (view.crop, view.size, view.inset) == ((240, 240), (224, 224), (80, 30))
    view = make_view(dataclasses.replace(info, crop=(160, 120)), square=240)
    assert (view.crop, view.size, view.inset) == ((120, 120), (112, 112), (20, 0))
    with pytest.raises(TrainError, match="more than the square"):
        make_view(info, (30, 30), square=240)


def test_frames_are_those_of_the_method(path: Path) -> None:
    info = read_info(path)
    method = METHODS["method-5"]
    view = make_view(info, (24, 24), square=240, method="method-5")
    rows = info.rows_of("train")[:3]
    data = StrokeDataset(info, rows, view, ("rgb",), "train", augmentation="colour", seed=4)
    for epoch in range(4):
        for place in range(3):
            clip = data[epoch, place]
            numbers = clip["rgb"][:, 0, 0, 0].numpy()
            assert set(np.diff(numbers)) <= {3, 4, 5}
            assert numbers[0] in range(4)
            assert torch.equal(clip["rgb"], data[epoch, place]["rgb"])
            assert (clip["corner"] == torch.tensor([4, 0])).all()
    assert not torch.equal(data[0, 0]["colour"], data[1, 0]["colour"])
    tests = StrokeDataset(info, rows, view, ("rgb",), "tests")[1]
    assert tests["rgb"].shape == (4, 10, 24, 32, 3)
    assert (tests["rgb"][:, :, 0, 0, 0].numpy() == method.tests).all()
    assert "transform" not in tests
    assert "colour" not in tests
    centre = StrokeDataset(info, rows, view, ("rgb",), "centre")[1]
    assert torch.equal(centre["rgb"], tests["rgb"][0])
    flat, k = merged({name: v[None] for name, v in tests.items()})
    assert (k, flat["rgb"].shape) == (4, (4, 10, 24, 32, 3))


def test_frame_numbers_count_every_nth_frame(tmp_path: Path) -> None:
    path = write_trials(tmp_path / "d.h5", each=3, classes=2, every=4)
    info = read_info(path)
    view = make_view(info, (24, 24), every=4, square=240, method="method-2")
    assert view.span == 160
    clip = StrokeDataset(info, info.rows_of("test"), view, ("rgb",), "tests")[0]
    assert (clip["rgb"][:, :, 0, 0, 0].numpy() == METHODS["method-2"].tests).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"length": 7}, "method-4 takes 5 frames, not 7"),
        ({"every": 2}, "spans 80 frames, but .* has only T = 40"),
    ],
)
def test_what_does_not_fit_a_method_is_named(
    path: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(TrainError, match=message):
        run(path, tmp_path / "r", small(**changes))


def test_without_a_transform_the_central_square_is_shown_as_it_is(path: Path) -> None:
    info = read_info(path)
    view = make_view(info, (24, 24), square=240, method="method-4")
    data = StrokeDataset(info, info.rows_of("test"), view, ("rgb",), "tests")
    flat, _ = merged({name: v[None] for name, v in data[0].items()})
    out = Preparer(info, view, CPU)(flat)["rgb"]
    expected = flat["rgb"][:, :, :, 4:28].permute(0, 4, 1, 2, 3) / 255
    assert torch.equal(out, expected)


def test_the_random_crop_is_a_crop(path: Path) -> None:
    # at the crop's own size, what comes out must be the pixels of the crop
    info = read_info(path)
    view = make_view(info, (24, 24), square=240, method="method-4")
    clip = StrokeDataset(info, info.rows_of("test"), view, ("rgb",), "tests")[0]
    flat, _ = merged({name: v[None] for name, v in clip.items()})
    inner = round(24 * 235 / 240)
    seen = set()
    rng = np.random.default_rng(0)
    for _ in range(40):
        transform = draw_crop(rng, view.crop)
        corner = (np.array([24, 24]) - inner) / 2 - transform[2:4] / transform[1]
        x, y = (round(float(v)) for v in corner)
        np.testing.assert_allclose(corner, [x, y], atol=1e-4)
        assert 0 <= x <= 24 - inner
        assert 0 <= y <= 24 - inner
        seen.add((x, y))
        batch = {**flat, "transform": torch.from_numpy(transform).expand(len(flat["rgb"]), 5)}
        # as many pixels as the crop has: nothing is interpolated
        shown = dataclasses.replace(view, size=(inner, inner))
        out = Preparer(info, shown, CPU)(batch)["rgb"]
        expected = flat["rgb"][:, :, y : y + inner, 4 + x : 4 + x + inner].permute(0, 4, 1, 2, 3) / 255
        np.testing.assert_allclose(out.numpy(), expected.numpy(), atol=1e-4)
    assert len(seen) == (24 - inner + 1) ** 2
    full = draw_crop(rng, (240, 240))
    assert full[1] == pytest.approx(240 / 235)


def _jittered(pixels: Array, brightness: float, contrast: float, saturation: float, hue: float) -> Array:
    """One frame, (H, W, 3) float64, pixel by pixel."""
    weights = np.array([0.299, 0.587, 0.114])
    out = np.clip(pixels * brightness, 0, 1)
    out = np.clip((1 - contrast) * (out @ weights).mean() + contrast * out, 0, 1)
    out = np.clip((1 - saturation) * (out @ weights)[..., None] + saturation * out, 0, 1)
    for y, x in np.ndindex(out.shape[:2]):
        h, s, v = colorsys.rgb_to_hsv(*out[y, x])
        out[y, x] = colorsys.hsv_to_rgb((h + hue) % 1, s, v)
    return np.asarray(out)


def test_colours_change_as_in_a_slow_implementation() -> None:
    rng = np.random.default_rng(1)
    pixels = rng.random((3, 2, 5, 4, 3))
    pixels[0, 0, 0, :2] = np.array([[0.5, 0.5, 0.5], [1, 0, 0]])  # grey has no hue
    colour = np.array([draw_colour(rng) for _ in range(2)] + [[1, 1, 1, 0]], np.float32)
    rgb = torch.tensor(pixels.transpose(0, 4, 1, 2, 3), dtype=torch.float32)
    found = change_colour(rgb, torch.from_numpy(colour)).numpy().transpose(0, 2, 3, 4, 1)
    for n in range(3):
        for t in range(2):
            np.testing.assert_allclose(found[n, t], _jittered(pixels[n, t], *colour[n]), atol=2e-5)
    np.testing.assert_allclose(found[2], pixels[2], atol=1e-6)


def test_colours_are_drawn_within_the_papers_limits() -> None:
    rng = np.random.default_rng(2)
    drawn = np.array([draw_colour(rng) for _ in range(2000)])
    for column, (middle, spread) in zip(drawn.T, [(1, 0.5), (1, 0.5), (1, 0.5), (0, 0.1)], strict=True):
        assert np.abs(column - middle).max() <= spread + 1e-6
        assert np.abs(column - middle).max() > 0.98 * spread
        assert abs(column.mean() - middle) < 0.05 * spread


def test_pixels_are_normalised_as_said(path: Path) -> None:
    info = read_info(path)
    view = make_view(info, (24, 24), square=240, method="method-4")
    clip = StrokeDataset(info, info.rows_of("test"), view, ("rgb",), "tests")[0]
    flat, _ = merged({name: v[None] for name, v in clip.items()})
    unit = Preparer(info, view, CPU)(flat)["rgb"].numpy()
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    found = Preparer(info, view, CPU, pixels="imagenet")(flat)["rgb"].numpy()
    expected = (unit - mean[None, :, None, None, None]) / std[None, :, None, None, None]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    found = Preparer(info, view, CPU, pixels="standard")(flat)["rgb"].numpy()
    frames = found.transpose(0, 2, 1, 3, 4).reshape(found.shape[0], found.shape[2], -1)
    np.testing.assert_allclose(frames.mean(axis=2), 0, atol=1e-5)
    np.testing.assert_allclose(frames.std(axis=2), 1, atol=1e-4)
    even = {**flat, "rgb": torch.full_like(flat["rgb"], 77)}
    assert torch.isfinite(Preparer(info, view, CPU, pixels="standard")(even)["rgb"]).all()


def _interrupt() -> None:
    raise KeyboardInterrupt


def test_a_run_is_the_same_cut_off_and_whatever_the_workers(path: Path, tmp_path: Path) -> None:
    config = small()
    whole, history = run(path, tmp_path / "whole", config)
    for stop in ((0, 2), (2, 1)):
        with pytest.raises(KeyboardInterrupt):
            run(path, tmp_path / "cut", config, listener=Quiet(stop, _interrupt))
    resumed, again = run(path, tmp_path / "cut", config)
    assert curve(again) == curve(history)
    with_workers, other = run(path, tmp_path / "workers", config, runtime=train.Runtime(workers=2))
    assert curve(other) == curve(history)
    for name, values in whole.network.state_dict().items():
        assert torch.equal(values, resumed.network.state_dict()[name]), name
        assert torch.equal(values, with_workers.network.state_dict()[name]), name


def test_the_validation_score_is_the_mean_of_the_test_samples(path: Path, tmp_path: Path) -> None:
    trainer, history = run(path, tmp_path / "r", small(epochs=1))
    network = load_network(tmp_path / "r", None, CPU)
    rows = network.info.rows_of("validation")
    scores = np.array([s.windows.mean(axis=0) for s in sample_scores(network, rows)])
    true = network.info.samples.label[rows]
    assert history[0]["validation_accuracy"] == pytest.approx((scores.argmax(1) == true).mean())
    each = np.concatenate([s.windows[:, t] for s, t in zip(sample_scores(network, rows), true, strict=True)])
    assert history[0]["validation_loss"] == pytest.approx(-np.log(each).mean(), rel=1e-4)
    assert trainer.optimizer.__class__.__name__ == "Adam"
    assert trainer.optimizer.param_groups[0]["weight_decay"] == 5e-4


def test_scores_of_trials_are_those_of_the_evaluation(path: Path, tmp_path: Path) -> None:
    run(path, tmp_path / "r", small(epochs=1, sampling="method-5"))
    network = load_network(tmp_path / "r", None, CPU)
    scorer = TrialScorer(network, batch=3)
    trials = list(scorer.trials("test"))
    rows = network.info.rows_of("test")
    assert [t.row for t in trials] == rows.tolist()
    expected = [s.windows.mean(axis=0) for s in sample_scores(network, rows)]
    found = scorer.score_many([(t.frames[:INTERVAL], None) for t in trials])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    one = trials[0]
    assert one.frames.shape[0] == network.info.samples.rows[one.row]
    assert (one.frames[:, 0, 0, 0] == np.arange(len(one.frames))).all()
    assert scorer.square(one.frames).shape[1:] == (24, 24, 3)
    assert np.array_equal(scorer.square(one.frames), one.frames[:, :, 4:28])
    # frames that are missing are zeros at the input
    missing = np.zeros(INTERVAL, bool)
    missing[[0, 17]] = True
    prepare = network.preparer()
    clip = StrokeDataset(network.info, rows[:1], network.view, ("rgb",), "tests")[0]
    inputs = prepare({name: clip[name] for name in ("rgb", "corner", "window")})
    inputs["rgb"].masked_fill_(torch.from_numpy(missing[scorer.method.tests])[:, None, :, None, None], 0)
    with torch.no_grad():
        by_hand = probabilities(network.model(inputs)).mean(0).numpy()
    np.testing.assert_allclose(scorer.score(one.frames[:INTERVAL], missing), by_hand, atol=1e-5)
    with pytest.raises(ValueError, match="expected"):
        scorer.score(one.frames[: INTERVAL - 1])


def test_other_runs_have_no_trials(path: Path, tmp_path: Path) -> None:
    config = RunConfig(model="cnn", size=(8, 8), length=4, epochs=1, options={"filters": 2, "units": 4})
    run(path, tmp_path / "r", config)
    with pytest.raises(TrainError, match="does not see trials"):
        TrialScorer(load_network(tmp_path / "r", None, CPU))


def test_the_report_has_macro_figures_and_consistency(path: Path, tmp_path: Path) -> None:
    run(path, tmp_path / "r", small(epochs=1))
    network = load_network(tmp_path / "r", None, CPU)
    report = evaluate([network], "test", tmp_path / "out")
    assert report["sampling"] == "method-4"
    assert set(report["decisions"]) == {"vote", "average"}
    assert report["windows"] == 8 * report["samples"]
    scored = list(sample_scores(network, network.info.rows_of("test")))
    shares = [np.bincount(s.windows.argmax(1)).max() / 8 for s in scored]
    assert report["temporal_consistency"]["overall"] == pytest.approx(np.mean(shares))
    assert report["temporal_consistency"]["clips"] == report["samples"]
    assert len(report["temporal_consistency"]["classes"]) == 9


def test_macro_figures_by_hand() -> None:
    matrix = confusion_matrix(np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 1, 0]), 4)
    found = class_report(matrix, ["a", "b", "c", "d"], -1)["macro"]
    precision, recall = np.array([2 / 3, 2 / 3, 0]), np.array([2 / 3, 1, 0])  # d never occurs
    f = np.array([2 / 3, 4 / 5, 0])
    assert found["precision"] == pytest.approx(precision.mean())
    assert found["recall"] == pytest.approx(recall.mean())
    assert found["f"] == pytest.approx(f.mean())


def test_consistency_by_hand() -> None:
    windows = [np.array([1, 1, 1, 1]), np.array([0, 1, 1, 2]), np.array([2]), np.array([0, 1])]
    found = temporal_consistency(windows, np.array([1, 1, 0, 2]), ["a", "b", "c"])
    assert found == {
        "overall": pytest.approx((1 + 0.5 + 0.5) / 3),
        "clips": 3,
        "classes": {"b": pytest.approx(0.75), "c": 0.5},
    }
    assert temporal_consistency([np.array([1])], np.array([0]), ["a"])["overall"] is None


def test_the_constant_schedule_keeps_its_rate_and_the_best_state() -> None:
    schedule = Constant(lr=0.1)
    points = [
        Point(1, 2.0, 0.5),
        Point(1, 1.0, 0.4),
        Point(1, 1.5, 0.5),
        Point(1, 1.6, 0.5),
        Point(1, 9, 0.6),
    ]
    moves = [schedule.step(p) for p in points]
    assert [m.improved for m in moves] == [True, False, True, False, True]
    assert {m.lr for m in moves} == {0.1}
    assert not any(m.reload for m in moves)


def test_without_validation_the_last_state_counts(path: Path, tmp_path: Path) -> None:
    _, history = run(
        path, tmp_path / "r", small(validation_split="none"), runtime=train.Runtime(save_every=2)
    )
    assert [r["validation_accuracy"] for r in history] == [None] * 3
    assert [r["improved"] for r in history] == [True] * 3
    assert Checkpoints(tmp_path / "r").load("best", CPU)["epoch"] == 3
    plots.curves(history, tmp_path / "curves.png")
    with pytest.raises(ValidationError, match="warm-restart needs a validation split"):
        RunConfig(model="pose", validation_split="none")


@pytest.mark.parametrize(
    "settings",
    [
        {"model": "2d-convgru", "options": {"width": 0.1, "stride": 1, "dropout": 0.0}, "size": (20, 20),
         "augment": False, "lr": 2e-3, "epochs": 6},
        {"model": "cnn-lstm", "options": {"filters": 8, "hidden": 32, "units": 32}, "size": (16, 16),
         "square": 240, "lr": 2e-3, "epochs": 20},
    ],
    ids=["2d-convgru", "cnn-lstm"],
)  # fmt: skip
def test_they_learn_nine_ways_of_moving(tmp_path: Path, settings: dict[str, Any]) -> None:
    path = write_trials(tmp_path / "d.h5", each=8, number=False)
    run(path, tmp_path / "r", RunConfig(**settings, batch=9, sampling="method-4"))
    report = evaluate([load_network(tmp_path / "r", None, CPU)], "test", tmp_path / "out")
    # nine trials, one of each way: three times as good as chance
    assert report["decisions"]["average"]["accuracy"] > 1 / 3 + 1e-6

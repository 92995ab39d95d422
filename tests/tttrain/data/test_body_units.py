"""Joints relative to the body, and training samples that are not mirrored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

import torch

from tests.support.dataset_writer import JOINTS, write_dataset
from tests.support.trainings import call
from tttrain.data.augmentation import draw_transform
from tttrain.data.dataset_file import Limits
from tttrain.data.normalisation import TRUNK, body_units
from tttrain.training.run_folder import read_run

ROWS = torch.tensor([JOINTS.index(name) for name in TRUNK])


def literal(pose: np.ndarray, rows: list[int]) -> np.ndarray:
    """Sample by sample, frame by frame, joint by joint."""
    out = np.zeros_like(pose)
    for n, sample in enumerate(pose):
        whole = [frame for frame in sample if all(frame[j, 2] > 0 for j in rows)]
        out[n, ..., 2] = sample[..., 2]
        if not whole:
            continue
        centres = [np.mean([frame[j, :2] for j in rows], axis=0) for frame in whole]
        middle = np.mean(centres, axis=0)
        size = np.mean([np.mean([np.hypot(*(frame[j, :2] - centre)) for j in rows])
                        for frame, centre in zip(whole, centres, strict=True)])  # fmt: skip
        for t, frame in enumerate(sample):
            for j, (x, y, score) in enumerate(frame):
                if score > 0:
                    out[n, t, j, :2] = (np.array([x, y]) - middle) / max(2 * size, 1)
    return out


def test_body_units_equal_a_literal_reading_and_are_free_of_place_and_distance() -> None:
    rng = np.random.default_rng(3)
    pose = rng.uniform(20, 150, (3, 6, len(JOINTS), 3))
    pose[..., 2] = rng.random(pose.shape[:3]) > 0.15
    pose[1, :, ROWS[0], 2] = 0  # a trunk that is never whole
    pose[2, 1:, :, 2] = 1
    found = body_units(torch.from_numpy(pose), ROWS)
    np.testing.assert_allclose(found.numpy(), literal(pose, ROWS.tolist()), atol=1e-12)
    assert not found[1, ..., :2].any()
    moved = pose.copy()
    moved[..., :2] = 0.5 * moved[..., :2] + [40, -7]
    np.testing.assert_allclose(body_units(torch.from_numpy(moved), ROWS), found, atol=1e-12)


def test_without_flips_everything_else_is_drawn_as_before() -> None:
    limits = Limits(10, 0.1, 0.1)
    both = np.array([draw_transform(np.random.default_rng(i), limits, (120, 120)) for i in range(40)])
    none = np.array(
        [draw_transform(np.random.default_rng(i), limits, (120, 120), flip=False) for i in range(40)]
    )
    assert set(both[:, 4]) == {-1, 1}
    assert (none[:, 4] == 1).all()
    np.testing.assert_array_equal(none[:, :4], both[:, :4])


def test_a_run_keeps_both_settings(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d.h5", videos=2, strokes=6)
    words = ["fit", path, tmp_path / "run", "--model", "pose", "--epochs", "1", "--batch", "30"]
    call(*words, "--joints", "body", "--no-flip")
    config = read_run(tmp_path / "run").config
    assert (config.joints, config.flip) == ("body", False)
    result = call(*words, code=2)
    assert "joints: body → frame" in result.output
    assert "flip: False → True" in result.output
    call("evaluate", tmp_path / "run")

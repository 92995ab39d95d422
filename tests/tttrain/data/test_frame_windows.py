"""Training on the frames of whole videos: the right rows, labels and splits; a detector that learns."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

import torch

from tests.support.dataset_writer import write_dataset
from tests.support.trainings import call
from tttrain.data.dataset_file import read_info
from tttrain.data.frame_windows import PIECE, FrameDataset
from tttrain.data.view import make_view
from tttrain.errors import TrainError

torch.set_num_threads(1)
ALL = ("rgb", "flow", "pose")


def by_video(path: Path, splits: tuple[int, ...]) -> Path:
    """Put all samples of a video into one split."""
    with h5py.File(path, "a") as file:
        file["samples/split"][:] = np.array(splits, np.int8)[file["samples/video"][:]]
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = write_dataset(tmp_path_factory.mktemp("frames") / "d.h5", videos=5, strokes=9)
    return by_video(data, (0, 0, 0, 1, 2))


def test_a_window_lies_around_its_frame_and_has_its_label(path: Path) -> None:
    info = read_info(path)
    view = make_view(info, length=4, every=3)
    data = FrameDataset(info, "train", view, ALL, drawn=True, seed=3)
    kept = FrameDataset(info, "train", view, ALL, drawn=True, seed=3)
    kept.keep()
    with h5py.File(path) as file:
        whole = {name: file[f"untrimmed/{name}"][:] for name in (*ALL, "window", "label")}
    assert {int(v) for v, _ in data.pieces} == {0, 1, 2}
    for i in range(0, len(data), 3):
        clip = data[2, i]
        row = int(clip["row"])
        rows = row - 12 // 2 + view.offsets
        for name in (*ALL, "window"):
            np.testing.assert_array_equal(clip[name], whole[name][rows])
            np.testing.assert_array_equal(clip[name], kept[2, i][name])
        assert int(clip["label"]) == whole["label"][row]
        assert not clip["corner"].any()
        video, frames = data.pieces[i]
        assert info.videos.first[video] <= rows[0]
        assert rows[-1] < info.videos.first[video] + info.videos.rows[video]
        assert row - info.videos.first[video] in frames


def test_every_frame_with_a_label_and_a_whole_window_has_its_piece(path: Path) -> None:
    info = read_info(path)
    data = FrameDataset(info, "all", make_view(info), ("pose",))
    for video in range(5):
        n = int(info.videos.rows[video])
        frames = np.concatenate([f for v, f in data.pieces if v == video])
        np.testing.assert_array_equal(frames, np.arange(8, n - 16 + 8 + 1))
    assert max(len(f) for _, f in data.pieces) <= PIECE


def test_frames_change_with_the_epoch_and_the_seed_and_nothing_else(path: Path) -> None:
    info, view = read_info(path), make_view(read_info(path))

    def rows(epoch: int, **changes: Any) -> list[int]:
        data = FrameDataset(info, "train", view, ("pose",), **{"drawn": True, **changes})
        return [int(pickle.loads(pickle.dumps(data))[epoch, i]["row"]) for i in range(len(data))]

    assert rows(1) == rows(1)
    assert rows(1) != rows(2)
    assert rows(1) != rows(1, seed=1)
    assert rows(1, drawn=False) == rows(2, drawn=False)
    clip = FrameDataset(info, "train", view, ("pose",), drawn=True, augment=True)[0, 0]
    assert clip["transform"][0] == 0  # no rotation: there is no margin to turn into
    for flip, expected in ((True, {-1.0, 1.0}), (False, {1.0})):
        data = FrameDataset(info, "train", view, ("pose",), drawn=True, augment=True, flip=flip)
        assert {float(data[e, 0]["transform"][4]) for e in range(30)} == expected


def test_frames_without_a_label_are_left_out(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "gaps.h5"
    copy.write_bytes(path.read_bytes())
    with h5py.File(copy, "a") as file:
        file["untrimmed/label"][40:90] = -1
    info = read_info(copy)
    data = FrameDataset(info, "train", make_view(info), ("pose",))
    frames = np.concatenate([f for v, f in data.pieces if v == 0])
    assert not np.isin(np.arange(40, 90), frames).any()
    assert {39, 90} <= set(frames.tolist())


def test_videos_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    mixed = read_info(write_dataset(tmp_path / "m.h5", videos=3, strokes=9))
    with pytest.raises(TrainError, match=r"samples of video_0\.mp4 lie in several splits .*by: video"):
        FrameDataset(mixed, "train", make_view(mixed), ("pose",))
    none = read_info(by_video(write_dataset(tmp_path / "n.h5", videos=3, untrimmed=False), (0, 1, 2)))
    with pytest.raises(TrainError, match=r"no whole video of split 'train'.*untrimmed: true"):
        FrameDataset(none, "train", make_view(none), ("pose",))


def test_a_network_trained_on_frames_detects_on_an_unseen_video(path: Path, tmp_path: Path) -> None:
    def answer(*args: object) -> Any:
        return json.loads(call(*args).stdout)

    args = ["--sampling", "frames", "--size", "12x12", "--length", "8", "--epochs"]
    rest = ["--momentum", "0.9", "--weight-decay", "0", "--json"]
    fitted = answer("fit", path, tmp_path / "r", "--model", "twin", *args, "25", *rest)
    assert fitted["best"]["validation_accuracy"] > 0.8
    rules = ["--window", "9", "--gauss-window", "11", "--shortest", "5"]
    report = answer("detect", tmp_path / "r", "--video", "video_4.mp4", "--json", *rules)
    assert not report["videos"][0]["trained_on"]
    confusion = np.array(report["rules"]["gross"]["confusion"])
    assert confusion.sum(axis=1).max() / confusion.sum() < 0.6
    assert min(found["accuracy"] for found in report["rules"].values()) > 0.8
    again = answer("evaluate", tmp_path / "r", "--json")
    assert again["decisions"]["centre"]["accuracy"] > 0.8
    # the same weights, whether or not it was interrupted and whatever the workers
    first = answer("fit", path, tmp_path / "a", "--model", "twin", *args, "2", *rest)
    answer("fit", path, tmp_path / "b", "--model", "twin", *args, "1", *rest)
    second = answer("fit", path, tmp_path / "b", "--model", "twin", *args, "2", "--workers", "2", *rest)
    for name in ("train_loss", "validation_loss"):
        assert first["last"][name] == second["last"][name]

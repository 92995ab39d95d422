"""A call of `ttprep predict`: what it measures for the ends of strokes, and what ^C leaves."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="tttrain needs the extra `train`")

from tests.pipeline.predicting.calls import Predict, digests, told  # noqa: E402
from tests.support.command_line import COMMAND  # noqa: E402
from tests.support.projects import write_video  # noqa: E402
from tests.support.trainings import call  # noqa: E402
from tttrain.data.dataset_file import Array  # noqa: E402


def test_the_motion_that_places_ends_is_the_flow_in_the_crop(
    trained: Path, place: Path, predict: Predict
) -> None:
    shutil.copytree(trained / "videos", place / "videos")
    folder = place / "run" / "predict" / "a"

    def arrays() -> Array:
        with np.load(folder / "a.scores.npz") as file:
            return np.asarray(file["motion"])

    predict("videos/a.mp4", "--ends", "still")
    motion = arrays()
    with h5py.File(trained / "d.h5") as data:
        at = [name.decode() for name in data["videos/name"]].index("videos/a.mp4")
        first, n = int(data["videos/first"][at]), int(data["videos/rows"][at])
        flow = data["untrimmed/flow"][first : first + n - 1] / 64
    speed = np.sqrt((flow**2).sum(axis=-1).mean(axis=(1, 2)))
    np.testing.assert_allclose(motion, [[*speed, speed[-1]]], rtol=1e-5)

    # a network that reads no flow: it is cut out of the flow that the ROI follows
    shutil.rmtree(place / "run")
    call(
        "fit", trained / "d.h5", place / "run", "--model", "rgb-stcnn", "--sampling", "frames", "--size",
        "12x12", "--length", "8", "--every", "2", "--epochs", "1", "--threads", "1",
    )  # fmt: skip
    (video,) = told(predict("videos/a.mp4", "--ends", "still", "--json"))["videos"]
    assert video["state"] == "done"
    np.testing.assert_array_equal(arrays(), motion)
    assert json.loads((folder / "a.predict.json").read_text())["ends"] == "still"
    (video,) = told(predict("videos/a.mp4", "--json"))["videos"]
    assert video["state"] == "done"
    with np.load(folder / "a.scores.npz") as file:
        assert "motion" not in file


def test_interrupted_and_run_again(trained: Path, place: Path, predict: Predict) -> None:
    shutil.copytree(trained / "videos", place / "videos")
    write_video(place / "videos" / "c.mp4", 240, seed=5)  # long: the network is still at it
    words = ["predict", "run", "videos", "--store", "store", "--workers", "0", "--no-report", "--no-overlay"]
    # a test run in the background inherits an ignored ^C; a user's terminal does not
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [COMMAND, *words, "--batch", "1"],
        cwd=place,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    signal.signal(signal.SIGINT, heard)
    output = place / "run" / "predict"
    while not (output / "a" / "a.predict.json").exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert not (output / "c" / "c.predict.json").exists()
    before = digests(output / "a")
    states = {v["video"]: v["state"] for v in told(predict("videos", "--json"))["videos"]}
    assert states["videos/a.mp4"] == "kept"
    assert states["videos/c.mp4"] == "done"
    assert digests(output / "a") == before
    assert not [p for p in output.rglob(".*") if p.name != ".ttprep.json"]

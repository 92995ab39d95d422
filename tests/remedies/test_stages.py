"""What stages say about videos, pictures and weights, followed as it is written: they compute then."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.discovery import find_videos
from stages import registry as stage_registry
from stages.base import Block, SourceFile, StageError, VideoInfo
from stages.frames import STAGE as FRAMES
from stages.pose.detector import PoseNet
from stages.pose.stage import PoseParams, compute
from stages.pose.weights import ENVIRONMENT, read_checkpoint, resolve_weights
from stages.registry import registry
from stages.roi import RoiParams
from tests.remedies.following import Says, both, nobody, write
from tests.support.flipped_store import write_trial
from tests.support.pose import write_checkpoint


@dataclass(frozen=True)
class Source:
    """A source that cannot be decoded.

    Attributes
    ----------
    path : str
    says : Says
    prepare, follow : callable
    again : str
        The source that can be decoded then; default: the same.
    """

    path: str
    says: Says
    prepare: Callable[[], object]
    follow: Callable[[], object]
    again: str = ""


def sound(path: str) -> None:
    """Write a file of sound alone."""
    with av.open(path, "w") as out:
        stream: Any = out.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 8000, 0
        for packet in (*stream.encode(frame), *stream.encode(None)):
            out.mux(packet)


def copy(path: str) -> Callable[[], object]:
    return both(partial(Path(path).unlink, missing_ok=True), partial(shutil.copy, "videos/clip.mp4", path))


def emptied() -> None:
    """Write a video whose packets are zeros."""
    data = bytearray(Path("videos/clip.mp4").read_bytes())
    at = data.index(b"mdat")
    size = int.from_bytes(data[at - 4 : at], "big")
    data[at + 4 : at - 4 + size] = bytes(size - 8)
    Path("a.mp4").write_bytes(data)


def close(path: str) -> None:
    Path(path).chmod(0)


def trial() -> None:
    write_trial(Path("trial"), 3, joints=False)


def nothing() -> None: ...


PARAMS = FRAMES.params(width=32, height=24, fps=30)
SOURCES = {
    "gone": Source("a.mp4", Says("no such file; check the path"), nothing, nothing, "videos/clip.mp4"),
    "no name": Source(
        "x" * 300,
        Says("cannot be reached ({}); check path and permissions"),
        nothing,
        nothing,
        "videos/clip.mp4",
    ),
    "a pipe": Source(
        "a.mp4", Says("not a regular file; give a video file"), partial(os.mkfifo, "a.mp4"), copy("a.mp4")
    ),
    "empty": Source(
        "a.mp4",
        Says("the file is empty (0 bytes); copy or record it again"),
        write("a.mp4", ""),
        copy("a.mp4"),
    ),
    "closed": Source(
        "a.mp4",
        Says("may not be read; check the file's permissions"),
        both(copy("a.mp4"), partial(close, "a.mp4")),
        partial(os.chmod, "a.mp4", 0o644),
    ),
    "sound": Source(
        "a.mp4",
        Says("holds no video stream (only {}); give a video file"),
        partial(sound, "a.mp4"),
        copy("a.mp4"),
    ),
    "no video": Source(
        "a.mp4",
        Says("it may be truncated (no index) or no video at all: copy it again from the camera"),
        write("a.mp4", "text"),
        copy("a.mp4"),
    ),
    "no picture of it": Source(
        "a.mp4",
        Says("no frame could be decoded{}; the file is damaged: copy it again"),
        emptied,
        copy("a.mp4"),
    ),
    "a folder of videos": Source(
        "videos",
        Says("is a directory, not a video; name the files in it"),
        nothing,
        nothing,
        "videos/clip.mp4",
    ),
    "a folder": Source(
        "videos", Says("name the files in it, or a folder of PNG or JPEG pictures"), trial, nothing, "trial"
    ),
    "a closed folder": Source(
        "trial",
        Says("cannot be read ({}); check path and permissions"),
        both(trial, partial(close, "trial")),
        partial(os.chmod, "trial", 0o755),
    ),
}


def pictures(path: str) -> int:
    with nobody():
        start = Block(0, 50, 0, {}, SourceFile(Path(path)))
        return sum(len(out["rgb"]) for out in FRAMES.compute(iter([start]), PARAMS, VideoInfo()))


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_is_decoded(here: Path, name: str) -> None:
    here.chmod(0o755)
    case = SOURCES[name]
    case.prepare()
    with pytest.raises(StageError) as caught:
        pictures(case.path)
    case.says.of(str(caught.value))
    case.follow()
    assert pictures(case.again or case.path)


def test_a_folder_is_searched(here: Path) -> None:
    here.chmod(0o755)
    close("videos")
    with nobody():
        found = find_videos([Path("videos")], Path("store"))
    Says("cannot be searched ({}); check permissions").of("\n".join(found.problems))
    Path("videos").chmod(0o755)
    with nobody():
        assert len(find_videos([Path("videos")], Path("store")).files) == 2


# -- weights -----------------------------------------------------------------------------------


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Random weights, and no others to be found."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    return write_checkpoint(tmp_path / "w", "0.50")


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(StageError) as caught:
        call()
    return str(caught.value)


def test_weights_are_found(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = partial(resolve_weights, model="0.50", download=False)
    text = refused(find)
    Says("name their folder with --pose-weights, in the manifest or in TTPREP_POSENET_WEIGHTS").of(text)
    assert find(weights).model == "0.50"
    monkeypatch.setenv("TTPREP_POSENET_WEIGHTS", str(weights))
    assert find().model == "0.50"


def test_weights_of_another_model(weights: Path, tmp_path: Path) -> None:
    text = refused(partial(resolve_weights, weights, "0.75"))
    model, wanted = Says("; set the pose stage's model to {} or name a folder with {} weights").of(text)
    assert resolve_weights(weights, model.strip("'")).model == "0.50"  # type: ignore[arg-type]
    assert wanted == "0.75"
    assert resolve_weights(write_checkpoint(tmp_path / "other", "0.75"), "0.75").model == "0.75"


def test_weights_that_cannot_be_used(weights: Path, tmp_path: Path) -> None:
    text = refused(partial(read_checkpoint, tmp_path))
    Says("name a folder with manifest.json and one raw float32 file a variable").of(text)
    assert read_checkpoint(weights).model == "0.50"


def test_a_stride_that_the_network_lacks() -> None:
    with pytest.raises(ValidationError) as caught:
        PoseParams(model="0.50", stride=32)
    _, largest = Says("has strides up to {}; choose 8 or {}").of(str(caught.value).replace(" [type", "\n"))
    for stride in (8, int(largest)):
        assert PoseParams(model="0.50", stride=stride)


def test_a_stride_that_the_weights_lack(weights: Path) -> None:
    with pytest.raises(ValueError, match="stride 32") as caught:
        PoseNet.load(weights, stride=32)
    most = Says("stride {} with MobileNet {}: choose 8, 16 or 32, at most {}").of(str(caught.value))[-1]
    assert most == "16"
    assert PoseNet.load(weights, stride=16)


def test_weights_that_a_run_was_not_planned_with(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, str(weights))
    planned = PoseParams(model="0.50", weights_sha256=read_checkpoint(weights).sha256)
    file = weights / "MobilenetV1_Conv2d_0_biases"
    kept = file.read_bytes()
    file.write_bytes(bytes(len(kept)))
    text = refused(lambda: list(compute(iter(()), planned, VideoInfo())))
    (variable,) = Says("restore them or run again; {} says which folder is read").of(text)
    assert variable == ENVIRONMENT
    file.write_bytes(kept)
    assert list(compute(iter(()), planned, VideoInfo())) == []


def test_a_part_of_the_frame() -> None:
    with pytest.raises(ValidationError) as caught:
        RoiParams(region=(0, 0, 2, 1))
    (example,) = Says("give [left, top, right, bottom] in 0 to 1; {} is the left half").of(str(caught.value))
    assert RoiParams(region=json.loads(example))


# -- stages of other packages ------------------------------------------------------------------


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Install entry points for stages."""

    def points(*values: str) -> None:
        found = [EntryPoint(f"s{n}", value, "ttprep.stages") for n, value in enumerate(values)]
        monkeypatch.setattr(stage_registry, "entry_points", lambda group: found)
        registry.cache_clear()

    yield points
    monkeypatch.undo()
    registry.cache_clear()


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (
            "no_such_module:STAGE",
            Says("cannot be loaded ({}: {}); mend it, or remove it with `pip uninstall {}`"),
        ),
        ("math:pi", Says("is no Stage but {}; name its STAGE")),
        ("stages.flow:STAGE", Says("there is a stage {} already; rename one of the two")),
    ],
)
def test_a_stage_of_another_package(install: Callable[..., None], value: str, says: Says) -> None:
    install(value)
    says.of(refused(registry))
    install()
    assert "flow" in registry()

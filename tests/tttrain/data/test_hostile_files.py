"""Dataset files that were made to harm, or have rotted: one line that names file and field, and no hang."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

from pipeline.dataset.seal import BlockSums, make_seal
from tests.support.dataset_writer import write_dataset
from tests.support.trainings import call
from tttrain.data import header, sealed_file
from tttrain.data.dataset_file import Reader, read_info
from tttrain.data.sealed_file import open_file, probe
from tttrain.errors import TrainError


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("hostile") / "d.h5", videos=2, strokes=3)


@pytest.fixture
def path(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy2(sound, tmp_path / "d.h5"))


@pytest.fixture
def unprobed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the other process: what it would refuse, this one must refuse as well."""
    monkeypatch.setattr(sealed_file, "probe", lambda path: None)


def attribute(name: str, value: Any, at: str = "/") -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        if value is None:
            del file[at].attrs[name]
        else:
            file[at].attrs[name] = value

    return change


def table(name: str, value: Any) -> Callable[[h5py.File], None]:
    """Replace an array, or, given a function, what it holds."""

    def change(file: h5py.File) -> None:
        new = value(file[name][()]) if callable(value) else value
        attrs = dict(file[name].attrs)
        del file[name]
        if new is not None:
            file[name] = new
            for key, kept in attrs.items():
                file[name].attrs[key] = kept

    return change


def first_is(value: Any, dtype: Any = None) -> Callable[[Any], Any]:
    def change(values: Any) -> Any:
        out = values.astype(dtype) if dtype else values.copy()
        out[0] = value
        return out

    return change


def _soft(file: h5py.File) -> None:
    del file["samples/label"]
    file["samples/label"] = h5py.SoftLink("/samples/split")


def _elsewhere(file: h5py.File) -> None:
    del file["cuboids/rgb"]
    file["cuboids/rgb"] = h5py.ExternalLink("/etc/passwd", "/x")


def _outside(file: h5py.File) -> None:
    shape = file["cuboids/roi"].shape
    del file["cuboids/roi"]
    size = int(np.prod(shape)) * 4
    file.create_dataset("cuboids/roi", shape, "f4", external=[("/etc/hostname", 0, size)])


def _virtual(file: h5py.File) -> None:
    shape = file["cuboids/roi"].shape
    del file["cuboids/roi"]
    layout = h5py.VirtualLayout(shape, "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", shape)
    file.create_virtual_dataset("cuboids/roi", layout)


def _unwritten(file: h5py.File) -> None:
    """Ten thousand million samples that take no byte."""
    for name in ("id", "label"):
        del file[f"samples/{name}"]
        file.create_dataset(f"samples/{name}", (10**10,), "S8" if name == "id" else "i2", chunks=(10**6,))


def _huge_chunks(file: h5py.File) -> None:
    file.move("samples/label", "old")
    file.create_dataset("samples/label", (5,), "i2", chunks=(2**31 - 1,), maxshape=(None,))


HOSTILE: list[tuple[str, Callable[[h5py.File], None]]] = [
    ("format_version", attribute("format_version", "one")),
    ("format_version", attribute("format_version", [1, 1])),
    ("format version", attribute("format_version", 10**12)),
    ("not a ttprep-dataset", attribute("format", 5)),
    ("crop", attribute("crop", (10**9, 10**9))),
    ("crop", attribute("crop", (0, 24))),
    ("crop", attribute("crop", (-24, 24))),
    ("crop", attribute("crop", (24.5, 24.5))),
    ("crop", attribute("crop", 24)),
    ("crop", attribute("crop", (64, 48))),
    ("crop", attribute("crop", "24x24")),
    ("cuboids/rgb", attribute("window", (39, 38))),
    ("window", attribute("window", None)),
    ("frame_size", attribute("frame_size", (20, 20))),
    ("frame_size", attribute("frame_size", (np.nan, 3))),
    ("length", attribute("length", 10**10)),
    ("length", attribute("length", 0)),
    ("length", attribute("length", -1)),
    ("length", attribute("length", "T")),
    ("samples/rows", attribute("length", 500)),
    ("augmentation", attribute("augmentation", "[]")),
    ("augmentation", attribute("augmentation", '{"rotation": "a", "translation": 0, "zoom": 0}')),
    ("augmentation", attribute("augmentation", '{"rotation": 1e9, "translation": 0, "zoom": 0}')),
    ("augmentation", attribute("augmentation", '{"rotation": 0, "translation": 0, "zoom": 1}')),
    ("augmentation", attribute("augmentation", '{"rotation": NaN, "translation": 0, "zoom": 0}')),
    ("augmentation", attribute("augmentation", '{"rotation": 1}')),
    ("classes", attribute("classes", "[" * 5000)),
    ("classes", attribute("classes", '[["Up"], ["Down"], ["Across"], ["Negative"]]')),
    ("classes", attribute("classes", '{"Up": 1}')),
    ("classes", attribute("classes", "[1, 2, 3, 4]")),
    ("classes", attribute("classes", "[]")),
    ("classes", attribute("classes", '["Up", "Up", "Across", "Negative"]')),
    ("classes", attribute("classes", json.dumps(["x" * 5000, "b", "c", "d"]))),
    ("classes", attribute("classes", np.arange(4))),
    ("samples/label", attribute("classes", '["Up"]')),
    ("splits", attribute("splits", "train")),
    ("splits", attribute("splits", '["train", null]')),
    ("samples/split", attribute("splits", '["train"]')),
    ("modalities", attribute("modalities", '["rgb", "sound"]')),
    ("modalities", attribute("modalities", "5")),
    ("cuboids/pose", attribute("joints", '["pose"]')),
    ("joints", attribute("joints", None)),
    ("taxonomy", attribute("taxonomy", 5)),
    ("taxonomy", attribute("taxonomy", "")),
    ("scale", attribute("scale", 0.0, "cuboids/flow")),
    ("scale", attribute("scale", np.inf, "cuboids/flow")),
    ("scale", attribute("scale", "small", "cuboids/flow")),
    ("scale", attribute("scale", None, "cuboids/flow")),
    ("flow_divisor", attribute("flow_divisor", [0.0, 1.0], "statistics")),
    ("flow_divisor", attribute("flow_divisor", [1.0], "statistics")),
    ("flow_divisor", attribute("flow_divisor", [np.nan, 1.0], "statistics")),
    ("flow_divisor_train", attribute("flow_divisor_train", [-1.0, 1.0], "statistics")),
    ("taxonomies/detection", attribute("classes", '[["a"]]', "taxonomies/detection")),
    ("taxonomies/detection", attribute("classes", None, "taxonomies/detection")),
    ("taxonomies/detection/label", table("taxonomies/detection/label", first_is(2))),
    ("samples/label", table("samples/label", first_is(4))),
    ("samples/label", table("samples/label", first_is(-2))),
    ("samples/label", table("samples/label", first_is(1.5, float))),
    ("samples/label", table("samples/label", lambda v: v[:-1])),
    ("samples/label", table("samples/label", lambda v: v.reshape(-1, 1))),
    ("samples/label", table("samples/label", 3)),
    ("samples/label", _huge_chunks),
    ("samples/label", _soft),
    ("samples/split", table("samples/split", first_is(3))),
    ("samples/split", table("samples/split", first_is(-1))),
    ("samples/video", table("samples/video", first_is(2))),
    ("samples/video", table("samples/video", first_is(-1))),
    ("samples/begin", table("samples/begin", first_is(-5))),
    ("samples/end", table("samples/end", first_is(0))),
    ("samples/first", table("samples/first", first_is(10**7))),
    ("samples/first", table("samples/first", first_is(-1))),
    ("samples/first", table("samples/first", first_is(2**63, np.uint64))),
    ("samples/rows", table("samples/rows", first_is(0))),
    ("samples/rows", table("samples/rows", first_is(2**31 - 1))),
    ("samples/id", table("samples/id", lambda v: np.arange(len(v)))),
    ("samples/id", table("samples/id", lambda v: [b"\xff\xfe"] * len(v))),
    ("samples/id", _unwritten),
    ("videos/fps", table("videos/fps", first_is(np.nan))),
    ("videos/fps", table("videos/fps", lambda v: [b"fast"] * len(v))),
    ("videos/name", table("videos/name", lambda v: ["x" * 5000] * len(v))),
    ("videos/name", table("videos/name", None)),
    ("videos/first", table("videos/first", first_is(10**6))),
    ("videos/rows", table("videos/rows", first_is(-3))),
    ("cuboids/rgb", table("cuboids/rgb", lambda v: v[:, :-1])),
    ("cuboids/rgb", table("cuboids/rgb", lambda v: v.astype(np.float32))),
    ("cuboids/flow", table("cuboids/rgb", lambda v: v[:-8])),
    ("cuboids/rgb", _elsewhere),
    ("cuboids/flow", table("cuboids/flow", lambda v: v[..., :1])),
    ("cuboids/pose", table("cuboids/pose", lambda v: v[:, :3])),
    ("cuboids/roi", _outside),
    ("cuboids/roi", _virtual),
    ("cuboids/window", table("cuboids/window", first_is((30, 0)))),
    ("cuboids/window", table("cuboids/window", first_is((0, -1)))),
    ("untrimmed/label", table("untrimmed/label", first_is(9))),
    ("untrimmed/window", table("untrimmed/window", first_is((99, 0)))),
    ("untrimmed/rgb", table("untrimmed/rgb", lambda v: v[:, :, :-1])),
]


@pytest.mark.parametrize(("field", "change"), HOSTILE, ids=[f"{i}-{f}" for i, (f, _) in enumerate(HOSTILE)])
def test_each_field_is_checked(
    path: Path, field: str, change: Callable[[h5py.File], None], unprobed: None
) -> None:
    with h5py.File(path, "a") as file:
        change(file)
    began = time.monotonic()
    with pytest.raises(TrainError) as caught:
        read_info(path)
    assert time.monotonic() - began < 10
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"{path}: ")
    assert field in line


def test_the_command_says_it_in_one_line(path: Path, tmp_path: Path) -> None:
    with h5py.File(path, "a") as file:
        file.attrs["crop"] = (10**9, 10**9)
    result = call("fit", path, tmp_path / "r", "--model", "pose", "--device", "cpu", code=1)
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.strip().startswith(f"error: {path}: attribute crop: ")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "r").exists()


def test_numbers_that_are_none_are_found_when_rows_are_read(path: Path, unprobed: None) -> None:
    with h5py.File(path, "a") as file:
        file["cuboids/roi"][3] = np.nan
    read_info(path)
    with pytest.raises(TrainError, match="of cuboids/roi hold no numbers"):
        Reader(path).rows("cuboids/roi", 0, 8)


def test_a_pipe_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "d.h5")
    with pytest.raises(TrainError, match="not a regular file"):
        read_info(tmp_path / "d.h5")


def test_a_file_without_a_seal_is_read_by_another_process_first(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever that process runs into, this one is told in time."""
    read_info(path)
    for name, code, words in (
        ("hangs", "import time; time.sleep(60)", "cannot be read in 2 s"),
        ("dies", f"import os; os.kill(os.getpid(), {int(signal.SIGSEGV)})", "ends with code -11"),
    ):
        other = Path(shutil.copy(path, tmp_path / f"{name}.h5"))
        run = subprocess.run

        def instead(command: list[str], code: str = code, run: Any = run, **words: Any) -> Any:
            return run([sys.executable, "-c", code], **words)

        with monkeypatch.context() as patch:
            patch.setattr(subprocess, "run", instead)
            patch.setattr(sealed_file, "PROBE_S", 2.0)
            with pytest.raises(TrainError, match=words):
                probe(other)
    assert header.main([str(path)]) == 0
    path.write_bytes(b"x")
    assert header.main([str(path)]) == 1


def seal(path: Path) -> None:
    """Seal a file as an export does; pixels lie in one piece."""
    with h5py.File(path, "a") as file:
        for name in ("cuboids/rgb", "cuboids/flow"):
            values = file[name][()]
            attrs = dict(file[name].attrs)
            del file[name]
            file[name] = values
            file[name].attrs.update(attrs)
        file.attrs["sealed"] = True
        pixels = []
        for name in ("cuboids/rgb", "cuboids/flow"):
            at = file[name].id.get_offset()
            pixels.append((at, at + file[name].id.get_storage_size()))
    data = path.read_bytes()
    sums = BlockSums()
    sums.update(memoryview(data))
    with path.open("r+b") as out:
        sealed = make_seal(out.fileno(), pixels, "f", hashlib.sha256(data).hexdigest(), sums.to_bytes())
        out.seek(0, os.SEEK_END)
        out.write(sealed)


def test_a_seal_guards_tables_when_opened_and_pixels_when_read(path: Path) -> None:
    seal(path)
    right = path.read_bytes()
    info = read_info(path)
    rgb = Reader(path).rows("cuboids/rgb", 0, 16)
    file, found = open_file(path)
    assert found is not None
    with file:
        at = file["cuboids/rgb"].id.get_offset() + rgb[0].size * 5
    rng = np.random.default_rng(1)
    places = np.concatenate([np.arange(a, b) for a, b in found.head])
    for place in rng.choice(places, 100).tolist():
        data = bytearray(right)
        data[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
        with pytest.raises(TrainError, match=r"damaged: its tables or structures|does not begin like one"):
            read_info(path)
    data = bytearray(right)
    data[at] ^= 1
    path.write_bytes(data)
    assert read_info(path).samples_digest == info.samples_digest
    with pytest.raises(TrainError, match=r"bytes \d+ to \d+ have changed; `ttprep export"):
        Reader(path).rows("cuboids/rgb", 0, 16)


def test_a_lost_seal_is_missed_unless_it_was_meant(path: Path) -> None:
    seal(path)
    right = path.read_bytes()
    for size in (len(right) - 1, len(right) - 60):
        path.write_bytes(right[:size])
        with pytest.raises(TrainError, match="its seal is gone"):
            read_info(path)
    for place in range(len(right) - 48, len(right)):
        path.write_bytes(right[:place] + bytes([right[place] ^ 4]) + right[place + 1 :])
        with pytest.raises(TrainError, match="seal"):
            read_info(path)
    path.write_bytes(right)
    with h5py.File(path, "a") as file:  # the remedy for those who change a file on purpose
        del file.attrs["sealed"]
        file["samples/split"][0] = 2
    assert read_info(path).samples.split[0] == "test"

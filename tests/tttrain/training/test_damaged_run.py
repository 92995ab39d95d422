"""Run folders under decay and malice: what was flipped, replaced or put there is named, and never used."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

import torch

from tests.support.dataset_writer import write_dataset
from tests.support.trainings import CPU, call, run
from tttrain.errors import TrainError
from tttrain.models.initial_weights import read_weights
from tttrain.training.checkpoint import Checkpoints
from tttrain.training.config import RunConfig

FIT = ("--model", "pose", "--batch", "6", "--lr", "0.05", "--device", "cpu", "--schedule", "constant")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("damage") / "d.h5", videos=3, strokes=9)


@pytest.fixture(scope="module")
def trained(dataset: Path) -> Path:
    folder = dataset.with_name("run")
    call("fit", dataset, folder, *FIT, "--epochs", 1)
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def one_line(*words: object, code: int = 1) -> str:
    """The single line on stderr with which a command refuses."""
    result = call(*words, code=code)
    assert isinstance(result.exception, SystemExit), result.exception
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, result.stderr
    return lines[0]


def flip(path: Path, at: int, mask: int = 0x40) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= mask
    path.write_bytes(data)


@pytest.mark.parametrize("kind", ["best", "last"])
def test_one_flipped_bit_of_the_weights_is_found(dataset: Path, folder: Path, kind: str) -> None:
    path = next(folder.glob(f"{kind}-*.pt"))
    flip(path, path.stat().st_size // 2)
    words = {
        "best": ("evaluate", folder, "--split", "train", "--dataset", dataset, "--device", "cpu"),
        "last": ("fit", dataset, folder, *FIT, "--epochs", 2),
    }[kind]
    line = one_line(*words)
    assert f"{path.name}: damaged (its sha256 is not that of what was written)" in line
    assert "--force" in line
    call("fit", dataset, folder, *FIT, "--epochs", 1, "--force")  # the remedy
    call("evaluate", folder, "--split", "train", "--dataset", dataset, "--device", "cpu")


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "5", "[]", "null", '{"best": 5}', '{"best": "../../../../etc/passwd"}',
        '{"best": "last-00001.pt"}', '{"best": null, "last": []}', '{"worst": "best-00001.pt"}',
        '{"best": "best-00001.pt", "sha256": []}',
        '{"best": "best-00001.pt", "sha256": {"best-00001.pt": 1}}',
        "[" * 3000, '{"best": "best-00001.pt", "checksum": "0"}', '{"best": {"a": 1}}',
    ],
)  # fmt: skip
def test_a_damaged_pointer_is_one_line(dataset: Path, folder: Path, text: str) -> None:
    (folder / "checkpoint.json").write_text(text)
    evaluate = ("evaluate", folder, "--split", "train", "--dataset", dataset, "--device", "cpu")
    assert "checkpoint.json: " in one_line(*evaluate)
    assert "--force" in one_line("fit", dataset, folder, *FIT, "--epochs", 2)
    if text == "x":
        call("fit", dataset, folder, *FIT, "--epochs", 1, "--force")
        call(*evaluate)


def test_every_flipped_letter_of_the_pointer_is_found(folder: Path) -> None:
    path = folder / "checkpoint.json"
    text = path.read_bytes()
    before = Checkpoints(folder).names
    for at in range(len(text)):
        path.write_bytes(text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :])
        said = ""
        try:
            now = Checkpoints(folder).names
        except TrainError as error:
            said = str(error)
        # another white space says the same
        assert "checkpoint.json" in said or now == before


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"{", b"5", b"[" * 3000, b'{"config": {}}'])
def test_a_damaged_run_json_is_one_line(dataset: Path, folder: Path, data: bytes) -> None:
    (folder / "run.json").write_bytes(data)
    line = one_line("evaluate", folder, "--split", "train", "--dataset", dataset, "--device", "cpu")
    assert "run.json: " in line
    assert "run.json: " in one_line("fit", dataset, folder, *FIT, "--epochs", 2)
    call("fit", dataset, folder, *FIT, "--epochs", 1, "--force")


def test_a_changed_figure_in_run_json_is_not_believed(dataset: Path, folder: Path) -> None:
    path = folder / "run.json"
    value = json.loads(path.read_text())
    value["data"]["flow_divisor"][0] += 0.25
    path.write_text(json.dumps(value))
    line = one_line("evaluate", folder, "--split", "train", "--dataset", dataset, "--device", "cpu")
    assert "checksum differs" in line
    del value["checksum"]  # as earlier versions wrote it
    path.write_text(json.dumps(value))
    call("evaluate", folder, "--split", "train", "--dataset", dataset, "--device", "cpu")


@pytest.mark.parametrize("data", [b"{", b'{"a":1}', b"5", b"\xff"])
def test_a_damaged_history_is_written_anew(dataset: Path, folder: Path, data: bytes) -> None:
    path = folder / "history.json"
    right = json.loads(path.read_text())
    path.write_bytes(data)
    call("fit", dataset, folder, *FIT, "--epochs", 1)
    assert json.loads(path.read_text()) == right


def test_a_pipe_in_the_place_of_run_json_holds_nobody_up(dataset: Path, folder: Path) -> None:
    (folder / "run.json").unlink()
    os.mkfifo(folder / "run.json")
    line = one_line("evaluate", folder, "--split", "train", "--dataset", dataset, "--device", "cpu")
    assert "not a regular file" in line


class _Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


def test_pickles_are_refused(dataset: Path, folder: Path, tmp_path: Path) -> None:
    mark = tmp_path / "pwned"
    torch.save({"state_dict": _Evil(mark)}, tmp_path / "evil.pt")
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(_Evil(mark)))
    for name in ("evil.pt", "evil.pkl"):
        with pytest.raises(TrainError, match="not a file of weights"):
            read_weights(tmp_path / name)
    # in a run, with a digest that fits: who can write the weights can write the digest
    best = next(folder.glob("best-*.pt"))
    for name in ("evil.pt", "evil.pkl"):
        shutil.copy(tmp_path / name, best)
        pointer = {"best": best.name, "sha256": {best.name: hashlib.sha256(best.read_bytes()).hexdigest()}}
        (folder / "checkpoint.json").write_text(json.dumps(pointer))
        line = one_line("evaluate", folder, "--split", "train", "--dataset", dataset, "--device", "cpu")
        assert f"{best.name}: damaged" in line
    assert not mark.exists()


def test_weights_of_another_network_are_one_line(dataset: Path, folder: Path) -> None:
    best = next(folder.glob("best-*.pt"))
    for state in ({"model": {}, "epoch": 1}, {"model": 5}, {"epoch": 1}, [1, 2]):
        torch.save(state, best)
        (folder / "checkpoint.json").write_text(json.dumps({"best": best.name}))
        line = one_line("evaluate", folder, "--split", "train", "--dataset", dataset, "--device", "cpu")
        assert "--force" in line


def test_a_run_of_an_earlier_version_goes_on(dataset: Path, folder: Path) -> None:
    for name in ("run.json", "checkpoint.json"):
        value = json.loads((folder / name).read_text())
        del value["checksum"]
        value.pop("sha256", None)
        (folder / name).write_text(json.dumps(value))
    call("fit", dataset, folder, *FIT, "--epochs", 2)
    value = json.loads((folder / "checkpoint.json").read_text())
    for kind in ("best", "last"):
        data = (folder / value[kind]).read_bytes()
        assert value["sha256"][value[kind]] == hashlib.sha256(data).hexdigest()


#: names that people give, among them those of a run
NAMES = (
    "my.pt", "best-final.pt", "last.pt", "best-00001.pt.bak", ".notes.tmp", ".thesis.tex.12.tmp",
    ".best-00001.pt.tmp", "notes.txt", "weights", "curves.png", "last-00007.pt", "best-00009.pt",
    "history.json", ".run.json.99999999.tmp.txt",
)  # fmt: skip


def tree(folder: Path) -> dict[str, tuple[str, bytes]]:
    """Everything below a folder: links by their target, files by their content; no link is followed."""
    found: dict[str, tuple[str, bytes]] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = ("link", os.readlink(path).encode())
        elif path.is_file():
            found[name] = ("file", path.read_bytes())
        else:
            found[name] = ("folder", b"")
    return found


@pytest.mark.parametrize("seed", range(20))
def test_fit_touches_only_what_it_made(dataset: Path, trained: Path, tmp_path: Path, seed: int) -> None:
    """Random foreign files, folders and links in a run's folder, in an empty one, and in one of others."""
    rng = np.random.default_rng(seed)
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("best-00001.pt", "precious.txt", "run.json"):
        (outside / name).write_bytes(rng.bytes(20))
    folder = tmp_path / "run"
    has_run = seed % 3 != 2
    if has_run:
        shutil.copytree(trained, folder)
    else:
        folder.mkdir()
    before = tree(folder)
    foreign = []
    for name in rng.choice(NAMES, int(rng.integers(1, 6)), replace=False).tolist():
        path = folder / name
        if has_run and name in before:
            if rng.random() < 0.5:
                continue
            path.unlink()  # a link in the place of a file of the run
            path.symlink_to(outside / "precious.txt")
        else:
            kind = rng.choice(["file", "folder", "link", "linked folder"])
            if kind == "file":
                if name in ("curves.png", "history.json") and has_run:
                    continue  # in a run's folder these names are the run's
                path.write_bytes(rng.bytes(30))
            elif kind == "folder":
                path.mkdir()
                (path / "best-00001.pt").write_bytes(b"precious")
            else:
                path.symlink_to(outside / "precious.txt" if kind == "link" else outside)
        foreign.append(name)
    there, around = tree(folder), tree(outside)
    kept = {n: v for n, v in there.items() if n.split("/")[0] in foreign}
    for words in (("--epochs", 2), ("--epochs", 1, "--force")):
        result = call("fit", dataset, folder, *FIT, *words, code=-1)
        assert result.exit_code in (0, 1, 2), result.output
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        now = tree(folder)
        assert {n: v for n, v in now.items() if n.split("/")[0] in foreign} == kept
        assert tree(outside) == around
        if not has_run and foreign:
            assert result.exit_code == 2
            assert now == there


def test_a_run_json_of_another_program_is_not_replaced(dataset: Path, tmp_path: Path) -> None:
    folder = tmp_path / "wandb"
    folder.mkdir()
    (folder / "run.json").write_text('{"project": "mine"}')
    (folder / "weights.pt").write_text("mine")
    before = tree(folder)
    for words in ((), ("--force",)):
        call("fit", dataset, folder, *FIT, "--epochs", 1, *words, code=1 if not words else 2)
        assert tree(folder) == before


def test_a_temporary_file_of_a_killed_run_is_removed(dataset: Path, tmp_path: Path) -> None:
    config = RunConfig(model="pose", epochs=1, batch=6)
    run(dataset, tmp_path / "r", config)
    left = tmp_path / "r" / ".last-00002.pt.99999999.tmp"
    left.write_bytes(b"half")
    run(dataset, tmp_path / "r", config)
    assert not left.exists()
    assert Checkpoints(tmp_path / "r").load("last", CPU)["epoch"] == 1

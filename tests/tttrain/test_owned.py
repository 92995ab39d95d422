"""What tttrain writes into a folder that a user names leaves all that it did not write there."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.dataset_writer import write_dataset
from tests.support.trainings import call
from tttrain import owned
from tttrain.errors import TrainError

torch.set_num_threads(1)
FIT = ["--epochs", "1", "--batch", "5", "--size", "12x12", "--lr", "0.01"]
TWIN = ["--model", "twin", "--length", "8", "--every", "2", *FIT]
SMALL = ["--option", "width=0.03", "--option", "stride=1", "--option", "dropout=0"]
GRU = [*SMALL, *FIT, "--size", "16x16"]
COMPARE = ["--models", "2d-convgru", "--sampling", "1", *GRU]
KINDS = ("file", "link to a file", "link to a folder", "dangling link", "folder", "pipe")
COMMANDS = ("evaluate", "detect", "robustness", "compare", "fit")


class World:
    """A dataset, one run that slides windows, one that samples trials, and their results of every command."""

    def __init__(self, folder: Path) -> None:
        self.data = write_dataset(folder / "d.h5", videos=3, strokes=9, length=40)
        self.windows, self.trials = folder / "windows", folder / "trials"
        call("fit", self.data, self.windows, *TWIN)
        call("fit", self.data, self.trials, "--model", "2d-convgru", "--sampling", "method-1", *GRU)
        self.names: dict[str, list[str]] = {}
        for command in COMMANDS:
            out = folder / f"out-{command}"
            self.call(command, out)
            self.names[command] = sorted(
                str(p.relative_to(out)) for p in out.rglob("*") if "tensorboard" not in p.parts
            )
        assert "average/v1.xml" in self.names["evaluate"] or self.names["evaluate"]

    def call(self, command: str, out: Path, *more: object, code: int = 0) -> str:
        words: dict[str, list[object]] = {
            "evaluate": [self.windows, "--split", "test", "-o", out],
            "detect": [self.windows, "--step", "20", "-o", out],
            "robustness": [self.trials, "--repeat", "1", "--only", "frame-rate", "-o", out],
            "compare": [self.data, out, *COMPARE],
            "fit": [self.data, out, *TWIN],
        }
        return call(command, *words[command], *more, code=code).output


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("owned"))


def put(kind: str, path: Path, elsewhere: Path, number: int) -> None:
    """Put something that tttrain did not make in a place."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if os.path.lexists(path) or path.parent.is_symlink():
        return
    target = elsewhere / str(number)
    if kind == "file":
        path.write_text("the user's")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
        (path / "thesis.tex").write_text("the user's")
    else:
        if kind == "link to a file":
            target.write_text("behind the link")
        elif kind == "link to a folder":
            target.mkdir()
            (target / "report.json").write_text("behind the link")
        path.symlink_to(target)


def state(folder: Path) -> dict[str, object]:
    """Everything in a folder: content of files, targets of links."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = ("link", os.readlink(path))
        elif path.is_file():
            found[name] = path.read_bytes()
        else:
            found[name] = "folder" if path.is_dir() else "special"
    return found


@pytest.mark.parametrize("command", COMMANDS)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_nothing_of_the_users_is_touched(world: World, command: str, data: st.DataObject) -> None:
    places = [*world.names[command], "notes.txt", "sub/notes.txt", ".tttrain.json", "curves.png"]
    what = data.draw(
        st.lists(st.tuples(st.sampled_from(places), st.sampled_from(KINDS)), min_size=1, max_size=3)
    )
    with tempfile.TemporaryDirectory() as name:
        out, elsewhere = Path(name) / "out", Path(name) / "elsewhere"
        out.mkdir()
        elsewhere.mkdir()
        for number, (place, kind) in enumerate(what):
            put(kind, out / place, elsewhere, number)
        before = state(Path(name))
        said = world.call(command, out, code=-1)
        after = state(Path(name))
        assert {n: after.get(n) for n in before} == before, said
        assert "Traceback" not in said


@pytest.mark.parametrize("command", COMMANDS)
def test_its_own_results_are_replaced_but_no_changed_one(world: World, command: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    world.call(command, out)
    world.call(command, out)
    changed = out / {"fit": "curves.png", "compare": "table.md", "robustness": "robustness.md"}.get(
        command, "report.json"
    )
    changed.write_bytes(changed.read_bytes() + b"\nmy remark\n")
    kept = changed.read_bytes()
    said = world.call(command, out, code=1)
    assert f"{changed}: was not written by tttrain, or changed since" in said.replace("\n", " ")
    assert changed.read_bytes() == kept
    changed.rename(tmp_path / "moved")  # as the remedy says
    world.call(command, out)
    assert changed.exists() or command == "fit"


def test_a_killed_process_does_not_disown_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.json"
    owned.write_text(path, "one")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            owned.write_text(tmp_path / "report.json", "two")
    # the account itself was replaced by the same call, so the old one still counts
    assert path.read_text() == "one"
    owned.write_text(path, "three")
    assert path.read_text() == "three"


def test_a_damaged_account_is_named_with_a_remedy_that_works(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    owned.write_text(path, "one")
    (tmp_path / owned.RECEIPT).write_text("{")
    with pytest.raises(TrainError, match="name another folder, or delete it and move the files"):
        owned.write_text(path, "two")
    (tmp_path / owned.RECEIPT).unlink()
    shutil.move(path, tmp_path / "moved.json")
    owned.write_text(path, "two")
    assert path.read_text() == "two"


def test_runs_of_earlier_versions_are_continued(world: World, tmp_path: Path) -> None:
    out = tmp_path / "old"
    world.call("fit", out)
    (out / owned.RECEIPT).unlink()  # 0.1.0 kept none
    world.call("fit", out, "--epochs", "2")
    assert (out / owned.RECEIPT).exists()
    (out / owned.RECEIPT).unlink()
    world.call("fit", out, "--epochs", "2", "--force")

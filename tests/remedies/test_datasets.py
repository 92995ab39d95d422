"""What tttrain says about a dataset file, followed as it is written: it is exported, and trained on."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

import h5py
import torch

from pipeline.cli.main import main as ttprep
from tests.remedies.conftest import draw_nothing
from tests.remedies.following import Case, Says, Words, both, call, check, manifest, write
from tests.support.dataset_writer import write_dataset
from tests.support.projects import TINY, T, write_actions, write_video
from tttrain.cli.main import main

torch.set_num_threads(1)
EPOCH = ("--device", "cpu", "--batch", "6", "--epochs", "1", "--schedule", "constant", "--allow-absent")
MOVES = ("Up", "Down", "Across")


def fit(*words: object, data: str = "d.h5") -> Words:
    return ("fit", data, "run", "--model", "cnn", "--size", "8x8", *EPOCH, "--validation", "none", *words)


def ok(*words: object) -> None:
    code, text = call(ttprep, *words)
    assert code == 0, text


def set_manifest(**changes: Any) -> None:
    """Write the manifest, and make what it asks for."""
    manifest(**{**TINY, "modalities": ["rgb"], "dataset": "d.h5", **changes})


def anew(**changes: Any) -> Callable[..., object]:
    """Return a step that changes the manifest, makes what it asks for, and exports."""
    return both(
        partial(set_manifest, **changes), partial(ok, "run", "--workers", "0"), partial(ok, "export", "d.h5")
    )


def longer(setting: dict[str, Any]) -> Callable[..., object]:
    """Return a step that sets the length of the samples."""
    cuboids = {**TINY["stages"]["cuboids"], **setting["stages"]["cuboids"]}
    return anew(stages={**TINY["stages"], "cuboids": cuboids})


def export(words: str = "export d.h5", *_: str) -> None:
    ok(*shlex.split(words))


def unsealed(change: Callable[[h5py.File], object]) -> Callable[[], None]:
    """Return a step that puts a file without a seal in the place of the dataset, with a fault."""

    def step() -> None:
        write_dataset(Path("plain.h5"), videos=2, strokes=9, modalities=("rgb",))
        with h5py.File("plain.h5", "a") as file:
            change(file)
        os.replace("plain.h5", "d.h5")

    return step


def no_numbers(file: h5py.File) -> None:
    file["cuboids/roi"][:] = float("nan")


def no_chunk(file: h5py.File) -> None:
    for at in range(0, len(file["cuboids/rgb"]), 8):
        file["cuboids/rgb"].id.write_direct_chunk((at, 0, 0, 0), b"no chunk")


def no_table(file: h5py.File) -> None:
    begin = file["samples/begin"][:]
    del file["samples/begin"]
    table = file.create_dataset("samples/begin", data=begin, chunks=(8,), compression="gzip")
    table.id.write_direct_chunk((0,), b"no table")


CASES = {
    "a damaged file": Case(
        fit(),
        Says("; `ttprep {}` writes it anew"),
        follow=export,
        prepare=lambda: os.truncate("d.h5", 9000),
    ),
    "a file without its shards": Case(
        fit(),
        Says("; `ttprep {}` writes it anew"),
        follow=export,
        prepare=both(partial(ok, "export", "d.h5", "--shards"), partial(shutil.rmtree, "d.shards")),
    ),
    "a file that is no HDF5": Case(
        fit(),
        Says("move it elsewhere, and"),
        follow=both(partial(os.rename, "d.h5", "elsewhere"), export),
        prepare=write("d.h5", "text"),
    ),
    "a file that is gone": Case(
        fit(),
        Says("no such file; `ttprep {}` writes one"),
        follow=export,
        prepare=Path("d.h5").unlink,
    ),
    "a file that was not copied wholly": Case(
        fit(),
        Says("cannot be read as HDF5 ({}); is it complete?"),
        follow=lambda _: export(),
        prepare=both(unsealed(lambda file: None), lambda: os.truncate("d.h5", 9000)),
    ),
    "a name that is too long": Case(
        fit(data="x" * 300), Says("cannot be opened ({}); check the path"), fit()
    ),
    "a folder": Case(fit(data="store"), Says("a folder, not a dataset; name the .h5 file"), fit()),
    "a pipe": Case(
        fit(data="pipe"),
        Says("not a regular file; name the .h5 file"),
        fit(),
        prepare=lambda: os.mkfifo("pipe"),
    ),
    "another HDF5": Case(
        fit(data="e.h5"),
        Says("HDF5, but not a {}; `ttprep export DATASET.h5` writes one"),
        fit(data="f.h5"),
        follow=lambda _: ok("export", "f.h5"),
        prepare=lambda: h5py.File("e.h5", "w").close(),
    ),
    "a later version": Case(
        fit(),
        Says("install the ttprep that wrote it, or export again with this one"),
        follow=export,
        prepare=unsealed(lambda file: file.attrs.modify("format_version", 9)),
    ),
    "a version that is none": Case(
        fit(),
        Says("is no number; export it again"),
        follow=export,
        prepare=unsealed(lambda file: file.attrs.create("format_version", "one")),
    ),
    "a length that is none": Case(
        fit(),
        Says("{}: {}; export it again"),
        follow=lambda *_: export(),
        prepare=unsealed(lambda file: file.attrs.modify("length", -1)),
    ),
    "a table that is damaged": Case(
        fit(),
        Says("its tables cannot be read ({}); export it again"),
        follow=lambda _: export(),
        prepare=unsealed(no_table),
    ),
    "positions that are none": Case(
        fit(),
        Says("rows {}–{} of {} hold no numbers; export it again"),
        follow=lambda *_: export(),
        prepare=unsealed(no_numbers),
    ),
    "chunks that are none": Case(
        fit(),
        Says("rows {}–{} of {} cannot be read ({}); export it again"),
        follow=lambda *_: export(),
        prepare=unsealed(no_chunk),
    ),
    "no whole videos": Case(
        fit("--sampling", "frames"),
        Says("of split {}, of whose frames a network could learn; export with `{}` in the manifest"),
        follow=lambda _, setting: anew(**yaml.safe_load(setting), splits={"by": "video"})(),
    ),
    "videos in several splits": Case(
        fit("--sampling", "frames"),
        Says("so its frames belong to none; export with `{}` in the manifest"),
        follow=lambda setting: anew(untrimmed=True, **yaml.safe_load(setting))(),
        prepare=anew(untrimmed=True),
    ),
    "too long a window": Case(
        fit("--length", T + 4),
        Says("take {}, or set {} in the manifest, run and export again"),
        follow=lambda _, setting: longer(yaml.safe_load(setting.strip("`")))(),
    ),
    "another class of a frame": Case(
        fit("--sampling", "frames", "--taxonomy", "strokes"),
        Says("falls into several classes of the other taxonomy; export with that taxonomy as the default"),
        follow=anew(untrimmed=True, splits={"by": "video"}, taxonomy="strokes"),
        prepare=anew(untrimmed=True, splits={"by": "video"}, taxonomy="detection"),
    ),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two videos with a dataset."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        draw_nothing(patch)
        for n, name in enumerate(("a", "b")):
            write_video(Path(f"videos/{name}.mp4"), 240, n)
            actions = [(10 + 38 * k, 30 + 38 * k, MOVES[k % 3]) for k in range(6)]
            write_actions(Path(f"annotations/{name}.xml"), actions)
        anew()()
    return folder


@pytest.fixture
def here(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a copy of it."""
    shutil.copytree(project, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    draw_nothing(monkeypatch)
    return tmp_path


@pytest.mark.parametrize("name", CASES)
def test_a_remedy_works_as_it_is_written(here: Path, name: str) -> None:
    check(main, CASES[name])

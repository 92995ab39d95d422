"""What the package says to do, followed as it is written."""

from __future__ import annotations

import ast
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml

import ttprep
from pipeline.cli.main import main
from pipeline.reading import arrays as reading
from tests.remedies.following import Says, call, nothing, write
from tests.support import ROOT
from tests.support.projects import manifest_in

#: of the dataset
SAMPLES = 7


@pytest.fixture(autouse=True)
def _soon(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait no longer than needed for a file that may be replaced."""
    monkeypatch.setattr(reading, "REPLACED_S", 0.01)


def refused(do: Callable[[], object]) -> str:
    with pytest.raises(ttprep.Error) as caught:
        do()
    return str(caught.value)


def ok(words: str, *more: object) -> None:
    code, text = call(main, *shlex.split(words), *more)
    assert code == 0, text


def run(words: str, *more: object) -> None:
    ok(words, "--workers", "0", *more)


def video() -> ttprep.Video:
    return ttprep.open("store")["clip.mp4"]


# -- what stands in the brackets -----------------------------------------------------------------


@dataclass(frozen=True)
class Index:
    """An index of an array that is refused, and another one that the message gives."""

    key: Any
    says: Says
    again: Callable[..., Any]
    array: tuple[str, str] = ("frames", "rgb")


INDICES = {
    "no time": Index(
        "soon", Says('is no time; write seconds as "{}", or'), lambda example: slice(None, example)
    ),
    "no time of minutes": Index("soon", Says('"{}"; frames are plain numbers'), lambda _: 12),
    "a step too short": Index(
        slice(None, None, "0.000000001s"),
        Says("a step of {} s gives {} rows; take a longer one"),
        lambda *_: slice(None, None, "0.01s"),
    ),
    "too few truth values": Index(
        [True, False], Says("truth values for {} rows; give one for each"), lambda n: [True] * int(n)
    ),
    "seconds as a number": Index(0.1, Says('; write "{}" for seconds'), lambda text: text),
    "times of samples": Index(
        slice("0s", "1s"),
        Says("rows of samples do not run along the video; give them by number"),
        lambda: slice(0, 1),
        ("cuboids", "rgb"),
    ),
}


@pytest.mark.parametrize("name", INDICES)
def test_an_index(name: str) -> None:
    case = INDICES[name]
    array = video().array(*case.array)
    holes = case.says.of(refused(lambda: array[case.key]))
    assert array[case.again(*holes)].size


def test_frames_without_times() -> None:
    v = video()
    clock = v._clock()
    v._clocks[v._selection.slot("frames").key] = type(clock)(np.full(40, np.nan))
    Says("its frames have no times in the file; give frames by number").of(refused(lambda: v.frames["0.1s"]))
    assert v.frames[12].any()


# -- what is named -------------------------------------------------------------------------------


def test_a_store_that_is_not_there() -> None:
    text = refused(lambda: ttprep.open("elsewhere"))
    (words,) = Says("does not exist; `ttprep {} VIDEOS` makes a store").of(text)
    run(words, "videos")
    assert ttprep.open("elsewhere")["clip.mp4"].frames[:].any()


def test_a_name_of_two_videos() -> None:
    Path("videos/b").mkdir()
    other = Path("videos/other.mp4").rename("videos/b/clip.mp4")
    os.utime(other, (1e9, 1e9))  # of a file just written the store takes no note
    run("run --stage frames")
    store = ttprep.open("store")
    places = Says("means {} videos of {}: {}; give more of the path, or the id").of(
        refused(lambda: store["clip.mp4"])
    )[-1]
    ids = re.findall(r"\(id (\w+)\)", places)
    assert sorted(store[i].id for i in ids) == sorted(v.id for v in store)
    assert store["b/clip.mp4"].id != store["videos/clip.mp4"].id


def test_a_table_that_is_none() -> None:
    _, names = Says("there is no table of {}; there are {}").of(refused(lambda: video().table("flow")))
    assert len(video().table(next(n for n in names.split(", ") if n == "roi"))) == 40


def test_a_key_that_is_none() -> None:
    v = video()
    (key, words) = Says("results with the key {}; see {}").of(refused(lambda: v.choose("ffff")))
    assert (key, words) == ("'ffff'", "results()")
    assert v.choose(v.results()[0]).stages == v.stages


def test_a_chosen_result_that_is_gone(copied: Path) -> None:
    old = video().results("roi")[0]
    manifest_in(copied, modalities=["rgb"], stages={"roi": {"region": [0.0, 0.0, 0.9, 1.0]}})
    run("run --stage roi")
    v = video().choose(old)
    old.path.with_suffix(".json").unlink()
    (stage,) = Says("that was chosen is no longer there; see results({})").of(refused(lambda: v.roi))
    (there,) = v.results(ast.literal_eval(stage))
    assert len(v.choose(there).roi) == 40


# -- what is damaged -----------------------------------------------------------------------------


def test_a_damaged_result() -> None:
    path = video().results("frames")[0].path
    expected = video().frames[:]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 8
    path.write_bytes(data)
    text = refused(lambda: video().frames[:])
    verify, words = Says("; `ttprep {}` marks it, then `ttprep {}` makes it anew").of(text)
    code, said = call(main, *shlex.split(verify))
    assert (code, path.name in said) == (1, True), said
    run(words)
    np.testing.assert_array_equal(video().frames[:], expected)


def test_a_result_that_was_removed() -> None:
    v = video()
    array, path = v.array("roi", "centre"), v.results("roi")[0].path
    v._handles.close()
    for file in (path, path.with_suffix(".json")):
        file.unlink()
    Says("(`ttprep gc`?); look for the result anew").of(refused(lambda: array[:]))
    command = refused(lambda: v.array("roi", "centre")).split("`")[1]
    run(command.removeprefix("ttprep "))
    assert v.array("roi", "centre")[:].any()


# -- datasets ------------------------------------------------------------------------------------


def of_version(version: int) -> None:
    with h5py.File("e.h5", "w") as file:
        file.attrs.update(format="ttprep-dataset", format_version=version)


def exported(*_: str) -> None:
    ok("export f.h5")


FILES: dict[str, tuple[Callable[..., object], Says, Callable[..., object], str]] = {
    "a folder": (
        lambda: Path("e.h5").mkdir(), Says("is no file; name the .h5 of a dataset"), nothing, "d.h5",
    ),
    "text": (
        write("e.h5", "text"), Says("is no HDF5 file; `ttprep {} FILE.h5` writes a dataset"),
        lambda word: ok(word, "f.h5"), "f.h5",
    ),
    "another HDF5": (
        lambda: h5py.File("e.h5", "w").close(),
        Says("{}: HDF5, but no {}; `ttprep export FILE.h5` writes one"), exported, "f.h5",
    ),
    "a later version": (
        lambda: of_version(9),
        Says("this ttprep reads version {}; install the one that wrote it, or export again with this one"),
        exported, "f.h5",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_dataset(name: str) -> None:
    make, says, follow, again = FILES[name]
    make()
    follow(*says.of(refused(lambda: ttprep.open_dataset("e.h5"))))
    assert len(ttprep.open_dataset(again)) == SAMPLES


def test_what_a_dataset_does_not_hold(copied: Path) -> None:
    d = ttprep.open_dataset("d.h5")
    _, names = Says("no taxonomy {}; there are {}").of(refused(lambda: d.labels("x")))
    assert len(d.labels(names.split(", ")[0])) == SAMPLES
    Says("see docs/dataset-format.md").of(refused(lambda: d[0].array("centre")))
    page = (ROOT / "docs/dataset-format.md").read_text(encoding="utf-8")
    (name,) = {n for n in re.findall(r"`(\w+)`", page) if n == "roi"}
    assert d[0].array(name).any()
    _, switch = Says("its modalities are {}; set `{}` in the manifest, run and export again").of(
        refused(lambda: d[0].flow)
    )
    (whole,) = Says("set `{}` in the manifest, run and export again").of(
        refused(lambda: d.untrimmed("clip.mp4"))
    )
    manifest_in(copied, **yaml.safe_load(switch), **yaml.safe_load(whole))
    run("run")
    ok("export d.h5")
    again = ttprep.open_dataset("d.h5")
    assert again[0].flow.any()
    assert again.untrimmed("clip.mp4").rgb.any()

"""What lies beside the dataset file: card, picture, table, Croissant description; the documented script."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import h5py
import hdf5plugin  # noqa: F401
import mlcroissant as mlc  # type: ignore[import-untyped]
import numpy as np
import pytest

from pipeline.dataset.card import mark_of
from pipeline.dataset.sample_picture import heading
from pipeline.dataset.sample_table import COLUMNS
from pipeline.dataset.summary import read_summary
from pipeline.inputs.manifest import Manifest
from pipeline.pictures import draw
from tests.support import ROOT
from tests.support.projects import T, export_here, manifest_in, project, run_here, write_actions

DOCS = ROOT / "docs"
ACTIONS = {
    "a": [(2, 12, "Up"), (16, 26, "Down"), (30, 40, "Up"), (44, 60, "Across")],
    "b": [(2, 12, "Up"), (16, 26, "Down"), (30, 33, "Up")],
    "c": [(1, 10, "Down")],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("card")
    return project(folder, {"a": 64, "b": 48, "c": 12}, ACTIONS)


@pytest.fixture(scope="module")
def dataset(made: Manifest) -> Path:
    export_here(made, made.folder / "set.h5")
    return made.folder / "set.h5"


def samples(dataset: Path) -> list[tuple[str, str]]:
    with h5py.File(dataset) as file:
        classes, splits = json.loads(file.attrs["classes"]), json.loads(file.attrs["splits"])
        label, split = file["samples/label"][()], file["samples/split"][()]
        return [(classes[a], splits[b]) for a, b in zip(label, split, strict=True)]


def test_the_card_counts_what_the_file_holds(dataset: Path) -> None:
    card = dataset.with_suffix(".md").read_text()
    found = samples(dataset)
    assert len(found) >= 7
    for name in ("Up", "Down", "Across", "Negative"):
        counts = [sum(f == (name, s) for f in found) for s in ("train", "validation", "test")]
        assert f"| {name} | {' | '.join(map(str, counts))} | {sum(counts)} |" in card
    for column, split in enumerate(("train", "validation", "test")):
        total = re.search(r"\| \*\*all\*\* \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|", card)
        assert total
        assert int(total[column + 1]) == sum(s == split for _, s in found)
    assert "![" in card
    assert "](set.png)" in card


def test_the_card_tells_how_it_came_about_and_what_it_lacks(dataset: Path) -> None:
    card = dataset.with_suffix(".md").read_text()
    assert "| read | 8 | annotations |" in card
    assert "| 0.05-10 s | 7 | annotations | 1 too-short |" in card
    assert "samples are of videos shorter than T: their last frame is repeated" in card
    assert re.search(r"\d+ of \d+ samples are shorter than T and extended", card)
    assert re.search(r"Splits are by sample: \d of \d videos have samples in several splits", card)
    assert "No sample of the class Across in" in card
    assert "labels rest on one annotator or on none" in card


def test_the_picture_shows_samples_of_every_class(dataset: Path) -> None:
    picture = cv2.imread(str(dataset.with_suffix(".png")))
    assert picture is not None
    n = min(10, len(samples(dataset)))
    assert picture.shape == (n * (24 + 22), 10 * 24, 3)
    # frames on the left are never blank, flow on the right is where the square moves
    assert picture[22:46, :120].std() > 10
    assert (picture[:, 120:] < 200).any()


def test_its_headings_name_the_frames_shown(dataset: Path) -> None:
    summary = read_summary(dataset)
    with h5py.File(dataset) as file:
        for index in range(len(summary.splits)):
            text = heading(file, summary, index)
            told = [int(word) for word in text.split("shown ")[1].split(", ")]
            at = summary.samples["first"][index] + np.array([0, summary.samples["rows"][index] - 1])
            assert [told[0], told[-1]] == file["cuboids/frame"][()][at].tolist()
            assert len(told) == 5
            assert told == sorted(told)


def test_the_table_is_the_samples(dataset: Path) -> None:
    with dataset.with_name("set.samples.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    with h5py.File(dataset) as file:
        for name in ("id", "label_name"):
            assert [r[name] for r in rows] == file[f"samples/{name}"].asstr()[()].tolist()
        for name in ("begin", "end", "first", "rows", "label"):
            assert [int(r[name]) for r in rows] == file[f"samples/{name}"][()].tolist()
    assert [(r["class"], r["split"]) for r in rows] == samples(dataset)


def test_the_description_holds_the_files_digests(dataset: Path) -> None:
    value = json.loads(dataset.with_suffix(".croissant.json").read_text())
    for entry in value["distribution"]:
        data = (dataset.parent / entry["contentUrl"]).read_bytes()
        assert entry["contentSize"] == f"{len(data)} B"
        assert entry["sha256"] == hashlib.sha256(data).hexdigest()
    with h5py.File(dataset) as file:
        assert value["identifier"] == file.attrs["fingerprint"]


def test_croissant_validates_and_gives_the_samples(dataset: Path) -> None:
    path = dataset.with_suffix(".croissant.json")
    done = subprocess.run(
        [str(Path(sys.executable).with_name("mlcroissant")), "validate", "--jsonld", str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "error(s)" not in done.stderr
    description = mlc.Dataset(jsonld=path)
    assert not description.metadata.issues.errors
    records = list(description.records(record_set="samples"))
    found = [(r["samples/class"].decode(), r["samples/split"].decode()) for r in records]
    assert found == samples(dataset)


def test_croissant_is_what_mlcroissants_own_classes_write(dataset: Path) -> None:
    value = json.loads(dataset.with_suffix(".croissant.json").read_text())
    # mlcroissant has no place for either
    assert len(value.pop("identifier")) == 64
    assert value.pop("isLiveDataset") is False

    def file(name: str, path: Path, kind: str, description: str) -> mlc.FileObject:
        data = path.read_bytes()
        return mlc.FileObject(
            id=name, name=path.name, description=description, content_url=path.name,
            content_size=f"{len(data)} B", encoding_formats=[kind], sha256=hashlib.sha256(data).hexdigest(),
        )  # fmt: skip

    def listing(name: str, kind: str, description: str) -> mlc.RecordSet:
        with h5py.File(dataset) as opened:
            values = json.loads(opened.attrs[name])
        fields = [
            mlc.Field(id=f"{name}/{column}", name=column, description=column, data_types=[kind])
            for column, kind in {"index": mlc.DataType.INTEGER, "name": mlc.DataType.TEXT}.items()
        ]
        return mlc.RecordSet(
            id=name, name=name, description=description, data_types=[kind], key=[f"{name}/index"],
            fields=fields,
            data=[{f"{name}/index": i, f"{name}/name": v} for i, v in enumerate(values)],
        )  # fmt: skip

    numbers = ("begin", "end", "label", "first", "rows")
    columns = [
        mlc.Field(
            id=f"samples/{name}", name=name, description=text,
            data_types=[mlc.DataType.INTEGER if name in numbers else mlc.DataType.TEXT],
            source=mlc.Source(file_object="samples-csv", extract=mlc.Extract(column=name)),
        )
        for name, text in COLUMNS.items()
    ]  # fmt: skip
    samples = value["recordSet"][0]
    theirs = mlc.Metadata(
        name="set", description=value["description"], version="1.0.0", keywords=value["keywords"],
        distribution=[
            file("dataset", dataset, "application/x-hdf5", "all arrays, for h5py"),
            file("samples-csv", dataset.with_name("set.samples.csv"), "text/csv", "one line per sample"),
        ],
        record_sets=[
            mlc.RecordSet(
                id="samples", name="samples", description=samples["description"], key=["samples/id"],
                fields=columns,
            ),
            listing("classes", "sc:Enumeration", "class index and name"),
            listing("splits", "cr:Split", "split index and name"),
        ],
    ).to_json()  # fmt: skip
    assert value == json.loads(json.dumps(theirs))


@pytest.mark.parametrize("by", ["this OpenCV", "matplotlib"])
def test_letters_of_any_script_are_drawn(monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    """OpenCV draws them from version 5 on; earlier versions would draw a question mark for each."""
    if by == "matplotlib":
        monkeypatch.setattr(draw, "_OPENCV_DRAWS_ANY_SCRIPT", False)
    strips = [draw.caption(200, f"coup{letter}   train") for letter in "éèЖж"]
    assert len({strip.tobytes() for strip in strips}) == len(strips)
    for strip in strips:
        assert strip.shape == (22, 200, 3)
        assert strip.min() == 30
        assert strip.max() > 200


def test_hostile_names_do_not_break_the_card(made: Manifest, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(made.folder, tmp_path / "p")
    name = "Up | <script>alert(1)</script> \\ `x`"
    write_actions(tmp_path / "p" / "annotations" / "c.xml", [(1, 10, "Oddity")])
    manifest = manifest_in(
        tmp_path / "p",
        taxonomy="odd",
        taxonomies=[{"name": "odd", "classes": {name: ["Oddity"], "Rest": ["*"]}}],
    )
    run_here(manifest)
    export_here(manifest, tmp_path / "d.h5")
    card = (tmp_path / "d.md").read_text()
    assert "<script" not in card
    row = next(line for line in card.splitlines() if "alert" in line and line.startswith("|"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 6


def test_a_new_finding_changes_the_card_alone(made: Manifest, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(made.folder, tmp_path / "p")
    manifest = manifest_in(tmp_path / "p")
    path = tmp_path / "d.h5"
    export_here(manifest, path)
    inode, mark = path.stat().st_ino, mark_of(tmp_path / "d.md")
    write_actions(tmp_path / "p" / "annotations" / "nowhere.xml", [(1, 90, "Up")])
    run_here(manifest)
    assert export_here(manifest, path).made
    assert path.stat().st_ino == inode, "the dataset was written anew for a line of its card"
    assert mark_of(tmp_path / "d.md") != mark
    assert "| read | 9 | annotations |" in (tmp_path / "d.md").read_text()
    assert not export_here(manifest, path).made


def test_the_documented_script_plots_a_sample(dataset: Path, tmp_path: Path) -> None:
    text = (DOCS / "dataset-format.md").read_text()
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found
    script = found[1]
    assert len([line for line in script.splitlines() if line.strip()]) <= 10
    (tmp_path / "dataset.h5").symlink_to(dataset)
    done = subprocess.run(
        [sys.executable, "-I", "-c", script],
        capture_output=True, text=True, cwd=tmp_path, check=False,
        env={"MPLBACKEND": "Agg", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    picture = cv2.imread(str(tmp_path / "sample.png"))
    assert picture is not None
    assert picture.std() > 20


def test_t_is_what_the_manifest_says(dataset: Path) -> None:
    with h5py.File(dataset) as file:
        assert file.attrs["length"] == T
        assert min(file["samples/rows"][()]) >= T

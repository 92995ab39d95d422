"""Labels made up of several columns, with groups, from the table to the dataset file."""

from __future__ import annotations

from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  (registers the codecs)
import pytest
import yaml

from pipeline.errors import UserError
from pipeline.inputs.labels import LabelColumns, read_labels
from pipeline.inputs.manifest import read_manifest
from tests.support import ROOT
from tests.support.command_line import stage_files, ttprep, write_clip
from tttrain.data.dataset_file import read_info

TABLE = "file,Stroke,hand,match\na.mp4,fore_hand,left,m1\nb.mp4,backhand,right,m1\nc.mp4,backhand,left,m2\n"
MANIFEST = """\
version: 1
store: store
sources:
  - {kind: clips, path: clips, labels: labels.csv, columns: {label: [hand, stroke], group: match}}
taxonomy: mine
taxonomies: [{name: mine, classes: {Left Forehand: left fore hand, Backhand: "*backhand"}}]
splits: {train: 0.5, validation: 0, test: 0.5, by: group}
modalities: [rgb]
stages:
  frames: {width: 96, height: 64}
  flow: {method: dis}
  roi: {crop_width: 40, crop_height: 40}
  cuboids: {crop_width: 40, crop_height: 40, length: 20, rotation: 0, translation: 0, zoom: 0}
"""


def run(folder: Path) -> None:
    done = ttprep("run", "--workers", "0", cwd=folder)
    assert done.returncode == 0, done.stderr


def columns(**given: object) -> LabelColumns:
    return LabelColumns.model_validate(given)


def test_clips_with_composed_labels_and_groups_reach_the_dataset(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    for seed, name in enumerate("abc"):
        write_clip(tmp_path / "clips" / f"{name}.mp4", 24, seed=seed)
    (tmp_path / "labels.csv").write_text(TABLE)
    (tmp_path / "data_manifest.yaml").write_text(MANIFEST)
    run(tmp_path)
    info = read_info(tmp_path / "dataset.h5")
    assert info.videos.group.tolist() == ["m1", "m1", "m2"]
    assert [info.classes[i] for i in info.samples.label] == ["Left Forehand", "Backhand", "Backhand"]
    assert info.samples.label_name.tolist() == ["Left Fore Hand", "Right Backhand", "Left Backhand"]
    splits = info.samples.split.tolist()
    assert splits[0] == splits[1] != splits[2]
    # a corrected group computes nothing, and reaches the file
    (tmp_path / "labels.csv").write_text(TABLE.replace("m2", "m1"))
    before = stage_files(tmp_path / "store")
    run(tmp_path)
    assert stage_files(tmp_path / "store") == before
    assert read_info(tmp_path / "dataset.h5").videos.group.tolist() == ["m1", "m1", "m1"]
    # without groups, the table has no such column
    (tmp_path / "data_manifest.yaml").write_text(MANIFEST.replace(", group: match", ""))
    run(tmp_path)
    with h5py.File(tmp_path / "dataset.h5") as file:
        assert "group" not in file["videos"]
    assert read_info(tmp_path / "dataset.h5").videos.group.tolist() == ["", "", ""]


def test_cells_are_translated_and_strange_ones_noted_once(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("file,side,label,player,group\na,L,drive,p1,g1\nb,R,flick,,\nc,R,flick,,g2\n")
    part = {"column": "Side", "values": {"l": "Left", "r": ""}}
    label = [part, {"column": "label", "values": {"drive": "Forehand Drive"}}]
    labels, notes = read_labels(table, ["a.mp4", "b.mp4", "c.mp4"], columns=columns(label=label))
    assert [(v.label, v.player, v.group) for v in labels.values()] == [
        ("Left Forehand Drive", "p1", "g1"),
        ("flick", "", ""),
        ("flick", "", "g2"),
    ]
    assert notes == [f"{table}:3: label 'flick' has no translation; kept as it is"]


@pytest.mark.parametrize(
    ("text", "given", "words"),
    [
        ("file,label\na,x\n", {"group": "match"}, ["columns file and label and match"]),
        ("file,stroke\na,x\n", {"label": ["hand", "stroke"]}, ["columns file and hand and stroke"]),
        ("file,label,group\na,x,g\na,x,h\n", {}, [":3: a.mp4 is 'h' here and 'g' on line 2"]),
        ("file,label,Label\na,x,y\n", {}, ["two columns are named 'label'"]),
    ],
)
def test_bad_tables_give_one_line(
    tmp_path: Path, text: str, given: dict[str, object], words: list[str]
) -> None:
    table = tmp_path / "labels.csv"
    table.write_text(text)
    with pytest.raises(UserError) as caught:
        read_labels(table, ["a.mp4"], columns=columns(**given))
    assert all(word in str(caught.value) for word in words)
    assert "\n" not in str(caught.value)


def test_columns_need_a_table(tmp_path: Path) -> None:
    path = tmp_path / "data_manifest.yaml"
    path.write_text("sources:\n  - {kind: clips, path: clips, labels: folder, columns: {group: match}}\n")
    with pytest.raises(UserError, match=r":2: .*columns are those of a CSV"):
        read_manifest(path)


def test_the_source_of_the_documentation_is_valid(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "sequences.md").read_text(encoding="utf-8")
    shown = text.split("<!-- columns")[1].split("```")[1].removeprefix("yaml")
    (tmp_path / "m.yaml").write_text(shown)
    (entry,) = read_manifest(tmp_path / "m.yaml").sources
    assert [part.column for part in entry.columns.label] == ["hand", "stroke"]
    assert yaml.safe_load(shown)["sources"][0]["columns"]["group"] == entry.columns.group == "match"


def test_the_manifests_of_the_real_strokes_are_valid(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "real-strokes.md").read_text(encoding="utf-8")
    shown = [part.split("```")[0] for part in text.split("```yaml\n")[1:]]
    assert len(shown) == 3
    for i, manifest in enumerate(shown):
        path = tmp_path / f"{i}.yaml"
        path.write_text(manifest)
        read = read_manifest(path)
        assert read.view.name == read.taxonomy
        assert len(read.view.names) in (4, 7)

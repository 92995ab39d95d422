"""What earlier versions wrote: read, left alone, and extended by today's code."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import h5py
import pytest

from store import Store
from tests.archive.make import FIT, figures
from tests.support.command_line import as_json, stage_files, ttprep

ARCHIVES = sorted(Path(__file__).parent.glob("*.tar.xz"))
PROJECTS = ("matches", "trials", "posed")
#: what alone makes the archive's results old
RAISED = "stage version: 2 → 3"


@pytest.fixture(scope="module", params=ARCHIVES, ids=lambda path: path.name.removesuffix(".tar.xz"))
def unpacked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("archive")
    with tarfile.open(request.param) as tar:
        tar.extractall(place, filter="data")
    return place


@pytest.fixture
def matches(unpacked: Path, tmp_path: Path) -> Path:
    """A copy to work in."""
    return Path(shutil.copytree(unpacked / "matches", tmp_path / "matches"))


def held(unpacked: Path) -> dict[str, dict[str, list[Any]]]:
    """The figures that came with the archive."""
    found: dict[str, dict[str, list[Any]]] = json.loads((unpacked / "figures.json").read_text())
    return found


def test_there_is_an_archive() -> None:
    assert ARCHIVES


@pytest.mark.parametrize("project", PROJECTS)
def test_every_value_of_a_store_is_read(unpacked: Path, project: str) -> None:
    store = Store.open(unpacked / project / "store")
    read = 0
    for video in store.videos():
        for receipt in store.receipts(video):
            path = store.folder(video) / f"{receipt.stage}-{receipt.key[:16]}.h5"
            then = held(unpacked)[str(path.relative_to(unpacked))]
            with h5py.File(path) as file:
                assert file.attrs["key"] == receipt.key
            assert figures(path) == then
            assert {name: shape for name, (_, shape, _) in then.items()} == receipt.shapes
            read += 1
    assert read == sum(name.startswith(f"{project}/store/") for name in held(unpacked))
    assert ttprep("verify", "--store", store.root, "--read-data").returncode == 0


def reasons(plan: dict[str, Any]) -> dict[str, set[str]]:
    """Stage → everything that is said about why it is to be made."""
    found: dict[str, set[str]] = {}
    for node in plan["to_do"]:
        texts = [r["detail"] if r["kind"] == "input" else r["text"] for r in node["reasons"]]
        found.setdefault(node["stage"], set()).update(text for text in texts if text)
    return found


@pytest.mark.parametrize("project", ["matches", "trials"])
def test_the_plan_names_the_raised_version_alone(unpacked: Path, project: str) -> None:
    folder = unpacked / project
    files = stage_files(folder / "store")
    plan = as_json(ttprep("plan", "--json", cwd=folder))
    said = reasons(plan)
    assert said.pop("frames") == {RAISED}
    assert said.pop("quality") == {"never computed"}  # a stage that came since
    assert "foreground" in said
    for stage, texts in said.items():
        assert all(RAISED in text for text in texts), (stage, texts)
        assert not any("→" in text.replace(RAISED, "") for text in texts), (stage, texts)
    before = [node for node in plan["to_do"] if node["stage"] != "quality"]
    assert {r["kind"] for node in before for r in node["reasons"]} == {"version", "input"}
    assert stage_files(folder / "store") == files


def test_the_plan_names_the_raised_version_where_pose_was_estimated(
    unpacked: Path, pose_weights: Path
) -> None:
    words = ("plan", "--stage", "descriptor", "--pose-weights", pose_weights, "--json")
    said = reasons(as_json(ttprep(*words, cwd=unpacked / "posed")))
    assert said["frames"] == {RAISED}
    assert said["pose"] == {RAISED}


@pytest.fixture(scope="module")
def renewed(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copies of the archive's projects in which everything was made again."""
    place = tmp_path_factory.mktemp("renewed")
    for project in ("matches", "trials"):
        shutil.copytree(unpacked / project, place / project)
        done = ttprep("run", "--workers", "1", cwd=place / project)
        assert done.returncode == 0, done.stderr
        assert ttprep("plan", cwd=place / project).stdout == ""
    return place


@pytest.mark.parametrize("project", ["matches", "trials"])
def test_the_dataset_is_the_old_one(unpacked: Path, renewed: Path, project: str) -> None:
    """The version was raised for files that are odd; these are not, and no value changes."""
    assert figures(renewed / project / "dataset.h5") == held(unpacked)[f"{project}/dataset.h5"]


def test_one_more_annotation_file_makes_cuboids_and_dataset_alone(
    unpacked: Path, renewed: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(renewed / "matches", tmp_path / "matches"))
    files = stage_files(folder / "store")
    shutil.copy(folder / "later.xml", folder / "annotations" / "third.xml")
    to_do = as_json(ttprep("plan", "--json", cwd=folder))["to_do"]
    assert [(Path(node["video"]).name, node["stage"]) for node in to_do] == [("third.mp4", "cuboids")]
    done = ttprep("run", "--workers", "1", cwd=folder)
    assert done.returncode == 0, done.stderr
    now = stage_files(folder / "store")
    assert files.items() <= now.items()
    assert [Path(name).name.split("-")[0] for name in now.keys() - files.keys()] == ["cuboids"]
    mine, theirs = figures(folder / "dataset.h5"), held(unpacked)["extended"]
    del mine["samples/split"], theirs["samples/split"]  # new samples are divided by another rule since
    assert mine == theirs
    before, after = (splits(path / "dataset.h5") for path in (renewed / "matches", folder))
    assert before.items() < after.items()


def splits(dataset: Path) -> dict[str, str]:
    """Return the split of every sample."""
    with h5py.File(dataset) as file:
        names = json.loads(file.attrs["splits"])
        ids = file["samples/id"].asstr()[()]
        return dict(zip(ids, (names[i] for i in file["samples/split"]), strict=True))


def scores_by_windows_of_then(folder: Path) -> dict[str, list[float]]:
    """Mean scores over the windows of 0.1.0: every ten of the stored frames, without the last ones."""
    import torch

    from tttrain.data.samples import StrokeDataset
    from tttrain.evaluation.trained_network import load_network

    network = load_network(folder / "trained", folder / "dataset.h5", torch.device("cpu"))
    info, view = network.info, network.view
    rows, found = info.rows_of("train"), {}
    data = StrokeDataset(info, rows, view, network.record.inputs, "whole")
    for i, row in enumerate(rows):
        clip = data[i]
        starts = torch.arange(0, len(clip["corner"]) - view.span + 1, 10)
        shown = starts[:, None] + torch.from_numpy(view.offsets)
        windows = {k: v[shown] for k, v in clip.items() if k not in ("label", "row")}
        found[str(info.samples.id[row])] = network.scores(network.preparer(), windows).mean(axis=0).tolist()
    return found


def test_a_trained_network_decides_as_it_did(unpacked: Path, matches: Path) -> None:
    pytest.importorskip("torch", reason="needs torch: pip install '.[train]'")
    then = json.loads((matches / "trained" / "evaluate-train" / "report.json").read_text())
    words = [
        "evaluate",
        "trained",
        "--split",
        "train",
        "--dataset",
        "dataset.h5",
        "--device",
        "cpu",
        "--json",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "tttrain.cli", *words],
        cwd=matches,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    now = json.loads((matches / "trained" / "evaluate-train" / "report.json").read_text())
    assert [p["id"] for p in now["predictions"]] == [p["id"] for p in then["predictions"]]
    for mine, theirs in zip(now["predictions"], then["predictions"], strict=True):
        assert mine["true"] == theirs["true"]
    found = scores_by_windows_of_then(matches)
    for theirs in then["predictions"]:
        assert found[theirs["id"]] == pytest.approx(theirs["scores"], abs=1e-3)  # machines round differently
    resumed = subprocess.run(
        [sys.executable, "-m", "tttrain.cli", *FIT.split(), "--epochs", "3"],
        cwd=matches,
        capture_output=True,
        text=True,
        check=False,
    )
    assert resumed.returncode == 0, resumed.stderr
    history = json.loads((matches / "trained" / "history.json").read_text())
    assert [epoch["epoch"] for epoch in history] == [1, 2, 3]

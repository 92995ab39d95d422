"""Dataset and annotations as a user calls them: output, exit codes, what `run` does by itself."""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest

from tests.support.command_line import as_json, ttprep
from tests.support.projects import manifest_in, write_actions, write_video


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after its first `ttprep run`."""
    folder = tmp_path_factory.mktemp("cli")
    for seed, name in enumerate(("a", "b")):
        write_video(folder / "videos" / f"{name}.mp4", 50, seed)
    write_actions(folder / "annotations" / "a.xml", [(2, 12, "Up"), (20, 40, "Down"), (0, 9, "Up")])
    manifest_in(folder, dataset="dataset.h5")
    done = ttprep("run", "--workers", 2, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "dataset.h5: written; 3 samples" in done.stdout
    return folder


def test_run_keeps_the_dataset_up_to_date(folder: Path) -> None:
    inode = (folder / "dataset.h5").stat().st_ino
    done = ttprep("run", cwd=folder)
    assert "dataset.h5: is up to date" in done.stdout
    assert (folder / "dataset.h5").stat().st_ino == inode
    write_actions(folder / "annotations" / "b.xml", [(5, 25, "Across")])
    done = ttprep("run", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "dataset.h5: written; 4 samples" in done.stdout
    with h5py.File(folder / "dataset.h5") as file:
        assert "Across" in file["samples/label_name"].asstr()[()].tolist()


def test_export_elsewhere_and_again(folder: Path, tmp_path: Path) -> None:
    done = ttprep("export", tmp_path / "set.h5", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    value = as_json(done)
    assert value["made"]
    assert value["samples"] == sum(sum(c.values()) for c in value["counts"].values())
    again = ttprep("export", tmp_path / "set.h5", cwd=folder)
    assert "is up to date" in again.stdout
    compact = as_json(ttprep("export", tmp_path / "small.h5", "--compact", "--json", cwd=folder))
    assert compact["size"] < value["size"]
    assert len(list(tmp_path.iterdir())) == 12
    manifest = folder / "data_manifest.yaml"
    text = manifest.read_text()
    try:
        manifest.write_text(text + "\ncompact: true\n")
        assert "is up to date" in ttprep("export", tmp_path / "small.h5", cwd=folder).stdout
        assert as_json(ttprep("export", tmp_path / "small.h5", "--fast", "--json", cwd=folder))["made"]
    finally:
        manifest.write_text(text)


def test_verify_covers_datasets_and_its_remedy_works(folder: Path, tmp_path: Path) -> None:
    made = as_json(ttprep("export", tmp_path / "set.h5", "--json", cwd=folder))
    assert ttprep("verify", tmp_path / "set.h5", cwd=folder).returncode == 0
    for path, near in ((tmp_path / "set.h5", tmp_path), (folder / "dataset.h5", folder)):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0x55
        path.write_bytes(data)
        done = ttprep("verify", *([path] if near is tmp_path else []), cwd=folder)
        assert done.returncode == 1, done.stdout
        line = next(text for text in done.stdout.splitlines() if f"{path.name}: " in text)
        remedy = line.split("`")[1].split()
        assert remedy[:2] == ["ttprep", "export"]
        done = ttprep(*remedy[1:], cwd=folder)
        assert "was damaged" in done.stdout, done.stderr
        assert ttprep("verify", "--read-data", path, cwd=folder).returncode == 0
    value = as_json(ttprep("verify", tmp_path / "set.h5", "--store", "nowhere", "--json", cwd=folder))
    assert value["damaged"] == []
    assert value["bytes"] > made["size"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("export", "set.txt"), 2, "ends in .h5"),
        (("export", "data_manifest.yaml.h5", "--store", "nowhere"), 10, "does not exist"),
        (("export",), 2, "DATASET"),
        (("annotations", "nowhere.xml"), 2, "no such file"),
    ],
)
def test_errors_are_one_line_with_their_exit_code(
    folder: Path, words: tuple[object, ...], code: int, message: str
) -> None:
    done = ttprep(*words, cwd=folder)
    assert done.returncode == code, done.stderr
    assert message in done.stderr


def test_the_waterfall_is_printed_and_written(folder: Path, tmp_path: Path) -> None:
    done = ttprep("annotations", "annotations/a.xml", "-o", tmp_path / "rules", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "1 starts-at-0" in done.stdout
    assert {p.name for p in tmp_path.iterdir()} == {"rules.json", "rules.png"}
    value = as_json(ttprep("annotations", "annotations/a.xml", "--json", cwd=folder))
    counts = {s["name"]: s["count"] for s in value["waterfall"]["steps"]}
    assert (counts["read"], counts["not at frame 0"], counts["kept"]) == (3, 2, 2)

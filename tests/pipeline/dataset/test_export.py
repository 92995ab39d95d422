"""Exporting again and again: nothing twice, old or new but never a third, and no damage handed on."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.inputs.manifest import Manifest
from store import DamagedError
from tests.pipeline.dataset.conftest import ACTIONS, VIDEOS
from tests.support.projects import CROP, T, export_here, manifest_in, run_here, write_actions, write_video

# -- the same again, and nothing twice --------------------------------------------------------


def test_equal_inputs_give_equal_bytes(made: Manifest, dataset: Path, tmp_path: Path) -> None:
    """However the store came about: one annotation file after the other, parallel names in another order."""
    folder = tmp_path / "p"
    for seed, (name, n) in enumerate(VIDEOS.items()):
        write_video(folder / "videos" / f"{name}.mp4", n, seed)
    write_actions(folder / "annotations" / "short.xml", ACTIONS["short"])
    write_actions(folder / "annotations" / "long.xml", ACTIONS["long"][1:])
    manifest = manifest_in(folder, untrimmed=True)
    run_here(manifest)
    write_actions(folder / "annotations" / "long.xml", ACTIONS["long"])
    run_here(manifest)
    shutil.copytree(made.folder / "store" / "splits", folder / "store" / "splits", dirs_exist_ok=True)
    export_here(manifest, folder / "set.h5")
    for path in sorted(dataset.parent.glob("set.*")):
        if path.suffixes[-2:] != [".receipt", ".json"]:  # it holds the file's time of modification
            assert (folder / path.name).read_bytes() == path.read_bytes(), path.name


def test_an_unchanged_export_touches_nothing(copied: Manifest) -> None:
    path = copied.folder / "d.h5"
    assert export_here(copied, path).made
    before = {p: (p.stat().st_ino, p.stat().st_mtime_ns) for p in copied.folder.glob("d.*")}
    assert len(before) == 6
    again = export_here(copied, path)
    assert not again.made
    assert {p: (p.stat().st_ino, p.stat().st_mtime_ns) for p in copied.folder.glob("d.*")} == before


def test_a_lost_card_is_written_again_without_the_dataset(copied: Manifest) -> None:
    path = copied.folder / "d.h5"
    export_here(copied, path)
    inode, card = path.stat().st_ino, (copied.folder / "d.md").read_bytes()
    (copied.folder / "d.md").unlink()
    assert export_here(copied, path).made
    assert path.stat().st_ino == inode
    assert (copied.folder / "d.md").read_bytes() == card


@pytest.mark.parametrize("change", ["label", "stroke", "player", "taxonomy", "length", "splits"])
def test_whatever_changes_the_content_is_exported(copied: Manifest, change: str) -> None:
    path = copied.folder / "d.h5"
    export_here(copied, path)
    before = path.read_bytes()
    manifest = copied
    if change == "label":
        write_actions(copied.folder / "annotations" / "short.xml", [(1, 10, "Up")])
    elif change == "stroke":
        write_actions(copied.folder / "annotations" / "short.xml", [(2, 10, "Down")])
    elif change == "player":
        video = {"path": "videos/short.mp4", "player": "anna"}
        manifest = manifest_in(
            copied.folder, untrimmed=True, videos=["videos/long.mp4", "videos/none.mp4", video]
        )
    elif change == "taxonomy":
        manifest = manifest_in(copied.folder, untrimmed=True, taxonomy="detection")
    elif change == "length":
        manifest = manifest_in(
            copied.folder, untrimmed=True,
            stages={"cuboids": {"crop_width": CROP, "crop_height": CROP, "length": T + 4}},
        )  # fmt: skip
    else:
        manifest = manifest_in(copied.folder, untrimmed=True, splits={"seed": 5})
    run_here(manifest)
    assert export_here(manifest, path).made
    assert path.read_bytes() != before
    assert not export_here(manifest, path).made


# -- readers ---------------------------------------------------------------------------------------


def test_a_reader_of_the_old_file_is_not_disturbed(copied: Manifest) -> None:
    path = copied.folder / "d.h5"
    export_here(copied, path)
    with h5py.File(path) as old:
        first = old["cuboids/rgb"][:5]
        write_actions(copied.folder / "annotations" / "none.xml", [(3, 20, "Up"), (21, 28, "Up")])
        run_here(copied)
        assert export_here(copied, path).made
        np.testing.assert_array_equal(old["cuboids/rgb"][:5], first)
        n_old = len(old["cuboids/rgb"])
    with h5py.File(path) as new:
        assert len(new["cuboids/rgb"]) > n_old


# -- a dataset on another disk, reached by a symbolic link ------------------------------------------


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_its_target_is_replaced(
    copied: Manifest, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    disk = copied.folder / "large disk"
    disk.mkdir()
    link, target = copied.folder / "d.h5", disk / "set.h5"
    if there:
        export_here(copied, target)
        write_actions(copied.folder / "annotations" / "short.xml", [(1, 10, "Up")])
        run_here(copied)
    old = target.read_bytes() if there else b""
    link.symlink_to(Path("large disk") / "set.h5")
    replaced: list[tuple[Path, Path]] = []
    real = os.replace

    def replace(source: Path, path: Path) -> None:
        replaced.append((Path(source).parent, Path(path)))
        real(source, path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        assert export_here(copied, link).made
    assert (disk, target) in replaced, "the temporary file was on the disk of the link"
    assert link not in [path for _, path in replaced]
    assert link.is_symlink()
    assert target.read_bytes() != old
    assert not export_here(copied, link).made
    with h5py.File(link) as file:
        assert ("Up" in file["samples/label_name"].asstr()[()].tolist()) or not there
    assert {p.name for p in disk.glob("*.h5*")} == {"set.h5"}
    assert (copied.folder / "d.md").exists()


@pytest.mark.parametrize("target", ["no such disk/set.h5", "e.h5"])
def test_a_link_that_leads_nowhere_is_an_error(copied: Manifest, target: str) -> None:
    link = copied.folder / "d.h5"
    link.symlink_to(target)
    (copied.folder / "e.h5").symlink_to("d.h5")
    with pytest.raises(UserError, match=rf"d\.h5: is a symbolic link to {target}, .* remove the link"):
        export_here(copied, link)
    assert link.is_symlink()
    assert not (copied.folder / "no such disk").exists()
    link.unlink()
    assert export_here(copied, link).made


# -- faults ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0, 1, 5, 12, 20])
def test_a_full_disk_leaves_the_old_file(
    copied: Manifest, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    path = copied.folder / "d.h5"
    export_here(copied, path)
    before = {p.name: p.read_bytes() for p in copied.folder.glob("d.*")}
    write_actions(copied.folder / "annotations" / "short.xml", [(1, 10, "Up")])
    run_here(copied)
    count, real = iter(range(10**6)), os.pwrite

    def full(*words: Any) -> int:
        if next(count) >= after:
            raise OSError(28, "No space left on device")
        return real(*words)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(OSError, match="No space left"):
            export_here(copied, path)
    assert path.read_bytes() == before["d.h5"]
    assert {p.name for p in copied.folder.glob("*d.*")} == set(before), "something was left behind"
    assert export_here(copied, path).made
    with h5py.File(path) as file:
        assert "Up" in file["samples/label_name"].asstr()[()].tolist()


def test_what_a_killed_export_left_is_swept(copied: Manifest) -> None:
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    host = socket.gethostname().replace("-", "_")
    dead = copied.folder / f"d.h5.tmp-{host}-{int(gone.stdout)}-abcd1234"
    alive = copied.folder / f"d.h5.tmp-{host}-{os.getpid()}-abcd1234"
    elsewhere = copied.folder / "d.h5.tmp-otherhost-1-abcd1234"
    for path in (dead, alive, elsewhere):
        path.write_bytes(b"half a file")
    export_here(copied, copied.folder / "d.h5")
    assert not dead.exists()
    assert alive.exists(), "another export of this process may be at work"
    assert elsewhere.exists(), "nothing here can tell whether its process lives"


def test_killed_between_file_and_card_the_next_export_finishes(
    copied: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = copied.folder / "d.h5"
    export_here(copied, path)
    write_actions(copied.folder / "annotations" / "short.xml", [(1, 10, "Up")])
    run_here(copied)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.dataset.exporting.write_card", killed)
        with pytest.raises(KeyboardInterrupt):
            export_here(copied, path)
    inode = path.stat().st_ino
    assert export_here(copied, path).made
    assert path.stat().st_ino == inode
    assert "| Up | " in (copied.folder / "d.md").read_text()
    assert not export_here(copied, path).made


@pytest.mark.parametrize("stage", ["cuboids", "untrimmed", "statistics", "roi"])
def test_damage_in_the_store_is_not_handed_on(copied: Manifest, stage: str) -> None:
    store = copied.folder / "store"
    victim = max((store / "videos").rglob(f"{stage}-*.h5"), key=lambda p: p.stat().st_size)
    stat, data = victim.stat(), bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 0x10
    victim.write_bytes(data)
    os.utime(victim, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as rot on a disk: nothing shows
    with pytest.raises(DamagedError, match=rf"{stage}-.*ttprep run"):
        export_here(copied, copied.folder / "d.h5")
    assert not (copied.folder / "d.h5").exists()
    assert stage in {job.stage for job in run_here(copied).jobs}
    assert export_here(copied, copied.folder / "d.h5").made


def test_what_is_not_computed_is_asked_for(copied: Manifest) -> None:
    write_actions(copied.folder / "annotations" / "none.xml", [(3, 20, "Up"), (21, 28, "Up")])
    with pytest.raises(UserError, match=r"cuboids of .*none\.mp4: not computed .*`ttprep run`"):
        export_here(copied, copied.folder / "d.h5")


def test_a_video_that_fails_is_left_out_and_named(copied: Manifest) -> None:
    (copied.folder / "videos" / "bad.mp4").write_bytes(b"not a video at all" * 50)
    run_here(copied)
    done = export_here(copied, copied.folder / "d.h5")
    assert done.code == 3
    assert done.left_out == ("videos/bad.mp4: frames failed",)
    assert "videos/bad.mp4" in (copied.folder / "d.md").read_text()
    with h5py.File(copied.folder / "d.h5") as file:
        assert len(file["videos/name"]) == 3


def test_no_annotations_are_an_error(copied: Manifest) -> None:
    manifest = manifest_in(copied.folder, annotations=[])
    run_here(manifest)
    with pytest.raises(UserError, match=r"no sample to export.*set `untrimmed: true`, run and export again"):
        export_here(manifest, copied.folder / "d.h5")


@pytest.mark.parametrize("compact", [True, False])
def test_whole_videos_need_no_annotation(copied: Manifest, compact: bool) -> None:
    manifest = manifest_in(copied.folder, untrimmed=True, annotations=[])
    run_here(manifest)
    path = copied.folder / "d.h5"
    done = export_here(manifest, path, compact=compact)
    assert (done.code, done.samples, done.rows) == (0, 0, 0)
    assert not export_here(manifest, path, compact=compact).made
    assert "0 samples of 0 videos" in (copied.folder / "d.md").read_text()
    info = pytest.importorskip("tttrain.data.dataset_file").read_info(path)
    detect = pytest.importorskip("tttrain.evaluation.detect")
    assert [str(info.videos.name[v]) for v in detect.choose_videos(info)] == [
        f"videos/{name}.mp4" for name in sorted(VIDEOS)
    ]
    with h5py.File(path) as file, h5py.File(export_labelled(copied), "r") as usual:
        assert {n: (d.shape[1:], d.dtype) for n, d in file["cuboids"].items()} == {
            n: (d.shape[1:], d.dtype) for n, d in usual["cuboids"].items()
        }
        np.testing.assert_array_equal(file["untrimmed/rgb"][:12], usual["untrimmed/rgb"][:12])
        assert set(file["untrimmed/label"][:]) == {-1}


def export_labelled(copied: Manifest) -> Path:
    """The dataset of the same videos with their annotations."""
    path = copied.folder / "labelled.h5"
    manifest = manifest_in(copied.folder, untrimmed=True)
    run_here(manifest)
    export_here(manifest, path)
    return path


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.h5", b"my notes", "is no dataset of ttprep"),
        ("notes.txt", b"", r"ends in \.h5"),
        ("d.md", b"my readme", "would be replaced"),
        ("d.samples.csv", b"a,b", "would be replaced"),
    ],
)
def test_what_others_wrote_is_not_replaced(copied: Manifest, name: str, content: bytes, message: str) -> None:
    target = copied.folder / name
    target.write_bytes(content)
    path = target if name.startswith("notes") else copied.folder / "d.h5"
    with pytest.raises(UserError, match=message):
        export_here(copied, path)
    assert target.read_bytes() == content


def test_another_h5_file_is_not_replaced(copied: Manifest) -> None:
    with h5py.File(copied.folder / "d.h5", "w") as file:
        file["x"] = [1, 2, 3]
    with pytest.raises(UserError, match="is no dataset of ttprep"):
        export_here(copied, copied.folder / "d.h5")


def test_a_truncated_dataset_is_written_again(copied: Manifest) -> None:
    path = copied.folder / "d.h5"
    export_here(copied, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert export_here(copied, path).made
    assert path.read_bytes() == whole

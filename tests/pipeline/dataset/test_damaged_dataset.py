"""A dataset file under decay: found by verify, written anew by the next export, and never vouched for."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.dataset.receipt import look_at, read_receipt
from pipeline.dataset.seal import BLOCK, BlockSums, outside, read_seal
from pipeline.dataset.verify import verify_datasets
from pipeline.errors import UserError
from pipeline.inputs.manifest import Manifest
from tests.support.projects import export_here, run_here


@pytest.fixture
def here(dataset: Path, tmp_path: Path) -> Path:
    """A dataset with all that lies beside it, times kept."""
    for path in dataset.parent.glob(f"{dataset.stem}.*"):
        shutil.copy2(path, tmp_path / path.name)
    return tmp_path / dataset.name


def flip(path: Path, at: int, mask: int = 0x10, *, quietly: bool = False) -> None:
    """Flip bits of one byte; ``quietly``: as disks do, without a new time of modification."""
    stat = path.stat()
    data = bytearray(path.read_bytes())
    data[at] ^= mask
    path.write_bytes(data)
    if quietly:
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def described(path: Path) -> str:
    value = json.loads(path.with_suffix(".croissant.json").read_text())
    return str(value["distribution"][0]["sha256"])


def pixel_byte(path: Path) -> int:
    with h5py.File(path) as file:
        data = file["cuboids/rgb"]
        return int(data.id.get_offset() + data.size // 2)


@pytest.mark.parametrize("compact", [False, True])
def test_a_seal_says_what_the_file_holds(made: Manifest, tmp_path: Path, compact: bool) -> None:
    path = tmp_path / "d.h5"
    export_here(made, path, compact=compact)
    seal = read_seal(path)
    assert seal is not None
    data = path.read_bytes()
    assert seal.sha256 == hashlib.sha256(data[: seal.size]).hexdigest()
    head = hashlib.sha256(b"".join(data[a:b] for a, b in seal.head))
    assert seal.head_sha256 == head.hexdigest()
    sums = BlockSums()
    for start in range(0, seal.size, 777_777):
        sums.update(memoryview(data[start : min(start + 777_777, seal.size)]))
    assert sums.to_bytes() == seal.crc32
    assert len(seal.crc32) == 4 * -(-seal.size // BLOCK)
    # the head is small, and no pixel is in it
    assert sum(b - a for a, b in seal.head) < 0.5 * seal.size
    with h5py.File(path) as file:
        assert seal.fingerprint == file.attrs["fingerprint"]
        assert file.attrs["sealed"]
        rgb = file["cuboids/rgb"]
        at = rgb.id.get_chunk_info(0).byte_offset if compact else rgb.id.get_offset()
    assert not any(a <= at < b for a, b in seal.head)
    receipt = read_receipt(path)
    assert receipt is not None
    assert receipt.sha256 == digest(path) == described(path)


def test_ranges_outside_others() -> None:
    assert outside([(5, 7), (2, 3), (7, 9)], 12) == [(0, 2), (3, 5), (9, 12)]
    assert outside([], 3) == [(0, 3)]
    assert outside([(0, 3)], 3) == []


@pytest.mark.parametrize(
    "beside", [(), (".md",), (".croissant.json",), (".receipt.json",), (".samples.csv",)]
)
def test_a_flipped_pixel_is_never_vouched_for(made: Manifest, here: Path, beside: tuple[str, ...]) -> None:
    right = here.read_bytes()
    flip(here, pixel_byte(here))
    for suffix in beside:
        here.with_suffix(suffix).unlink()
    done = export_here(made, here)
    assert done.made
    assert "was damaged" in str(done)
    assert "written anew" in str(done)
    assert here.read_bytes() == right
    assert described(here) == digest(here)
    assert not export_here(made, here).made


def test_everything_but_the_receipts_may_go_and_nothing_is_damaged(made: Manifest, here: Path) -> None:
    right = here.read_bytes()
    for suffix in (".md", ".png", ".croissant.json", ".samples.csv", ".receipt.json"):
        here.with_suffix(suffix).unlink()
    here.touch()
    done = export_here(made, here)
    assert (done.made, done.damaged) == (True, "")
    assert here.read_bytes() == right
    assert described(here) == digest(here)


def test_rot_without_a_new_time_is_found_by_an_export(made: Manifest, here: Path) -> None:
    right = here.read_bytes()
    flip(here, pixel_byte(here), quietly=True)
    assert export_here(made, here).damaged
    assert here.read_bytes() == right


def test_verify_marks_what_it_finds_and_a_run_writes_it_anew(copied: Manifest) -> None:
    copied = copied.model_copy(update={"dataset": Path("set.h5")})
    path = copied.resolve(Path("set.h5"))
    run_here(copied)
    right = path.read_bytes()
    flip(path, pixel_byte(path), quietly=True)
    assert not [f for f in verify_datasets([path], read_data=False) if f.problem]
    found = [f for f in verify_datasets([path], read_data=True) if f.problem]
    assert [f.path for f in found] == [path]
    assert "sha256 differs" in found[0].problem
    assert [f.path for f in verify_datasets([path], read_data=False) if f.problem] == [path]  # it is marked
    assert "was damaged (its bytes are not those that were written" in run_here(copied).dataset
    assert path.read_bytes() == right
    assert not [f for f in verify_datasets([path], read_data=True) if f.problem]


def test_a_run_sees_a_changed_time_and_reads_the_file(copied: Manifest) -> None:
    copied = copied.model_copy(update={"dataset": Path("set.h5")})
    path = copied.resolve(Path("set.h5"))
    run_here(copied)
    right = path.read_bytes()
    path.touch()
    assert "is up to date" in run_here(copied).dataset
    flip(path, pixel_byte(path))
    assert "was damaged" in run_here(copied).dataset
    assert path.read_bytes() == right


@pytest.mark.parametrize("suffix", [".samples.csv", ".croissant.json", ".receipt.json"])
def test_damage_beside_the_dataset_is_found_and_mended(made: Manifest, here: Path, suffix: str) -> None:
    beside = here.with_suffix(suffix)
    flip(beside, beside.stat().st_size // 2, 1, quietly=True)
    found = [f.path for f in verify_datasets([here], read_data=False) if f.problem]
    assert found == [beside]
    inode = here.stat().st_ino
    export_here(made, here)
    assert here.stat().st_ino == inode  # the dataset itself is sound
    assert not [f for f in verify_datasets([here], read_data=True) if f.problem]


def test_every_flip_is_found_before_hdf5_parses_the_file(here: Path) -> None:
    """In the head at once, in the pixels when all is read; also in the seal itself."""
    rng = np.random.default_rng(5)
    right = here.read_bytes()
    seal = read_seal(here)
    assert seal is not None
    head = np.concatenate([np.arange(a, b) for a, b in seal.head])
    places = [*rng.choice(head, 60).tolist(), *range(len(right) - 48, len(right), 3), len(right) - 100]
    for at in places:
        flip(here, int(at), 1 << int(rng.integers(8)), quietly=True)
        state = look_at(here, read_data=False)
        assert state.problem, at
        here.write_bytes(right)
    for at in rng.integers(0, len(right), 60).tolist():
        flip(here, at, 1 << int(rng.integers(8)))
        assert look_at(here, read_data=True).problem, at
        here.write_bytes(right)


def test_a_file_without_a_seal_rests_on_its_description(made: Manifest, here: Path) -> None:
    """As earlier versions wrote it: up to date as long as its bytes are those described."""
    seal = read_seal(here)
    assert seal is not None
    data = here.read_bytes()[: seal.size]
    old = here.with_name("old.h5")
    for path in here.parent.glob("set.*"):
        shutil.copy2(path, path.with_name(path.name.replace("set", "old")))
    old.with_suffix(".receipt.json").unlink()
    old.write_bytes(data)
    description = old.with_suffix(".croissant.json")
    value = json.loads(description.read_text())
    value["distribution"][0] |= {"contentSize": f"{len(data)} B", "sha256": digest(old), "name": "old.h5"}
    description.write_text(json.dumps(value))
    done = export_here(made, old)
    assert (done.made, done.damaged) == (False, "")
    assert old.read_bytes() == data
    flip(old, pixel_byte(old), quietly=True)
    done = export_here(made, old)
    assert done.damaged
    assert old.read_bytes() == here.read_bytes()


def test_links_and_foreign_files_beside_a_dataset_are_not_replaced(made: Manifest, tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    for suffix in (".md", ".png", ".samples.csv", ".croissant.json", ".receipt.json"):
        for kind in ("file", "link", "folder"):
            folder = tmp_path / f"{suffix}{kind}"
            folder.mkdir()
            path = (folder / "d.h5").with_suffix(suffix)
            if kind == "file":
                path.write_text("mine")
            elif kind == "link":
                path.symlink_to(precious)
            else:
                path.mkdir()
            with pytest.raises(UserError, match=r"exists and would be replaced|which is not replaced"):
                export_here(made, folder / "d.h5")
            assert [p.name for p in folder.iterdir()] == [path.name]
            assert kind == "folder" or path.read_text() == "mine"
    other = tmp_path / "o.h5"
    with h5py.File(other, "w") as file:
        file["mine"] = 1
    before = other.read_bytes()
    with pytest.raises(UserError, match="no dataset of ttprep"):
        export_here(made, other)
    assert other.read_bytes() == before


def test_verify_without_anything_says_so(tmp_path: Path) -> None:
    (found,) = verify_datasets([tmp_path / "d.h5"], read_data=True)
    assert found.problem == "no such file"
    (tmp_path / "x.h5").write_bytes(b"x" * 100)
    (found,) = verify_datasets([tmp_path / "x.h5"], read_data=True)
    assert "nothing beside it tells" in found.problem
    os.mkfifo(tmp_path / "p.h5")
    (found,) = verify_datasets([tmp_path / "p.h5"], read_data=True)
    assert "no regular file" in found.problem

"""Bits that flip in a store's files, disks that refuse, and runs that meet them."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from pipeline.cli.main import main
from pipeline.errors import UNREADABLE
from pipeline.execution.executor import Executor
from pipeline.execution.in_process import InProcess
from pipeline.execution.on_dask import OnDask
from pipeline.planning.request import Where
from store import DamagedError, FeatureReader, NoStoreError, Slot, Store, receipt
from store.notes import signed
from store.receipt import Receipt
from store.verify import verify
from tests.remedies.following import Says
from tests.store.results import put, put_part, rows
from tests.support.command_line import stage_files
from tests.support.projects import manifest_in, project, run_here


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


@pytest.fixture
def slot() -> Slot:
    return Slot("ab" * 32, "frames", "cd" * 32)


def flip(path: Path, at: int, bit: int = 0) -> None:
    """Flip a bit as a disk does: the time stamp says nothing."""
    found = path.stat()
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(data)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


@pytest.mark.parametrize("kind", ["failed", "damaged", "part note"])
def test_verify_reads_the_notes_beside_results(store: Store, slot: Slot, kind: str) -> None:
    if kind == "part note":
        note = put_part(store, slot, 0).with_suffix(".json")
    else:
        {"failed": store.set_failure, "damaged": store.mark_damaged}[kind](slot, "why")
        note = store.beside(slot, f".{kind}.json")
    assert list(verify(store)) == []
    flip(note, 20)
    (finding,) = verify(store)
    assert finding.path == note
    assert "is damaged" in finding.problem
    assert "ttprep run" in finding.remedy


# -- what decides how a file is read ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "offset", "bit"), [(b"GCOL", 9, 3), (b"temporal-delta", 0, 0), (b"OHDR", 6, 2)]
)
def test_a_flipped_bit_of_hdf5_itself_is_named_before_hdf5_sees_it(
    store: Store, slot: Slot, text: bytes, offset: int, bit: int
) -> None:
    put(store, slot, rows(20))
    path = store.path(slot)
    flip(path, path.read_bytes().index(text) + offset, bit)
    with pytest.raises(DamagedError, match="header is not what was published"), store.reader(slot) as reader:
        reader.read("x")
    assert "header" in store.damage(slot)  # the next run makes it anew
    assert store.receipt(slot) is None
    assert [f.path for f in verify(store) if f.problem] == [path]


def test_every_byte_is_under_a_checksum(store: Store, slot: Slot) -> None:
    """Header and chunks between them leave nothing out."""
    put(store, slot, rows(9))
    path, found = store.path(slot), store.receipt(slot)
    assert found is not None
    whole = path.read_bytes()
    for at in range(0, len(whole), 5):
        flip(path, at, at % 8)
        with pytest.raises(DamagedError), FeatureReader(path, lambda: found) as reader:
            reader.read("x")
        path.write_bytes(whole)
    with store.reader(slot) as reader:
        assert np.array_equal(reader.read("x"), rows(9))


def test_an_old_receipt_vouches_for_the_file_as_a_whole(store: Store, slot: Slot) -> None:
    put(store, slot, rows(20))
    write_old(store)
    store = Store.open(store.root)
    with store.reader(slot) as reader:
        assert np.array_equal(reader.read("x"), rows(20))
    path = store.path(slot)
    flip(path, path.read_bytes().index(b"temporal-delta"))
    receipt._checked.clear()  # another process has not hashed it yet
    with pytest.raises(DamagedError, match="sha256 differs"), store.reader(slot) as reader:
        reader.read("x")


def write_old(store: Store) -> None:
    """Make a store what 0.1.0 would have made: version 1, no checksums, no headers."""
    for path in store.root.rglob("*.json"):
        content = json.loads(path.read_bytes())
        content.pop("checksum", None)
        content.pop("header", None)
        if path.name == "ttprep-store.json":
            content["version"] = 1
        path.write_text(json.dumps(content, indent=1))


# -- notes -------------------------------------------------------------------------------------------


def test_no_flipped_bit_of_a_receipt_is_believed(store: Store, slot: Slot) -> None:
    put(store, slot, rows(9))
    path = store.beside(slot, ".json")
    whole, sound = path.read_bytes(), store.receipt(slot)
    assert sound is not None
    for at in range(len(whole)):
        for bit in (0, 3, 5, 7):
            flip(path, at, bit)
            assert store.receipt(slot) in (None, sound)
            if store.receipt(slot) is None:
                assert "receipt is damaged" in store.damage(slot)
            path.write_bytes(whole)


@pytest.mark.parametrize(
    "change",
    [
        {"checkfum": "0" * 64}, {"size": -1}, {"size": True}, {"size": 1 << 70}, {"shapes": {"x": 3}},
        {"shapes": {"x": [-1]}}, {"parts": []}, {"run": {"finished": []}}, {"run": {"rows": "3"}},
        {"stage": "../../outside"}, {"stage": []}, {"key": "x"}, {"attrs": None}, {"mtime_ns": 0.5},
        {"version": "1"}, {"sha256": "0" * 63},
    ],
)  # fmt: skip
def test_what_no_receipt_can_say_is_refused_without_a_checksum_too(
    store: Store, slot: Slot, change: dict[str, object]
) -> None:
    put(store, slot, rows(9))
    write_old(store)
    store = Store.open(store.root)
    assert store.receipt(slot) is not None
    path = store.beside(slot, ".json")
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **change}))
    assert store.receipt(slot) is None
    assert "receipt is damaged" in store.damage(slot)
    assert [f.problem for f in verify(store) if f.problem]


@pytest.mark.parametrize(
    "header",
    [
        {"sha256": "0" * 64, "ranges": [0]}, {"sha256": "0" * 64, "ranges": [9, 3]}, {"sha256": "0" * 64},
        {"sha256": "0" * 64, "ranges": [0, 1 << 61]}, {"sha256": 1, "ranges": []}, [],
    ],
)  # fmt: skip
def test_a_header_that_cannot_be_is_refused_even_if_signed(store: Store, slot: Slot, header: object) -> None:
    put(store, slot, rows(9))
    path = store.beside(slot, ".json")
    path.write_text(json.dumps(signed({**json.loads(path.read_bytes()), "header": header})))
    with pytest.raises(DamagedError), store.reader(slot) as reader:
        reader.read("x")


def test_a_checksum_may_lack_in_old_stores_alone(store: Store, slot: Slot) -> None:
    put(store, slot, rows(9))
    path = store.beside(slot, ".json")
    content = json.loads(path.read_bytes())
    del content["checksum"]
    path.write_text(json.dumps(content))
    assert store.receipt(slot) is None
    with pytest.raises(DamagedError, match="checksum is missing"):
        Receipt.read(path, unsigned=False)


@pytest.mark.parametrize(
    "text",
    [
        '{"format": "ttprep-stare", "version": 1}', '{"format": "ttprep-store", "version": "1"}',
        '{"format": "ttprep-store", "version": 2}', '{"format": "ttprep-store", "version": true}',
        '{"format": "ttprep-store"}', "", "[" * 100_000, "null",
    ],
)  # fmt: skip
def test_a_damaged_marker_is_refused_and_the_remedy_works(store: Store, slot: Slot, text: str) -> None:
    put(store, slot, rows(9))
    marker = store.root / "ttprep-store.json"
    marker.write_text(text)
    for use in (Store.open, Store.create):
        with pytest.raises(NoStoreError, match="marker of the store is damaged; delete that file"):
            use(store.root)
    marker.unlink()
    assert Store.create(store.root).receipt(slot) is not None


def test_an_old_store_that_lost_its_marker_stays_an_old_one(store: Store, slot: Slot) -> None:
    put(store, slot, rows(9))
    write_old(store)
    (store.root / "ttprep-store.json").unlink()
    assert Store.create(store.root).receipt(slot) is not None


def test_a_source_note_is_believed_only_about_its_own_source(store: Store, tmp_path: Path) -> None:
    one, two = tmp_path / "a.mp4", tmp_path / "b.mp4"
    for n, path in enumerate((one, two)):
        note = {"path": str(path), "size": 1, "mtime_ns": 1, "sha256": f"{n}" * 64}
        store.publish(store.note_path(path), note)
    assert (store.source_note(one) or {})["sha256"] == "0" * 64
    first, second = (store.note_path(p) for p in (one, two))
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)
    assert store.source_note(one) is None
    assert store.source_note(two) is None
    assert ["is hashed again" in remark for remark in store.remarks] == [True, True]


# -- disks that refuse -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code", [errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENOMEM, errno.EACCES, errno.EPERM, errno.ENOLCK]
)
@pytest.mark.parametrize("call", ["open", "preadv"])
def test_what_cannot_be_read_is_no_damage(
    store: Store, slot: Slot, code: int, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, slot, rows(20))
    real: Callable[..., object] = getattr(os, call)
    feature = store.path(slot)

    def refuse(what: object, *args: object, **kwargs: object) -> object:
        ours = os.readlink(f"/proc/self/fd/{what}") if isinstance(what, int) else os.fspath(what)  # type: ignore[call-overload]
        if ours == str(feature):
            raise OSError(code, os.strerror(code), str(feature))
        return real(what, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        findings = list(verify(store))
        assert [(f.path, f.unreadable) for f in findings] == [(feature, True)]
        assert os.strerror(code) in findings[0].problem
        with pytest.raises(OSError, match=re.escape(os.strerror(code))), store.reader(slot) as reader:
            reader.read("x")
    assert store.damage(slot) == ""
    assert store.receipt(slot) is not None
    assert not [f for f in verify(store, read_data=True) if f.problem]


def test_verify_has_an_exit_code_for_what_it_could_not_read(
    store: Store, slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, slot, rows(20))
    note, real = str(store.beside(slot, ".json")), os.open

    def refuse(what: Any, *args: Any, **kwargs: Any) -> int:
        if os.fspath(what) == note:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), what)
        return real(what, *args, **kwargs)

    words = ["verify", "--store", str(store.root)]
    monkeypatch.setattr(os, "open", refuse)
    done = CliRunner().invoke(main, words)
    assert done.exit_code == UNREADABLE
    assert f"{note}: cannot be read (Stale file handle); " in done.stdout
    Says("mend that and verify again").of(done.stdout)
    monkeypatch.undo()
    assert CliRunner().invoke(main, words).exit_code == 0


# -- runs that meet damage ---------------------------------------------------------------------------


def _chunk(path: Path) -> int:
    """A byte of array data."""
    note = json.loads(path.with_suffix(".json").read_bytes())
    ends = note["header"]["ranges"][1::2]
    return int(ends[0]) + 5


def _header(path: Path) -> int:
    return path.read_bytes().index(b"GCOL") + 9


@pytest.fixture(params=["in process", "on dask"])
def executor(request: pytest.FixtureRequest) -> Callable[[Path], Executor]:
    def make(root: Path) -> Executor:
        return InProcess() if request.param == "in process" else OnDask(Where(workers=2), root)

    return make


@pytest.mark.parametrize("where", [_chunk, _header])
@pytest.mark.parametrize("stage", ["frames", "foreground"])
def test_a_run_heals_what_it_needs(
    tmp_path: Path, executor: Callable[[Path], Executor], where: Callable[[Path], int], stage: str
) -> None:
    actions = {"a": [(2, 20, "Up")], "b": [(3, 22, "Down")]}
    manifest = project(tmp_path, {"a": 40, "b": 30}, actions)
    store = manifest.resolve(manifest.store)
    damaged = sorted(store.glob(f"videos/*/{stage}-*.h5"))[0]
    before = damaged.read_bytes()
    # reads both: the flow the frames, the region of interest the mask
    changes = {"stages": {"flow": {"n_outer": 1, "n_sor": 3, "min_width": 20}}}
    healthy = tmp_path / "healthy"
    healthy.mkdir()
    for name in ("videos", "annotations"):
        (healthy / name).symlink_to(tmp_path / name)
    run_here(manifest_in(healthy, **changes))
    flip(damaged, where(damaged), 3)
    result = run_here(manifest_in(tmp_path, **changes), executor(store))
    assert result.code == 0, [j.reason for j in result.jobs if j.reason]
    assert {j.state for j in result.jobs} == {"done"}
    video = damaged.parent.name
    assert [j.stage for j in result.jobs if j.video.startswith(video)].count(
        stage
    ) == 1  # in the table as made
    assert damaged.read_bytes() == before
    files = stage_files(store)
    assert stage_files(healthy / "store").items() <= files.items()
    assert not result.overview.to_do()
    assert not [f for f in verify(Store.open(store), read_data=True) if f.problem]
    assert not list(store.rglob("*.failed.json"))

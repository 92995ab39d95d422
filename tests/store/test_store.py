"""The store's contract: what is published is whole, what is damaged is named, nothing counts by existing."""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  (registers the codecs for plain h5py)
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store import (
    Column,
    DamagedError,
    FeatureReader,
    Layout,
    LockedError,
    NoStoreError,
    Slot,
    Store,
    StoreError,
)
from store.atomic import TEMP_MARK, temp_name, write_bytes
from store.feature import FeatureWriter
from store.gc import garbage, leftovers, remove
from store.layout import decode, encode
from store.verify import verify
from tests.store.results import COLUMN, content, put, rows

CODECS = ["zstd", "bitshuffle-zstd", "bitshuffle-lz4", "raw"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


@pytest.fixture
def slot() -> Slot:
    return Slot("ab" * 32, "frames", "cd" * 32)


@given(st.integers(0, 40), st.sampled_from(["none", "temporal-delta"]), st.sampled_from(["uint8", "int16"]))
def test_encoding_is_exact(n: int, encoding: str, dtype: str) -> None:
    info = np.iinfo(dtype)
    data = np.random.default_rng(n).integers(info.min, info.max, (n, 3), dtype=dtype, endpoint=True)
    assert np.array_equal(decode(encode(data, encoding), encoding), data)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), codec=st.sampled_from(CODECS), delta=st.booleans())
def test_any_appends_read_back(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, codec: str, delta: bool
) -> None:
    sizes = data.draw(st.lists(st.integers(0, 30), min_size=1, max_size=5))
    whole = rows(sum(sizes))
    path = tmp_path_factory.mktemp("f") / "f.h5"
    column = Column("x", "uint8", Layout((8, 4, 5), codec, 3, "temporal-delta" if delta else "none"), {})
    writer = FeatureWriter(path, (column,), {})
    for part in np.split(whole, np.cumsum(sizes)[:-1]):
        writer.append({"x": part})
    writer.close()
    with FeatureReader(path) as reader:
        assert np.array_equal(reader.read("x"), whole)
        a = data.draw(st.integers(0, len(whole)))
        b = data.draw(st.integers(a, len(whole)))
        assert np.array_equal(reader.read("x", a, b), whole[a:b])


def test_bytes_do_not_depend_on_how_rows_arrive(tmp_path: Path) -> None:
    whole, files = rows(50), []
    for i, cuts in enumerate(([], [7, 8, 31], [25])):
        writer = FeatureWriter(tmp_path / f"{i}.h5", (COLUMN,), {"key": "k"})
        for part in np.split(whole, cuts):
            writer.append({"x": part})
        writer.close()
        files.append(content(tmp_path / f"{i}.h5"))
    assert files[0] == files[1] == files[2]


def test_copied_chunks_equal_written_ones(tmp_path: Path) -> None:
    whole = rows(50)
    for name, part in {"a": whole[:24], "b": whole[24:]}.items():
        writer = FeatureWriter(tmp_path / f"{name}.h5", (COLUMN,), {})
        writer.append({"x": part})
        writer.close()
    writer = FeatureWriter(tmp_path / "joined.h5", (COLUMN,), {"key": "k"})
    for name in "ab":
        with FeatureReader(tmp_path / f"{name}.h5") as reader:
            writer.copy_rows(reader, "x", 0, len(reader.dataset("x")))
    writer.close()
    direct = FeatureWriter(tmp_path / "direct.h5", (COLUMN,), {"key": "k"})
    direct.append({"x": whole})
    direct.close()
    assert content(tmp_path / "joined.h5") == content(tmp_path / "direct.h5")


def test_copy_refuses_rows_off_the_chunk_grid(tmp_path: Path) -> None:
    writer = FeatureWriter(tmp_path / "a.h5", (COLUMN,), {})
    writer.append({"x": rows(20)})
    writer.close()
    target = FeatureWriter(tmp_path / "b.h5", (COLUMN,), {})
    with FeatureReader(tmp_path / "a.h5") as reader, pytest.raises(StoreError, match="chunk boundaries"):
        target.copy_rows(reader, "x", 3, 11)


def test_plain_h5py_reads_an_unencoded_file(tmp_path: Path) -> None:
    column = Column("x", "uint8", Layout((8, 4, 5)), {"units": "px", "axes": ["t", "y", "x"]})
    writer = FeatureWriter(tmp_path / "f.h5", (column,), {"fps": 120.0, "parts": {"a": 1}})
    writer.append({"x": rows(20)})
    writer.close()
    with h5py.File(io.BytesIO(content(tmp_path / "f.h5"))) as f:
        assert np.array_equal(f["x"][:], rows(20))
        assert f["x"].fletcher32
        assert f["x"].attrs["units"] == "px"
        assert json.loads(f.attrs["parts"]) == {"a": 1}


def test_nothing_counts_before_its_receipt(store: Store, slot: Slot) -> None:
    with store.writing(slot, (COLUMN,), {"key": slot.key}) as writer:
        writer.append({"x": rows(20)})
        shapes = writer.close()
    assert store.path(slot).exists()
    assert store.receipt(slot) is None
    store.seal(slot, 1, {}, shapes, {}, {})
    assert store.receipt(slot) is not None


def test_an_error_while_writing_leaves_nothing(store: Store, slot: Slot) -> None:
    def broken() -> None:
        with store.writing(slot, (COLUMN,), {}) as writer:
            writer.append({"x": rows(20)})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert list(store.folder(slot.video).iterdir()) == []


def test_an_unfinished_file_is_not_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as f:
        f["x"] = rows(3)
    with pytest.raises(DamagedError, match="never completed"):
        FeatureReader(tmp_path / "f.h5").read("x")


def test_wrong_dtype_is_refused(store: Store, slot: Slot) -> None:
    with pytest.raises(StoreError, match="declared uint8"), store.writing(slot, (COLUMN,), {}) as writer:
        writer.append({"x": rows(4).astype(np.int16)})


@pytest.mark.parametrize("place", [0.02, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_one_flipped_byte_is_named_and_the_file_no_longer_counts(
    store: Store, slot: Slot, place: float
) -> None:
    put(store, slot, rows(100))
    path = store.path(slot)
    stat = path.stat()
    data = bytearray(content(path))
    data[int(len(data) * place)] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # even where the time stamp gives nothing away
    findings = [f for f in verify(store, read_data=True) if f.problem]
    assert [f.path for f in findings] == [path]
    assert store.receipt(slot) is None
    assert store.damage(slot)
    put(store, slot, rows(100))
    assert store.receipt(slot) is not None
    assert not [f for f in verify(store, read_data=True) if f.problem]


def test_a_changed_file_is_caught_without_verify(store: Store, slot: Slot) -> None:
    put(store, slot, rows(100))
    with store.path(slot).open("r+b") as f:
        f.seek(3000)
        byte = f.read(1)
        f.seek(3000)
        f.write(bytes([byte[0] ^ 255]))
    os.utime(store.path(slot))
    assert store.receipt(slot) is None
    assert "sha256" in store.damage(slot)


def test_a_copied_store_is_still_valid(store: Store, slot: Slot) -> None:
    put(store, slot, rows(30))
    os.utime(store.path(slot), (1, 1))
    assert store.receipt(slot) is not None
    receipt = store.receipt(slot)
    assert receipt is not None
    assert receipt.mtime_ns == 10**9  # remembered: not hashed at every run


def test_a_missing_file_is_found(store: Store, slot: Slot) -> None:
    put(store, slot, rows(30))
    store.path(slot).unlink()
    assert [f.problem for f in verify(store)] == ["the file is missing"]
    assert store.receipt(slot) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"stage": 1}', "\x00"])
def test_a_broken_receipt_counts_as_none(store: Store, slot: Slot, text: str) -> None:
    put(store, slot, rows(30))
    store.beside(slot, ".json").write_text(text)
    assert store.receipt(slot) is None


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoStoreError, match="does not exist"):
        Store.open(tmp_path / "none")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.doc").write_text("mine")
    with pytest.raises(NoStoreError, match="not empty"):
        Store.create(tmp_path / "full")
    (tmp_path / "file").write_text("")
    with pytest.raises(NoStoreError):
        Store.create(tmp_path / "file")
    newer = Store.create(tmp_path / "newer")
    (newer.root / "ttprep-store.json").write_text('{"format": "ttprep-store", "version": 99}')
    with pytest.raises(NoStoreError, match="version 99"):
        Store.open(newer.root)


def test_gc_waits_for_runs_and_runs_for_gc(store: Store) -> None:
    with store.lock("run"), store.lock("run"), pytest.raises(LockedError, match="in use"), store.lock("gc"):
        pass
    with store.lock("gc"), pytest.raises(LockedError), store.lock("run"):
        pass
    with store.lock("gc"):
        pass


def test_locks_of_the_dead_do_not_count(store: Store) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    host = socket.gethostname()
    note = {"kind": "run", "host": host, "pid": gone.pid}
    (store.root / "locks" / f"run-{host}-{gone.pid}-0123abcd.json").write_text(json.dumps(note))
    silent = store.root / "locks" / "run-elsewhere-1-0123abcd.json"
    silent.write_text(json.dumps({"kind": "run", "host": "elsewhere", "pid": 1}))
    os.utime(silent, (0, 0))
    with store.lock("gc"):
        pass
    assert not list((store.root / "locks").iterdir())


def test_gc_keeps_what_is_wanted(store: Store, slot: Slot) -> None:
    old = Slot(slot.video, slot.stage, "ee" * 32)
    put(store, slot, rows(20))
    put(store, old, rows(20, 1))
    dead = store.path(slot).with_name(f"{store.path(slot).name}{TEMP_MARK}{_host()}-999999999-0123abcd")
    dead.write_text("half")
    mine = temp_name(store.path(slot))
    mine.write_text("being written")
    items = list(garbage(store, {store.path(slot)}, {store.folder(slot.video)}))
    assert {i.path for i in items} == {store.path(old), store.beside(old, ".json"), dead}
    assert remove(store, items) == sum(i.size for i in items)
    assert store.receipt(slot) is not None
    assert mine.exists()
    assert list(leftovers(store)) == []


def _host() -> str:
    return socket.gethostname().replace("-", "_")


class _Fault:
    """Lets the k-th call of some system functions fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], k: int) -> None:
        self.calls = 0
        for name in names:
            monkeypatch.setattr(os, name, self._wrap(getattr(os, name), k))

    def _wrap(self, real: Callable[..., Any], k: int) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            if self.calls == k:
                raise OSError(28, "No space left on device")
            return real(*args, **kwargs)

        return call


def test_any_failing_write_rename_or_fsync_leaves_old_or_new(store: Store, slot: Slot) -> None:
    names = ("pwrite", "ftruncate", "fsync", "replace", "open")
    put(store, slot, rows(60))
    old = content(store.path(slot))
    failed = 0
    for k in range(1, 200):
        with pytest.MonkeyPatch.context() as patch:
            fault = _Fault(patch, names, k)
            with contextlib.suppress(OSError):
                put(store, slot, rows(60, seed=1))
                assert fault.calls < k, "a failure was swallowed"
        if fault.calls < k:
            break
        failed += 1
        receipt = store.receipt(slot)
        if receipt is not None:  # counts as done only if its bytes are those of one of the two
            assert content(store.path(slot)) in (old, _new(store, slot))
        assert not list(store.root.rglob(f"*{TEMP_MARK}*"))
        put(store, slot, rows(60))
        assert store.receipt(slot) is not None
    assert failed > 10


def _new(store: Store, slot: Slot) -> bytes:
    twin = Slot("ff" * 32, slot.stage, slot.key)
    put(store, twin, rows(60, seed=1))
    return content(store.path(twin))


def test_write_bytes_replaces_whole(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"old")
    write_bytes(tmp_path / "a", b"new")
    assert content(tmp_path / "a") == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]

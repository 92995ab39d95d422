"""Nothing that the store did not make is touched, whatever it is called and wherever a link leads."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store import ForeignError, NoStoreError, Slot, Store
from store.atomic import TEMP_MARK, replacing, write_bytes
from store.gc import foreign, garbage, leftovers, remove, spent_parts
from store.names import recognise
from store.ownership import claim
from store.verify import verify
from tests.store.results import put, put_part, put_unsealed, rows, snapshot

VIDEOS = ("ab" * 32, "12" * 32)
WANTED, OLD, KILLED, NEW = ("0a" * 32, "0b" * 32, "0c" * 32, "0d" * 32)
HOST = socket.gethostname()
#: no process has such a number
DEAD = 999_999_999
STEM = f"frames-{WANTED[:16]}"


def dead_temporary(path: Path) -> Path:
    """The name of what a killed process of this host was writing."""
    return path.with_name(f"{path.name}{TEMP_MARK}{HOST.replace('-', '_')}-{DEAD}-0123abcd")


# -- random trees ------------------------------------------------------------------------------

#: places in a store, of the kind that it uses itself and others
PLACES = (
    ".", "videos", "locks", "sources", "splits", "backup",
    f"videos/{VIDEOS[0][:16]}", f"videos/{VIDEOS[0][:16]}/parts", "videos/ffffffffffffffff",
    "videos/ffffffffffffffff/parts", "videos/day1", "videos/ABABABABABABABAB",
    f"videos/{VIDEOS[1][:16]}/more",
)  # fmt: skip
#: names that are the store's own in one of the places, and names that only look like them
NAMES = (
    "notes.txt", "a.mp4", "key.pem", "frames-0f0f0f0f0f0f0f0f.h5", "frames-0f0f0f0f0f0f0f0f.json",
    "frames-0f0f0f0f0f0f0f0f.failed.json", "frames-0f0f0f0f0f0f0f0f.damaged.json",
    "frames-0F0F0F0F0F0F0F0F.h5", "frames-0f0f0f0f0f0f0f0f-00000000.h5",
    "frames-0f0f0f0f0f0f0f0f-00000000.json", "frames-0f0f.h5",
    "0123456789abcdef.json", "0123456789abcdef.lock", "0123456789abcdef01234567.json", "eeeeeeeeeeeeeeee",
    f"run-{HOST}-{DEAD}-0123abcd.json", f"gc-{HOST}-{DEAD}-0123abcd.json", "run-x.json",
    f"a.h5{TEMP_MARK}{HOST.replace('-', '_')}-{DEAD}-0123abcd", f"{STEM}.h5{TEMP_MARK}x",
    f"{STEM}.h5{TEMP_MARK}h-1-00",
    f"frames-0f0f0f0f0f0f0f0f.h5{TEMP_MARK}h-{DEAD}-0123abcd.bak", "parts", "videos", "\udcff.h5",
)  # fmt: skip
CONTENTS = (
    b"precious", b"", b"{}", b"[]", b'{"kind": "run", "host": "elsewhere", "pid": 1}',
    b"\x89HDF\r\n\x1a\n mine",
    json.dumps({"stage": "frames", "key": "ee" * 32, "size": 1, "sha256": ""}).encode(),
    json.dumps({"key": "ee" * 32, "size": 1, "sha256": ""}).encode(),
)  # fmt: skip
KINDS = (
    "file",
    "file",
    "file",
    "hdf5",
    "link to file",
    "link to folder",
    "link to nothing",
    "folder",
    "store",
    "pipe",
)


def plant(path: Path, kind: str, content: bytes, outside: Path) -> bool:
    """Put something of a user's at a path; False where there is something already."""
    if os.path.lexists(path) or any(os.path.lexists(p) and not p.is_dir() for p in path.parents):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "hdf5":
        with h5py.File(path, "w") as file:
            file.attrs["key"], file.attrs["format"] = "ee" * 32, "mine"
    elif kind.startswith("link"):
        path.symlink_to(
            outside / {"link to file": STEM + ".h5", "link to folder": "", "link to nothing": "no"}[kind]
        )
    elif kind == "folder":
        (path / "deep").mkdir(parents=True)
        (path / "deep" / f"{STEM}.h5").write_bytes(content)
    elif kind == "store":
        put(Store.create(path), Slot(VIDEOS[0], "frames", OLD), rows(3))
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.write_bytes(content)
    return True


def foreign_in(path: Path, kind: str, content: bytes, root: Path) -> list[Path]:
    """What of something planted is a user's: nothing if the store itself would have made it so."""
    name = recognise(path, root)
    if name is None or kind.startswith("link") or kind == "pipe":
        return [path]
    if name.kind == "folder":
        return list(path.iterdir()) if kind in ("folder", "store") else [path]
    if kind in ("folder", "store") or not (
        name.kind == "temporary" or (name.kind == "old lock" and not content)
    ):
        return [path]
    return []


ANYWHERE = tuple(f"{place}/{name}" for place in PLACES for name in NAMES)
#: exactly the names that the store uses, where it uses them
LOOKALIKES = tuple(p for p in ANYWHERE if recognise(Path("store") / p, Path("store")) is not None)
planted = st.lists(
    st.tuples(
        st.sampled_from(LOOKALIKES) | st.sampled_from(ANYWHERE),
        st.sampled_from(KINDS),
        st.sampled_from(CONTENTS),
    ),
    max_size=8,
)
#: folders of the store that a user has moved away and linked to
OWN_FOLDERS = ("locks", "sources", "splits", f"videos/{VIDEOS[1][:16]}", f"videos/{VIDEOS[0][:16]}/parts")
linked = st.lists(st.sampled_from(OWN_FOLDERS), max_size=2, unique=True)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(things=planted, away=linked)
def test_gc_sweep_locks_and_results_leave_everything_foreign_as_it_is(
    things: list[tuple[str, str, bytes]], away: list[str]
) -> None:
    base = Path(tempfile.mkdtemp(prefix="ttprep-foreign-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)  # nothing is asked about power cuts here
        try:
            check_tree(base, things, away)
        finally:
            shutil.rmtree(base)


def check_tree(base: Path, things: list[tuple[str, str, bytes]], away: list[str]) -> None:
    store, outside = Store.create(base / "store"), base / "outside"
    outside.mkdir()
    (outside / f"{STEM}.h5").write_bytes(b"of somebody else")
    (outside / f"run-{HOST}-{DEAD}-0123abcd.json").write_text(
        json.dumps({"kind": "run", "host": HOST, "pid": DEAD})
    )
    keep, unwanted = own_files(store)
    users: list[Path] = []
    for number, place in enumerate(away):
        (outside / f"moved{number}").mkdir()
        target = outside / f"moved{number}" / "here"
        shutil.move(store.root / place, target)
        (store.root / place).symlink_to(target)
        users.append(store.root / place)
        keep = [p for p in keep if store.root / place not in p.parents]
        unwanted = [p for p in unwanted if store.root / place not in p.parents]
    for place, kind, content in things:
        path = store.root / place
        if any(p.is_symlink() for p in path.parents):
            continue
        if plant(path, kind, content, outside):
            users += foreign_in(path, kind, content, store.root)
    before = snapshot(outside, *users)

    work_on(store)
    judged = {store.folder(v) for v in VIDEOS}
    wanted = {store.path(Slot(v, "frames", key)) for v in VIDEOS for key in (WANTED, NEW)}
    listed = {p for p in foreign(store) if store.root in p.parents}
    remove(store, list(garbage(store, wanted, judged)))

    assert snapshot(outside, *users) == before
    assert all(p.exists() for p in keep)
    assert not [p for p in unwanted if os.path.lexists(p)]
    for path in users:
        assert listed & {path, *path.parents}, f"{path} is not named"


def own_files(store: Store) -> tuple[list[Path], list[Path]]:
    """Fill a store; returns what must stay and what gc must remove."""
    keep: list[Path] = []
    unwanted: list[Path] = []
    for video in VIDEOS:
        good, old, killed = (Slot(video, "frames", key) for key in (WANTED, OLD, KILLED))
        put(store, good, rows(9))
        put(store, old, rows(9))
        put_unsealed(store, killed, rows(9))
        store.set_failure(old, "the disk is full")
        store.mark_damaged(old, "bits")
        spent, part = put_part(store, good, 8), put_part(store, killed, 16, note=False)
        temps = [dead_temporary(store.path(good)), dead_temporary(part)]
        for temp in temps:
            temp.write_bytes(b"half")
        keep += [store.path(good), store.beside(good, ".json")]
        unwanted += [
            store.path(old),
            *(store.beside(old, s) for s in (".json", ".failed.json", ".damaged.json")),
        ]
        unwanted += [store.path(killed), spent, spent.with_suffix(".json"), part, *temps]
    lock = store.root / "locks" / f"run-{HOST}-{DEAD}-0123abce.json"
    lock.write_text(json.dumps({"kind": "run", "host": HOST, "pid": DEAD}))
    (store.root / "splits" / "00ff00ff00ff00ff.lock").touch()
    table = store.splits_path({"by": "sample"})
    store.publish(table, {"format": "ttprep-splits", "version": 1, "table": {}})
    note = store.note_path(store.root)
    store.publish(note, {"path": str(store.root), "size": 1, "mtime_ns": 1, "sha256": "0" * 64})
    return [*keep, table, note], [*unwanted, lock, store.root / "splits" / "00ff00ff00ff00ff.lock"]


def work_on(store: Store) -> None:
    """Do all that a run does to a store."""

    def sweep() -> None:
        for path in (*leftovers(store), *spent_parts(store)):
            path.unlink()

    def publish(path: Path) -> None:
        store.publish(path, {"path": "x", "size": 2, "mtime_ns": 2, "sha256": "1" * 64})

    steps: list[Callable[[], object]] = [sweep, lambda: list(verify(store))]
    for video in VIDEOS:
        for key in (WANTED, NEW):
            slot = Slot(video, "frames", key)
            steps += [lambda s=slot: put(store, s, rows(9)), lambda s=slot: store.set_failure(s, "full")]  # type: ignore[misc]
        steps.append(lambda s=slot: put_part(store, s, 0))  # type: ignore[misc]
    steps += [lambda: publish(store.note_path(store.root / "a"))]
    for kind in ("run", "gc", "splits"):
        steps.append(lambda k=kind: store.lock(k).__enter__().__exit__(None, None, None))  # type: ignore[misc]
    for step in steps:
        with contextlib.suppress(ForeignError):
            step()


# -- single cases ------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


@pytest.fixture
def slot() -> Slot:
    return Slot(VIDEOS[0], "frames", WANTED)


@pytest.mark.parametrize(
    "place",
    ["videos/day1/a.mp4", "videos/notes.txt", f"videos/{'ab' * 8}/a.mp4", "locks/door.txt", ".git/HEAD"],
)
def test_a_folder_that_holds_anything_else_never_becomes_a_store(tmp_path: Path, place: str) -> None:
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).write_text("mine")
    before = snapshot(tmp_path)
    with pytest.raises(NoStoreError, match="not empty"):
        Store.create(tmp_path)
    assert snapshot(tmp_path) == before


def test_a_linked_folder_keeps_a_folder_from_becoming_a_store(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "videos").symlink_to(tmp_path / "home")
    with pytest.raises(NoStoreError, match=r"it holds .*videos"):
        Store.create(tmp_path / "new")
    assert not list((tmp_path / "home").iterdir())


def test_a_store_whose_marker_is_lost_is_made_a_store_again(store: Store, slot: Slot) -> None:
    put(store, slot, rows(9))
    (store.root / "ttprep-store.json").unlink()
    assert Store.create(store.root).receipt(slot) is not None


def test_processes_that_make_one_store_at_the_same_moment_all_succeed(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, store, time\n"
        "start = float(sys.argv[2])\n"
        "time.sleep(max(0, start - time.time()))\n"
        "s = store.Store.create(pathlib.Path(sys.argv[1]))\n"
        "with s.lock('run'): time.sleep(0.05)\n"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "store"), str(time.time() + 2)]
    started = [subprocess.Popen(words, stderr=subprocess.PIPE) for _ in range(6)]
    errors = [process.communicate()[1].decode() for process in started]
    assert errors == [""] * 6
    assert [p.name for p in (tmp_path / "store" / "locks").iterdir()] == []


def test_one_process_at_a_time_changes_a_table(store: Store) -> None:
    code = (
        "import sys, pathlib, store\n"
        "s = store.Store.open(pathlib.Path(sys.argv[1]))\n"
        "count = pathlib.Path(sys.argv[2])\n"
        "for _ in range(5):\n"
        "    with s.lock('splits', 60):\n"
        "        count.write_text(str(int(count.read_text()) + 1))\n"
    )
    count = store.root.parent / "count"
    count.write_text("0")
    started = [subprocess.Popen([sys.executable, "-c", code, str(store.root), str(count)]) for _ in range(4)]
    assert [process.wait() for process in started] == [0] * 4
    assert count.read_text() == "20"


def test_a_result_with_a_receipt_that_became_a_link_is_made_anew_in_its_place(
    store: Store, slot: Slot
) -> None:
    put(store, slot, rows(9))
    victim = store.root.parent / "victim"
    victim.write_bytes(b"mine")
    store.path(slot).unlink()
    store.path(slot).symlink_to(victim)
    assert store.receipt(slot) is None
    put(store, slot, rows(9))
    assert store.receipt(slot) is not None
    assert not store.path(slot).is_symlink()
    assert victim.read_bytes() == b"mine"


@pytest.mark.parametrize("suffix", [".h5", ".json"])
@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_lies_in_the_place_of_a_result_is_named_and_stays(
    store: Store, slot: Slot, suffix: str, kind: str
) -> None:
    path = store.beside(slot, suffix)
    path.parent.mkdir()
    victim = store.root.parent / "victim"
    victim.write_bytes(b"mine")
    shutil.copy(victim, path) if kind == "file" else path.symlink_to(victim)
    before = snapshot(store.root, victim)
    with pytest.raises(ForeignError, match=r"not made by ttprep.*move it") as error:
        put(store, slot, rows(9))
    assert str(path) in str(error.value)
    assert snapshot(store.root, victim) == before
    path.unlink()  # what the message says
    put(store, slot, rows(9))
    assert store.receipt(slot) is not None


@pytest.mark.parametrize("damage", [b"", b"{", b"\x00" * 40])
def test_a_damaged_receipt_beside_its_file_is_replaced(store: Store, slot: Slot, damage: bytes) -> None:
    put(store, slot, rows(9))
    store.beside(slot, ".json").write_bytes(damage)
    assert [f.problem for f in verify(store)] == ["its receipt is damaged (is no JSON)"]
    put(store, slot, rows(9))
    assert store.receipt(slot) is not None


@pytest.mark.parametrize("bit", range(0, 8 * 120, 37))
def test_a_receipt_with_a_flipped_bit_never_stands_in_the_way(store: Store, slot: Slot, bit: int) -> None:
    put(store, slot, rows(9))
    data = bytearray(store.beside(slot, ".json").read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    store.beside(slot, ".json").write_bytes(data)
    put(store, slot, rows(9))
    assert store.receipt(slot) is not None


def test_a_receipt_that_climbs_out_of_the_store_counts_as_none(store: Store, slot: Slot) -> None:
    put(store, slot, rows(9))
    receipt = json.loads(store.beside(slot, ".json").read_bytes())
    for stage in ("../../../outside", "x/../../../../outside", "roi", "", 3, None):
        store.beside(slot, ".json").write_text(json.dumps({**receipt, "stage": stage, "size": 1}))
        assert [f.problem for f in verify(store)] == ["its receipt is damaged (its checksum is wrong)"]
        unsigned = {k: v for k, v in receipt.items() if k != "checksum"}
        store.beside(slot, ".json").write_text(json.dumps({**unsigned, "stage": stage, "size": 1}))
        assert ["its receipt is damaged" in f.problem for f in verify(store)] == [True]
    assert sorted(p.name for p in store.root.parent.iterdir()) == ["store"]


@pytest.mark.parametrize("place", ["locks", "videos", "sources", "splits"])
def test_nothing_is_written_through_a_linked_folder(store: Store, slot: Slot, place: str) -> None:
    target = store.root.parent / "elsewhere"
    shutil.move(store.root / place, target)
    (store.root / place).symlink_to(target)
    put_in: dict[str, Callable[[], object]] = {
        "locks": lambda: store.lock("run").__enter__(),
        "videos": lambda: put(store, slot, rows(3)),
        "sources": lambda: store.publish(store.note_path(target), {}),
        "splits": lambda: store.publish(store.splits_path({}), {}),
    }
    with pytest.raises(ForeignError, match=f"{place}: is a link"):
        put_in[place]()
    assert not list(target.iterdir())
    (store.root / place).unlink()
    (store.root / place).mkdir()  # what the message says
    put_in[place]()


def test_pipes_in_the_place_of_notes_hold_nobody_up(store: Store, slot: Slot) -> None:
    put(store, slot, rows(9))
    for path in (
        store.beside(slot, ".json"),
        store.beside(slot, ".damaged.json"),
        store.note_path(store.root),
    ):
        path.unlink(missing_ok=True)
        os.mkfifo(path)
    assert store.receipt(slot) is None
    assert not [f for f in verify(store) if not f.problem]  # a file without a receipt is not vouched for
    assert list(store.source_notes()) == []
    assert len(foreign(store)) == 3


def test_gc_leaves_what_changed_since_it_was_listed(store: Store, slot: Slot) -> None:
    put(store, slot, rows(9))
    items = list(garbage(store, (), {store.folder(slot.video)}))
    moved = store.root.parent / "moved"
    store.folder(slot.video).rename(moved)
    store.folder(slot.video).symlink_to(moved)
    assert remove(store, items) == 0
    store.folder(slot.video).unlink()
    moved.rename(store.folder(slot.video))
    store.path(slot).unlink()
    store.path(slot).write_bytes(b"mine")
    assert remove(store, items) == next(i.size for i in items if i.path.suffix == ".json")
    assert store.path(slot).read_bytes() == b"mine"


def test_gc_keeps_the_notes_of_videos_that_it_was_not_asked_about(store: Store, slot: Slot) -> None:
    put(store, slot, rows(9))
    other = Slot(VIDEOS[1], "flow", OLD)
    store.set_failure(other, "the disk is full")
    assert [i.path for i in garbage(store, (), {store.folder(slot.video)})] == [
        store.path(slot), store.beside(slot, ".json")
    ]  # fmt: skip


def test_an_output_that_is_a_link_is_written_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "big").mkdir()
    (tmp_path / "big" / "out").write_bytes(b"old")
    (tmp_path / "out").symlink_to("big/out")
    (tmp_path / "new").symlink_to("big/new")
    (tmp_path / "round").symlink_to("round")
    write_bytes(tmp_path / "out", b"data")
    write_bytes(tmp_path / "new", b"data")
    assert snapshot(tmp_path / "out", tmp_path / "big") == {
        tmp_path / "out": ("link", "big/out"),
        tmp_path / "big": 0o040000,
        tmp_path / "big" / "out": b"data",
        tmp_path / "big" / "new": b"data",
    }
    with pytest.raises(OSError, match="symbolic links"), replacing(tmp_path / "round"):
        pass


@pytest.mark.parametrize("suffix", [".failed.json", ".damaged.json"])
def test_a_verdict_with_a_flipped_bit_never_stands_in_the_way(store: Store, slot: Slot, suffix: str) -> None:
    """A result that is made anew would count as damaged for ever."""
    store.set_failure(slot, "an example")
    store.mark_damaged(slot, "an example")
    path = store.beside(slot, suffix)
    whole = path.read_bytes()
    for at in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[at // 8] ^= 1 << at % 8
        path.write_bytes(flipped)
        store.discard(path)
        assert not path.exists(), bytes(flipped)
        path.write_bytes(whole)


def test_the_note_on_a_source_may_be_replaced_whatever_bit_has_flipped(store: Store, tmp_path: Path) -> None:
    """Else its video is hashed in every run, and `verify` never ends well again."""
    path = store.note_path(tmp_path / "a.mp4")
    store.publish(path, {"path": "a.mp4", "size": 1, "mtime_ns": 2, "sha256": "ab" * 32})
    whole = path.read_bytes()
    for at in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[at // 8] ^= 1 << at % 8
        path.write_bytes(flipped)
        claim(path, store.root)
    path.write_text('{"path": "what somebody else keeps here"}')
    with pytest.raises(ForeignError):
        claim(path, store.root)

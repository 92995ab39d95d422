"""What is said about stores, results and datasets, followed as it is written: the next call succeeds."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.cli.main import main
from pipeline.errors import OK
from store import Store
from tests.remedies.following import Case, Says, both, call, check, manifest, write
from tests.support.projects import TINY, write_actions

RUN = ("run", "--workers", "0", "--stage", "frames", "videos/clip.mp4")
ROOT = "ttprep-store"
ALL = ("run", "--workers", "0")


def ok(*words: object) -> None:
    code, text = call(main, *words)
    assert code == OK, text


made = partial(ok, *RUN)


def look() -> None:
    """Find what is damaged."""
    assert call(main, "verify", "--read-data")[0] != OK


def listed() -> None:
    write_actions(Path("annotations/clip.xml"), [(5, 45, "Up"), (60, 100, "Down")])
    manifest(
        **{**TINY, "videos": ["videos/clip.mp4"], "modalities": ["rgb"], "store": ROOT, "untrimmed": True}
    )


def unlabelled(**more: Any) -> None:
    """Write a manifest of a video without annotations."""
    clip = {"videos": ["videos/clip.mp4"], "modalities": ["rgb"], "store": ROOT, "annotations": []}
    manifest(**{**TINY, **clip, **more})


def finished() -> None:
    listed()
    ok(*ALL)


def exported() -> None:
    finished()
    ok("export", "d.h5")


def within(pattern: str) -> Path:
    (path,) = Path(ROOT).rglob(pattern)
    return path


def flipped(pattern: str) -> None:
    path = within(pattern)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def hidden(pattern: str) -> None:
    """Flip a bit and let the file look untouched."""
    before = within(pattern).stat()
    flipped(pattern)
    os.utime(within(pattern), ns=(before.st_atime_ns, before.st_mtime_ns))


def gone(pattern: str) -> None:
    within(pattern).unlink()


def foreign() -> None:
    """Put a file of the user's in the place of a result."""
    made()
    result = within("frames-*.h5")
    result.with_suffix(".json").unlink()
    result.write_bytes(b"mine")


def moved(path: str) -> None:
    Path(path).rename("moved")


def linked_locks() -> None:
    made()
    Path(ROOT, "locks").rename("locks")
    Path(ROOT, "locks").symlink_to(Path("locks").absolute())


def a_folder_again() -> None:
    Path(ROOT, "locks").unlink()
    Path(ROOT, "locks").mkdir()


def kept(pattern: str, backup: str) -> None:
    shutil.copy(within(pattern), backup)


def restored(pattern: str, backup: str) -> Callable[..., object]:
    return lambda *_: shutil.copy(backup, within(pattern))


STORES = {
    "a file for a store": Case(
        ("status", "--store", "file", "videos"),
        Says("is a file, not a store; give a folder with {}"),
        lambda option: ("status", option, ROOT, "videos"),
        prepare=both(made, write("file", "")),
    ),
    "a file for a new store": Case(
        (*RUN, "--store", "file"),
        Says("is a file, not a store; give a folder with {}"),
        lambda option: (*RUN, option, "folder"),
        prepare=write("file", ""),
    ),
    "a store of a later version": Case(
        RUN,
        Says("store version {}, this ttprep reads up to {}; use the ttprep that made it, or another {}"),
        lambda *holes: (*RUN, holes[-1], "another"),
        prepare=write(f"{ROOT}/ttprep-store.json", '{"format": "ttprep-store", "version": 99}'),
    ),
    "a folder of other things": Case(
        (*RUN, "--store", "videos"),
        Says("is not a ttprep store and not empty (it holds {}); give a new or empty folder with {}"),
        lambda _, option: (*RUN, option, "new"),
    ),
    "a store where none can be": Case(
        (*RUN, "--store", "videos/clip.mp4/s"),
        Says("cannot be made ({}); give another with {}"),
        lambda _, option: (*RUN, option, "s"),
    ),
    "a damaged marker": Case(
        RUN,
        Says("{}: the marker of the store is damaged; delete that file, and"),
        follow=lambda path: Path(path.partition(": ")[0]).unlink(),
        prepare=both(made, write(f"{ROOT}/ttprep-store.json", "{")),
    ),
    "a linked folder": Case(
        RUN,
        Says("nothing is written through links inside a store; put a folder in its place"),
        follow=a_folder_again,
        prepare=linked_locks,
    ),
    "a linked folder, moved": Case(
        RUN,
        Says("or move the whole store and name its new place with {}"),
        lambda option: (*RUN, option, "elsewhere"),
        follow=lambda _: shutil.copytree(ROOT, "elsewhere"),
        prepare=linked_locks,
    ),
    "a file in the place of a result": Case(
        RUN,
        Says("{}: was not made by ttprep and is not replaced; move it out of the store"),
        follow=lambda place: moved(place.rpartition(": ")[2]),
        prepare=foreign,
    ),
    "a damaged result": Case(
        ("verify", "--read-data"),
        Says("run `ttprep run` to make it anew"),
        follow=made,
        prepare=both(made, partial(flipped, "frames-*.h5")),
    ),
    "a damaged note of a source": Case(
        ("verify",),
        Says("the next `ttprep {}` reads the video again"),
        follow=lambda word: ok(word, *RUN[1:]),
        prepare=both(made, partial(flipped, "sources/*.json")),
    ),
    "a damaged note of damage": Case(
        ("verify",),
        Says("run `ttprep run` to make it anew"),
        follow=made,
        prepare=both(made, partial(flipped, "frames-*.h5"), look, partial(flipped, "*.damaged.json")),
    ),
    "a note that is not recognised": Case(
        ("verify",),
        Says("it is not recognised as ttprep's; move it"),
        follow=both(lambda: moved(str(within("*.damaged.json"))), made),
        prepare=both(
            made, partial(flipped, "frames-*.h5"), look, lambda: within("*.damaged.json").write_text("")
        ),
    ),
    "a note that is not recognised, in a run": Case(
        RUN,
        Says("{}: was not made by ttprep and is not replaced; move it out of the store and run again"),
        follow=lambda place: moved(place.rpartition(": ")[2]),
        prepare=both(
            made, partial(flipped, "frames-*.h5"), look, lambda: within("*.damaged.json").write_text("")
        ),
    ),
    "a damaged table of splits, deleted": Case(
        ("verify",),
        Says("or delete it to assign all samples anew"),
        follow=partial(gone, "splits/*.json"),
        prepare=both(exported, partial(flipped, "splits/*.json")),
    ),
    "a damaged table of splits, restored": Case(
        ("verify",),
        Says("restore it from a backup, or delete it to assign all"),
        follow=restored("splits/*.json", "backup"),
        prepare=both(exported, partial(kept, "splits/*.json", "backup"), partial(flipped, "splits/*.json")),
    ),
    "splits that cannot be used": Case(
        ("export", "e.h5"),
        Says("the table of splits is damaged ({}); restore it from a backup, or delete it to assign"),
        follow=lambda _: gone("splits/*.json"),
        prepare=both(exported, partial(flipped, "splits/*.json")),
    ),
}
DATASETS = {
    "a dataset of another suffix": Case(
        ("export", "d.txt"),
        Says("a dataset is an HDF5 file; give a name that ends in {}"),
        lambda suffix: ("export", f"d{suffix}"),
        prepare=finished,
    ),
    "a folder beside a dataset": Case(
        ("export", "d.h5"),
        Says("{}: is {}, which is not replaced; move it"),
        follow=lambda path, _: moved(path),
        prepare=both(finished, Path("d.md").mkdir),
    ),
    "a file in the place of the shards": Case(
        ("export", "d.h5", "--shards"),
        Says("{}: is no folder, and the shards need one of this name; move it"),
        follow=moved,
        prepare=both(finished, write("d.shards", "mine")),
    ),
    "a folder beside a dataset, named otherwise": Case(
        ("export", "d.h5"),
        Says("which is not replaced; move it, or name the dataset otherwise"),
        ("export", "e.h5"),
        prepare=both(finished, Path("d.md").mkdir),
    ),
    "a file beside a dataset": Case(
        ("export", "d.h5"),
        Says("{}: exists and would be replaced, and is not recognised as made by ttprep; move it"),
        follow=moved,
        prepare=both(finished, write("d.md", "mine")),
    ),
    "a picture beside a dataset": Case(
        ("export", "d.h5"),
        Says("exists and would be replaced; name the dataset otherwise"),
        ("export", "e.h5"),
        prepare=both(finished, write("d.png", "mine")),
    ),
    "another's HDF5": Case(
        ("export", "d.h5"),
        Says("exists and is no dataset of ttprep; give another name"),
        ("export", "e.h5"),
        prepare=both(finished, write("d.h5", "mine")),
    ),
    "another's HDF5, removed": Case(
        ("export", "d.h5"),
        Says("{}: exists and is no dataset of ttprep; give another name, or remove it"),
        follow=lambda path: Path(path).unlink(),
        prepare=both(finished, write("d.h5", "mine")),
    ),
    "a link to nowhere": Case(
        ("export", "d.h5"),
        Says("is a symbolic link to {}, where no file can be made; mount its disk or create its folder"),
        follow=lambda target: Path(target).parent.mkdir(),
        prepare=both(finished, lambda: Path("d.h5").symlink_to("far/d.h5")),
    ),
    "a link to nowhere, removed": Case(
        ("export", "d.h5"),
        Says("{}: is a symbolic link to {}, where no file can be made; {}, or remove the link"),
        follow=lambda path, *_: Path(path).unlink(),
        prepare=both(finished, lambda: Path("d.h5").symlink_to("far/d.h5")),
    ),
    "a damaged dataset": Case(
        ("verify", "d.h5"),
        Says("; `ttprep {}` writes it anew"),
        follow=lambda words: ok(*shlex.split(words)),
        prepare=both(exported, lambda: os.truncate("d.h5", 5000)),
    ),
    "a dataset that is gone": Case(
        ("verify", "d.h5"),
        Says("`ttprep {}` writes it anew"),
        follow=lambda words: ok(*shlex.split(words)),
        prepare=both(exported, Path("d.h5").unlink),
    ),
    "a result that is damaged meanwhile": Case(
        ("export", "e.h5"),
        Says("; run `ttprep run` to make it again, then export again"),
        follow=partial(ok, *ALL),
        prepare=both(exported, partial(hidden, "cuboids-*.h5")),
    ),
    "no annotations, and whole videos alone are wanted": Case(
        ("export", "d.h5"),
        Says("; set `untrimmed: true`, run and export again for whole videos alone"),
        follow=both(partial(unlabelled, untrimmed=True), partial(ok, *ALL)),
        prepare=both(listed, unlabelled, partial(ok, *ALL)),
    ),
    "no annotations": Case(
        ("export", "d.h5"),
        Says("list annotations in the manifest"),
        follow=both(listed, partial(ok, *ALL)),
        prepare=both(listed, unlabelled, partial(ok, *ALL)),
    ),
}


@pytest.mark.parametrize("name", [*STORES, *DATASETS])
def test_a_remedy_works_as_it_is_written(here: Path, name: str) -> None:
    check(main, (STORES | DATASETS)[name])


def test_a_store_in_use(here: Path) -> None:
    made()
    with ExitStack() as stack:
        stack.enter_context(Store.open(Path(ROOT)).lock("gc"))
        check(
            main,
            Case(
                RUN,
                Says("in use by ttprep {} (process {} on {}); wait for it to end"),
                follow=lambda *_: stack.close(),
            ),
        )


def test_a_dataset_of_some_videos(here: Path) -> None:
    listed()
    manifest(**{**yaml.safe_load(Path("data_manifest.yaml").read_text()), "dataset": "all the videos.h5"})
    code, text = call(main, *ALL, "videos/clip.mp4")
    assert code == OK
    assert not Path("all the videos.h5").exists()
    (words,) = Says("no dataset is written of PATH alone; `ttprep {}` writes one").of(text)
    ok(*shlex.split(words))
    assert Path("all the videos.h5").exists()

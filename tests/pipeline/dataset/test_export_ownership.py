"""An export touches nothing that it did not make, whatever lies where it would write."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.cli.main import main
from pipeline.inputs.manifest import Manifest

OUTPUTS = ("d.h5", "d.md", "d.png", "d.samples.csv", "d.croissant.json", "d.receipt.json")
BESIDE = ("notes.txt", "d", "d.csv", "d.json", "e.h5", "sub/d.md", "d.h5.tmp-host-1-0123abcd", "d.hdf5")
KINDS = (
    "file",
    "empty",
    "hdf5",
    "json",
    "link to file",
    "link to folder",
    "link to nothing",
    "folder",
    "pipe",
)
CONTENTS = {
    "file": b"the user's",
    "empty": b"",
    "hdf5": b"\x89HDF\r\n\x1a\n the user's",
    "json": json.dumps({"format": "receipt", "distribution": [], "sha256": ""}).encode(),
}

Planted = list[tuple[str, str]]
planted = st.lists(
    st.tuples(st.sampled_from(OUTPUTS) | st.sampled_from(BESIDE), st.sampled_from(KINDS)),
    min_size=1,
    max_size=4,
    unique_by=lambda thing: thing[0],
)


def plant(path: Path, kind: str, outside: Path) -> None:
    """Put something of the user's in a place, of which an earlier export may have a file."""
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    if kind in CONTENTS:
        path.write_bytes(CONTENTS[kind])
    elif kind == "folder":
        path.mkdir()
        (path / "d.md").write_text("the user's")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        target = outside / f"{len(list(outside.iterdir()))}-{path.name}"
        if kind == "link to file":
            target.write_text("behind the link")
        elif kind == "link to folder":
            target.mkdir()
            (target / "d.md").write_text("behind the link")
        path.symlink_to(target)


def state(path: Path) -> object:
    """What lies in a place, and what lies behind it."""
    if path.is_symlink():
        target = path.readlink()
        return "link", target, state(target)
    if path.is_dir():
        return {p.name: state(p) for p in sorted(path.iterdir())}
    return path.read_bytes() if path.is_file() else os.path.lexists(path)


def export(made: Manifest, path: Path) -> tuple[int, str]:
    """Call ``ttprep export``; its exit code and what it says."""
    done = CliRunner().invoke(
        main, ["export", str(path), "--manifest", str(made.folder / "data_manifest.yaml")],
        env={"COLUMNS": "1000"},
    )  # fmt: skip
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done.exit_code, done.output


@pytest.mark.parametrize("before", ["nothing there", "an export there"])
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(things=planted)
@example(things=[("d.png", "file")])
@example(things=[("d.md", "file")])
@example(things=[("d.h5", "hdf5")])
@example(things=[("d.h5", "link to file"), ("d.md", "file")])
def test_nothing_of_the_users_is_touched(made: Manifest, dataset: Path, before: str, things: Planted) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)  # nothing is asked about power cuts here
        folder, outside = Path(name) / "out", Path(name) / "outside"
        folder.mkdir()
        outside.mkdir()
        if before != "nothing there":
            assert export(made, folder / "d.h5")[0] == 0
        for place, kind in things:
            plant(folder / place, kind, outside)
        places = [folder / place for place, _ in things]
        was = [state(p) for p in places], state(outside)
        code, said = export(made, folder / "d.h5")
        now = [state(p) for p in places], state(outside)
        # a link to a place where a dataset can be made is how one comes to lie on another disk
        for i, (place, kind) in enumerate(things):
            if (place, kind) == ("d.h5", "link to nothing"):
                was[0][i] = now[0][i] if places[i].is_symlink() else was[0][i]
                was = was[0], now[1]
        assert now == was, said
        errors = [line for line in said.splitlines() if line.startswith("error: ")]
        assert (code == 0) == (not errors), said
        assert len(errors) <= 1, said
        assert not [p for p in folder.iterdir() if ".tmp-" in p.name and p not in places]

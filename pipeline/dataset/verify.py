"""Check dataset files against what an export wrote."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pipeline.dataset.exporting import side_files
from pipeline.dataset.pixels.shard_files import folder_of
from pipeline.dataset.receipt import look_at, mark_damaged, receipt_path
from pipeline.dataset.seal import SealError
from pipeline.inputs.manifest import Manifest
from store import sha256_file
from store.verify import Finding


def verified_datasets(manifest: Manifest, named: Sequence[Path], *, read_data: bool) -> list[Finding]:
    """Check the manifest's dataset, where it was written, and those that the user names: all of these."""
    findings = list(verify_datasets(named, read_data=True))
    own = manifest.resolve(manifest.dataset) if manifest.dataset is not None else None
    if own is not None and os.path.lexists(own) and own.resolve() not in {p.resolve() for p in named}:
        findings += verify_datasets([own], read_data=read_data)
    return findings


def verify_datasets(paths: Iterable[Path], *, read_data: bool) -> Iterator[Finding]:
    """Check dataset files and the files beside them; mark damaged ones, so that an export writes them anew.

    Parameters
    ----------
    paths : iterable of Path
    read_data : bool
        Hash every byte; else only tables and structures, and the rest where size or time of modification
        are not those that the export left.

    Yields
    ------
    Finding
        One per file.
    """
    for path in paths:
        anew = f"`ttprep export {shlex.quote(str(path))}` writes it anew"
        if not path.exists():
            yield Finding(path, 0, "no such file", remedy=anew)
            continue
        try:
            yield from _verify(path, anew, read_data)
        except OSError as e:
            yield Finding(path, 0, f"cannot be read ({e.strerror or e})", True, "mend that and verify again")


def _verify(path: Path, anew: str, read_data: bool) -> Iterator[Finding]:
    state = look_at(path, read_data=read_data)
    if state.problem and state.receipt is not None and not state.receipt.damaged:
        mark_damaged(path, state.problem)
    yield Finding(path, path.stat().st_size, state.problem, remedy=anew)
    for shard in state.shards.values():
        yield Finding(folder_of(path) / shard.name, shard.size, "")
    note = receipt_path(path)
    if state.receipt is None:
        if note.exists():
            yield Finding(note, note.stat().st_size, "is damaged", remedy=anew)
        return
    for beside in side_files(path).read:
        right = state.receipt.files.get(beside.name)
        if not beside.exists():
            yield Finding(beside, 0, "is missing", remedy=anew)
        else:
            try:
                same = right == sha256_file(beside)
            except SealError:
                same = False
            problem = "" if same else "its bytes are not those that were written (sha256 differs)"
            yield Finding(beside, beside.stat().st_size, problem, remedy=anew)

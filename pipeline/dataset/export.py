"""``ttprep export``: the dataset file and what lies beside it, kept up to date."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from pipeline.dataset.assemble import FORMAT, Progress, assemble
from pipeline.dataset.card import mark_of, write_card
from pipeline.dataset.content import collect
from pipeline.dataset.croissant import described_file, write_croissant
from pipeline.dataset.dataset_file import freed_later
from pipeline.dataset.fingerprint import card_mark, fingerprint, fingerprint_of
from pipeline.dataset.sample_picture import write_picture
from pipeline.dataset.sample_table import write_table
from pipeline.dataset.split_table import settle, split_params
from pipeline.dataset.summary import Summary, read_summary
from pipeline.errors import OK, SOME_FAILED, USAGE, UserError
from pipeline.inputs.manifest import Manifest
from pipeline.inputs.sources import Source
from pipeline.planning.plan import Planned
from pipeline.planning.samples import SampleTable
from store import Store, sha256_file


@dataclass(frozen=True)
class Beside:
    """The files that go with a dataset file."""

    card: Path
    picture: Path
    table: Path
    croissant: Path


@dataclass(frozen=True)
class Exported:
    """What an export did.

    Attributes
    ----------
    path : Path
    made : bool
        False: the file was up to date, nothing was touched.
    samples, rows, size : int
        Samples, frames in them, bytes.
    counts : dict of str to dict of str to int
        Class → split → samples.
    left_out : tuple of str
        Videos that failed and are not in it.
    seconds : float
    """

    path: Path
    made: bool
    samples: int
    rows: int
    size: int
    counts: Mapping[str, Mapping[str, int]]
    left_out: tuple[str, ...]
    seconds: float

    @property
    def code(self) -> int:
        """Exit code."""
        return SOME_FAILED if self.left_out else OK

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars(self), "path": str(self.path), "left_out": list(self.left_out), "exit_code": self.code}

    def __str__(self) -> str:
        what = "written" if self.made else "is up to date"
        return f"{self.path}: {what}; {self.samples} samples, {self.rows} frames, {self.size / 1e6:.1f} MB"


def beside(path: Path) -> Beside:
    """The files beside ``d.h5``: ``d.md``, ``d.png``, ``d.samples.csv``, ``d.croissant.json``."""
    return Beside(
        path.with_suffix(".md"),
        path.with_suffix(".png"),
        path.with_suffix(".samples.csv"),
        path.with_suffix(".croissant.json"),
    )


def export(
    manifest: Manifest,
    store: Store,
    sources: Iterable[Source],
    plans: Mapping[str, list[Planned]],
    path: Path,
    *,
    samples: SampleTable,
    compact: bool | None = None,
    progress: Progress = lambda rows, total: None,
) -> Exported:
    """Bring a dataset file up to date with the store; does nothing where it is.

    Parameters
    ----------
    manifest : Manifest
    store : Store
    sources : iterable of Source
    plans : mapping of str to list of Planned
        By the video's sha256, planned against the store as it is now.
    path : Path
        The file; it is replaced atomically.
    samples : SampleTable
        As planned; the annotations are read again only where videos are left out.
    compact : bool, optional
        Compressed: a tenth of the bytes, read at a fraction of the speed. Default: as the manifest
        says.
    progress : callable
        Told the rows of ``/cuboids`` just written, and how many there are.

    Raises
    ------
    UserError
        There is nothing to export, results are missing, or something else lies at ``path``.
    OSError
        The disk refused.
    DamagedError
        A file of the store is damaged.
    """
    start = time.perf_counter()
    _guard(path)
    compact = manifest.compact if compact is None else compact
    content = collect(manifest, sources, plans, samples)
    splits = settle(store, split_params(manifest), [s for _, s in content.samples])
    mark = fingerprint(content, splits, compact=compact)
    files = beside(path)
    current = fingerprint_of(path) == mark
    card = card_mark(mark, content)
    made = not (current and _described(path, files, mark, card))
    digest = ""
    with freed_later(path):
        if not current:
            digest = assemble(path, store, content, splits, mark, compact=compact, progress=progress)
        summary = read_summary(path)
        if made:
            _describe(summary, files, content.waterfall.to_json(), card, digest or sha256_file(path))
    return Exported(
        path,
        made,
        len(summary),
        sum(summary.samples["rows"]),
        summary.size,
        summary.counts(),
        content.left_out,
        time.perf_counter() - start,
    )


def _describe(summary: Summary, files: Beside, waterfall: dict[str, Any], mark: str, digest: str) -> None:
    """Write everything beside a dataset file; the Croissant description last: it vouches for the rest."""
    write_picture(files.picture, summary)
    write_table(files.table, summary)
    write_card(files.card, summary, files.picture, waterfall, mark)
    write_croissant(files.croissant, summary, digest, files.table)


def _described(path: Path, files: Beside, mark: str, card: str) -> bool:
    there = all(p.exists() for p in vars(files).values())
    right = described_file(files.croissant) == (mark, path.stat().st_size)
    return there and right and mark_of(files.card) == card


def _guard(path: Path) -> None:
    """Refuse to replace what no export wrote."""
    if path.suffix not in (".h5", ".hdf5"):
        raise UserError(f"{path}: a dataset is an HDF5 file; give a name that ends in .h5", USAGE)
    files = beside(path)
    if not path.exists():
        strange = [p for p in vars(files).values() if p.exists()]
        if strange and not files.croissant.exists():
            raise UserError(f"{strange[0]}: exists and would be replaced; name the dataset otherwise", USAGE)
        return
    try:
        with h5py.File(path, "r") as file:
            ours = file.attrs.get("format") == FORMAT
    except OSError:
        # half a file, or none of ours: only the name beside it can tell
        ours = files.croissant.exists()
    if not ours:
        raise UserError(f"{path}: exists and is no dataset of ttprep; give another name, or remove it", USAGE)

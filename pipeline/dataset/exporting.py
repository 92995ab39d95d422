"""Bring a dataset file and the files beside it up to date with the store."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from pipeline.dataset.assemble import FORMAT, Progress, assemble
from pipeline.dataset.card import mark_of, write_card
from pipeline.dataset.content import select_content
from pipeline.dataset.croissant import described_file, write_croissant
from pipeline.dataset.fingerprint import card_mark, dataset_fingerprint, stored_fingerprint
from pipeline.dataset.hdf5_writer import link_target
from pipeline.dataset.sample_picture import write_picture
from pipeline.dataset.sample_table import write_table
from pipeline.dataset.split_table import split_params, stable_splits
from pipeline.dataset.summary import Summary, read_summary
from pipeline.errors import OK, SOME_FAILED, USAGE, UserError
from pipeline.inputs.manifest import Manifest
from pipeline.inputs.sources import Source
from pipeline.planning.samples import SampleTable
from pipeline.planning.staleness import Planned
from store import Store, sha256_file


@dataclass(frozen=True)
class SideFiles:
    """The files that lie beside a dataset file and describe it."""

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
        False where the file was up to date and nothing was touched.
    samples, rows, size : int
        Number of samples, their frames, bytes of the file.
    counts : dict of str to dict of str to int
        Class → split → samples.
    left_out : tuple of str
        Videos that failed and are not in the file.
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
        """Exit code of the command."""
        return SOME_FAILED if self.left_out else OK

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**vars(self), "path": str(self.path), "left_out": list(self.left_out), "exit_code": self.code}

    def __str__(self) -> str:
        what = "written" if self.made else "is up to date"
        return f"{self.path}: {what}; {self.samples} samples, {self.rows} frames, {self.size / 1e6:.1f} MB"


def side_files(path: Path) -> SideFiles:
    """Return the files beside ``d.h5``: ``d.md``, ``d.png``, ``d.samples.csv``, ``d.croissant.json``."""
    return SideFiles(
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
    """Bring a dataset file up to date with the store; do nothing where it already is.

    Parameters
    ----------
    manifest : Manifest
    store : Store
    sources : iterable of Source
    plans : mapping of str to list of Planned
        By the video's sha256, planned against the store as it is now.
    path : Path
        The file; it is replaced atomically. Where it is a symbolic link, the link's target is replaced.
    samples : SampleTable
        As planned; the annotations are read again only where videos are left out.
    compact : bool, optional
        Whether to compress: a tenth of the bytes, read at a fraction of the speed. Default: the manifest's
        setting.
    progress : callable
        Called with the rows of ``/cuboids`` just written and their total number.

    Returns
    -------
    Exported

    Raises
    ------
    UserError
        There is nothing to export, results are missing, something else lies at ``path``, or ``path`` is a
        link that leads nowhere.
    OSError
        The disk refused.
    DamagedError
        A file of the store is damaged.
    """
    start = time.perf_counter()
    _guard(path)
    compact = manifest.compact if compact is None else compact
    content = select_content(manifest, sources, plans, samples)
    splits = stable_splits(store, split_params(manifest), [s for _, s in content.samples])
    fingerprint = dataset_fingerprint(content, splits, compact=compact)
    files = side_files(path)
    current = stored_fingerprint(path) == fingerprint
    mark = card_mark(fingerprint, content)
    made = not (current and _described(path, files, fingerprint, mark))
    digest = ""
    if not current:
        digest = assemble(path, store, content, splits, fingerprint, compact=compact, progress=progress)
    summary = read_summary(path)
    if made:
        _describe(summary, files, content.waterfall.to_json(), mark, digest or sha256_file(path))
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


def _describe(summary: Summary, files: SideFiles, waterfall: dict[str, Any], mark: str, digest: str) -> None:
    """Write the files beside a dataset; the Croissant description last, since it vouches for the others."""
    write_picture(files.picture, summary)
    write_table(files.table, summary)
    write_card(files.card, summary, files.picture, waterfall, mark)
    write_croissant(files.croissant, summary, digest, files.table)


def _described(path: Path, files: SideFiles, fingerprint: str, mark: str) -> bool:
    """Whether the files beside a dataset are there and describe this one."""
    there = all(p.exists() for p in vars(files).values())
    right = described_file(files.croissant) == (fingerprint, path.stat().st_size)
    return there and right and mark_of(files.card) == mark


def _guard(path: Path) -> None:
    """Raise UserError unless everything that would be replaced comes from an earlier export."""
    link_target(path)
    if path.suffix not in (".h5", ".hdf5"):
        raise UserError(f"{path}: a dataset is an HDF5 file; give a name that ends in .h5", USAGE)
    files = side_files(path)
    if not path.exists():
        strange = [p for p in vars(files).values() if p.exists()]
        if strange and not files.croissant.exists():
            raise UserError(f"{strange[0]}: exists and would be replaced; name the dataset otherwise", USAGE)
        return
    try:
        with h5py.File(path, "r") as file:
            ours = file.attrs.get("format") == FORMAT
    except OSError:
        # a truncated dataset or something else: only the description beside it can tell
        ours = files.croissant.exists()
    if not ours:
        raise UserError(f"{path}: exists and is no dataset of ttprep; give another name, or remove it", USAGE)

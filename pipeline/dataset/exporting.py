"""Bring a dataset file and the files beside it up to date with the store."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.dataset.assemble import Assembled, assemble
from pipeline.dataset.card import mark_of, write_card
from pipeline.dataset.content import Content, select_content, shown_name
from pipeline.dataset.croissant import described_file, write_croissant
from pipeline.dataset.fingerprint import card_mark, dataset_fingerprint
from pipeline.dataset.hdf5_writer import link_target
from pipeline.dataset.pixels.arrays import Progress
from pipeline.dataset.pixels.pieces import Shards
from pipeline.dataset.pixels.shard_files import folder_of
from pipeline.dataset.receipt import (
    FORMAT,
    FORMAT_OF_DATASETS,
    Receipt,
    State,
    digests,
    is_dataset,
    is_receipt,
    look_at,
    make_receipt,
    receipt_path,
    write_receipt,
)
from pipeline.dataset.sample_picture import MARK as PICTURE
from pipeline.dataset.sample_picture import write_picture
from pipeline.dataset.sample_table import write_table
from pipeline.dataset.seal import SealError, open_regular
from pipeline.dataset.split_table import split_params, stable_splits
from pipeline.dataset.summary import Summary, read_summary
from pipeline.errors import OK, SOME_FAILED, USAGE, UserError
from pipeline.inputs.manifest import Manifest, Splits
from pipeline.inputs.sources import Source
from pipeline.planning.quality.judging import judge
from pipeline.planning.samples import SampleTable
from pipeline.planning.staleness import Planned
from store import Store

#: what the files beside a dataset are recognised by
CARD, TABLE, CROISSANT = "made by ttprep", "video_sha256", "mlcommons.org/croissant"
#: how much of one is looked at, bytes
_MOST = 1 << 24


@dataclass(frozen=True)
class SideFiles:
    """The files that lie beside a dataset file and describe it."""

    card: Path
    picture: Path
    table: Path
    croissant: Path

    @property
    def read(self) -> tuple[Path, Path]:
        """Those that programs read."""
        return self.table, self.croissant


@dataclass(frozen=True)
class Exported:
    """What an export did.

    Attributes
    ----------
    path : Path
    made : bool
        False where the file was up to date and nothing was touched.
    samples, rows, size : int
        Number of samples, their frames, bytes of the file and its shards.
    counts : dict of str to dict of str to int
        Class → split → samples.
    left_out : tuple of str
        Videos that failed and are not in the file.
    seconds : float
    damaged : str
        What was wrong with the file that lay there; empty where nothing was.
    shards, written : int
        Number of shards, and how many of them are new.
    flagged : str
        How many samples have flags or were left out for them, and which; empty where none has.
    """

    path: Path
    made: bool
    samples: int
    rows: int
    size: int
    counts: Mapping[str, Mapping[str, int]]
    left_out: tuple[str, ...]
    seconds: float
    damaged: str = ""
    flagged: str = ""
    shards: int = 0
    written: int = 0

    def empty_splits(self, splits: Splits) -> list[str]:
        """Return a line where splits that are to have a share of the samples have none."""
        shares = {"train": splits.train, "validation": splits.validation, "test": splits.test}
        has = {split for by in self.counts.values() for split, n in by.items() if n}
        empty = " or ".join(split for split, share in shares.items() if share and split not in has)
        if not empty or not self.samples:
            return []
        if splits.by == "sample":
            return [f"no sample is for {empty}: there are only {self.samples}; label more strokes"]
        return [
            f"no sample is for {empty}: each {splits.by} goes to one split as a whole; label strokes of more"
            " of them, or set splits: {by: sample}"
        ]

    @property
    def code(self) -> int:
        """Exit code of the command."""
        return SOME_FAILED if self.left_out else OK

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**vars(self), "path": str(self.path), "left_out": list(self.left_out), "exit_code": self.code}

    def __str__(self) -> str:
        what = "written" if self.made else "is up to date"
        if self.damaged:
            what = f"was damaged ({self.damaged}), written anew"
        return (
            f"{self.path}: {what}; {self.samples} samples, {self.rows} frames, {self.size / 1e6:.1f} MB"
            + (f" with {self.shards} shards ({self.written} new)" if self.shards else "")
            + (f"; {self.flagged}" if self.flagged else "")
        )


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
    shards: Shards | Literal["manifest"] = "manifest",
    without_flagged: bool | None = None,
    thorough: bool = False,
    progress: Progress = lambda rows, total: None,
) -> Exported:
    """Bring a dataset file up to date with the store; do nothing where it already is.

    Parameters
    ----------
    manifest : Manifest
    store : Store
    sources : iterable of Source
    plans : mapping of str to list of Planned
        By the id of the view, planned against the store as it is now.
    path : Path
        The file; it is replaced atomically. Where it is a symbolic link, the link's target is replaced.
    samples : SampleTable
        As planned; the annotations are read again only where videos are left out.
    compact : bool, optional
        Whether to compress: a tenth of the bytes, read at a fraction of the speed. Default: the manifest's
        setting.
    shards : "auto", float or None
        Whether the pixels go into shards, and their size in MB. Default: the manifest's setting.
    without_flagged : bool, optional
        Whether to leave out samples with a flag. Default: the manifest's setting.
    thorough : bool
        Read all of a file that lies there, to know that it is sound; else its tables alone, unless its time
        of modification is not the one it was given.
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
    form = manifest.shards if shards == "manifest" else shards
    if form is not None:
        _guard_shards(path)
    without = manifest.quality.without_flagged if without_flagged is None else without_flagged
    names = {v: shown_name(plan[0].node.source, manifest) for v, plan in plans.items() if plan}
    judged = judge(plans, store, manifest.quality, samples.by_view, names)
    content = select_content(manifest, sources, plans, samples, judged, without_flagged=without)
    splits = stable_splits(store, split_params(manifest), [s for _, s in content.samples])
    fingerprint = dataset_fingerprint(content, splits, compact=compact, shards=form)
    files = side_files(path)
    state = look_at(path, read_data=thorough) if path.exists() else State()
    current = not state.problem and state.fingerprint == fingerprint
    mark = card_mark(fingerprint, content)
    made = not (current and _described(path, files, state, mark))
    done = Assembled(state.sha256, tuple(state.shards.values()))
    if not current:
        done = assemble(
            path, store, content, splits, fingerprint,
            compact=compact, shards=form, sound=state.shards, progress=progress,
        )  # fmt: skip
    summary = read_summary(path)
    if made:
        _describe(summary, files, content, mark, done.sha256)
    _keep_receipt(path, files, state.receipt, fingerprint, done)
    return Exported(
        path,
        made,
        len(summary),
        sum(summary.samples["rows"]),
        summary.whole_size,
        summary.counts(),
        content.left_out,
        time.perf_counter() - start,
        state.problem,
        content.flagged.text(),
        len(done.shards),
        done.written,
    )


def _describe(summary: Summary, files: SideFiles, content: Content, mark: str, digest: str) -> None:
    """Write the files beside a dataset; the Croissant description last, since it vouches for the others."""
    write_picture(files.picture, summary)
    write_table(files.table, summary)
    write_card(files.card, summary, files.picture, content, mark)
    write_croissant(files.croissant, summary, digest, files.table)


def _described(path: Path, files: SideFiles, state: State, mark: str) -> bool:
    """Whether the files beside a sound dataset are there, as they were written, and describe this one."""
    there = all(p.exists() for p in vars(files).values())
    if not there or mark_of(files.card) != mark:
        return False
    receipt = state.receipt
    if receipt is not None and receipt.fingerprint == state.fingerprint:
        return receipt.sha256 == state.sha256 and receipt.files == digests(files.read)
    fingerprint, size, digest = described_file(files.croissant)  # all that earlier versions wrote
    return (fingerprint, size, digest) == (state.fingerprint, path.stat().st_size, state.sha256)


def _keep_receipt(
    path: Path, files: SideFiles, there: Receipt | None, fingerprint: str, done: Assembled
) -> None:
    """Write the receipt, unless it is there already. It vouches for the bytes as they were written."""
    unused = there.unused if there is not None else None
    right = make_receipt(path, fingerprint, done.sha256, files.read, done.shards, unused)
    if there != right:
        write_receipt(path, right)


def _guard(path: Path) -> None:
    """Raise UserError unless everything that would be replaced comes from an earlier export."""
    link_target(path)
    if path.suffix not in (".h5", ".hdf5"):
        raise UserError(f"{path}: a dataset is an HDF5 file; give a name that ends in .h5", USAGE)
    files = side_files(path)
    for beside in (*vars(files).values(), receipt_path(path)):
        if beside.is_symlink() or beside.is_dir():
            what = "a link" if beside.is_symlink() else "a folder"
            raise UserError(
                f"{beside}: is {what}, which is not replaced; move it, or name the dataset otherwise", USAGE
            )
    marks = {files.card: CARD, files.table: TABLE, files.croissant: CROISSANT, receipt_path(path): FORMAT}
    if receipt_path(path).exists():  # earlier versions wrote no receipts, and no mark into pictures
        marks[files.picture] = PICTURE
    for beside, mark in marks.items():
        if os.path.lexists(beside) and not _bears(beside, mark):
            raise UserError(
                f"{beside}: exists and would be replaced, and is not recognised as made by ttprep; move it, "
                "or name the dataset otherwise",
                USAGE,
            )
    if not path.exists():
        if files.picture.exists() and not described_file(files.croissant)[0] and not is_receipt(path):
            raise UserError(
                f"{files.picture}: exists and would be replaced; name the dataset otherwise", USAGE
            )
        return
    damaged = _bears(path, FORMAT_OF_DATASETS.decode()) or (
        path.is_file() and path.stat().st_size == described_file(files.croissant)[1]
    )
    if not (is_dataset(path) or damaged):
        raise UserError(f"{path}: exists and is no dataset of ttprep; give another name, or remove it", USAGE)


def _guard_shards(path: Path) -> None:
    """Raise UserError where there can be no folder of shards."""
    folder = folder_of(path)
    if os.path.lexists(folder) and not folder.is_dir():
        raise UserError(f"{folder}: is no folder, and the shards need one of this name; move it", USAGE)


def _bears(path: Path, mark: str) -> bool:
    """Tell whether a file holds what every file of its kind that an export wrote holds, damaged or not."""
    try:
        with open(open_regular(path), "rb") as file:
            return mark.encode() in file.read(_MOST)
    except (SealError, OSError):
        return False

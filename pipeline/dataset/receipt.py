"""The receipt beside a dataset: what was written, so that damage is told from another version.

Of the shards, where there are any, it holds size and modification time, and since when those that the dataset
does not list any more are unused.
``d.receipt.json`` is written last. It holds size, modification time and sha256 of the dataset, the sha256 of
the table and the description beside it, and a checksum of its own content.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from pipeline.dataset.croissant import described_file
from pipeline.dataset.fingerprint import stored_fingerprint
from pipeline.dataset.pixels.shard_files import Shard, folder_of, listed, problem_of, shards_of, sizes
from pipeline.dataset.seal import SealError, check_head, hash_file, open_regular, read_seal
from store import sha256_file
from store.atomic import write_json
from store.notes import CHECKSUM, checksum, signed

FORMAT = "ttprep-dataset-receipt"
FORMAT_OF_DATASETS = b"ttprep-dataset"
CHANGED = "its bytes are not those that were written (sha256 differs)"


@dataclass(frozen=True)
class Receipt:
    """What an export wrote.

    Attributes
    ----------
    fingerprint, sha256 : str
        Of the dataset's content and of its file.
    size, mtime_ns : int
    files : dict of str to str
        Name → sha256 of the files beside it that programs read.
    damaged : str
        What ``ttprep verify`` found; the next export writes the file anew.
    shards : dict of str to list of int
        Name → size and time of modification (ns).
    unused : dict of str to float
        Name → since when (s since 1970) a shard that lies there is not one of the dataset.
    """

    fingerprint: str
    sha256: str
    size: int
    mtime_ns: int
    files: dict[str, str]
    damaged: str = ""
    shards: dict[str, list[int]] = field(default_factory=dict)
    unused: dict[str, float] = field(default_factory=dict)


def receipt_path(path: Path) -> Path:
    """Return the path of a dataset's receipt."""
    return path.with_suffix(".receipt.json")


def read_receipt(path: Path) -> Receipt | None:
    """Read the receipt of a dataset; None where there is none.

    Raises
    ------
    SealError
        It is damaged.
    OSError
        It cannot be read.
    """
    try:
        handle = open_regular(receipt_path(path))
    except FileNotFoundError:
        return None
    with open(handle, "rb") as file:
        data = file.read(1 << 20)
    try:
        value = json.loads(data)
        if value.pop(CHECKSUM) != checksum(value) or value.pop("format") != FORMAT:
            raise ValueError
        value.pop("version")
        return Receipt(**value)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise SealError("is damaged") from None


def write_receipt(path: Path, receipt: Receipt) -> None:
    """Write the receipt of a dataset."""
    value = {"format": FORMAT, "version": 1, **asdict(receipt)}
    for name in ("shards", "unused"):  # earlier versions know no such thing
        if not value[name]:
            del value[name]
    write_json(receipt_path(path), signed(value))


def digests(paths: Iterable[Path]) -> dict[str, str]:
    """Return name → sha256 of files."""
    return {path.name: sha256_file(path) for path in paths}


def make_receipt(
    path: Path,
    fingerprint: str,
    sha256: str,
    beside: Iterable[Path],
    shards: Iterable[Shard] = (),
    unused: Mapping[str, float] | None = None,
) -> Receipt:
    """Make the receipt of a file whose sha256 as written is known.

    Parameters
    ----------
    path : Path
    fingerprint, sha256 : str
    beside : iterable of Path
        Files that programs read.
    shards : iterable of Shard
    unused : mapping, optional
        As the receipt before this one has it.
    """
    stat, folder, before = path.stat(), folder_of(path), unused or {}
    own = sizes(folder, shards)
    idle = {n: before.get(n, time.time()) for n in listed(folder) if n not in own}
    return Receipt(
        fingerprint, sha256, stat.st_size, stat.st_mtime_ns, digests(beside), shards=own, unused=idle
    )


def is_receipt(path: Path) -> bool:
    """Tell whether the receipt beside a dataset was written by an export."""
    try:
        return read_receipt(path) is not None
    except (SealError, OSError):
        return False


def is_dataset(path: Path) -> bool:
    """Tell whether a file is a dataset of ttprep, whole or damaged, without HDF5 parsing it."""
    try:
        with open(open_regular(path), "rb") as file:
            head = file.read(1 << 20)
            return head.startswith(b"\x89HDF") and FORMAT_OF_DATASETS in head
    except (SealError, OSError):
        return False


def mark_damaged(path: Path, problem: str) -> None:
    """Note in a receipt that its dataset is damaged."""
    receipt = read_receipt(path)
    if receipt is not None:
        write_receipt(path, replace(receipt, damaged=problem))


@dataclass(frozen=True)
class State:
    """What became of a dataset file since it was written.

    Attributes
    ----------
    problem : str
        What is wrong; empty where nothing is.
    sha256 : str
        Of the whole file as it was written; empty where there is a problem.
    fingerprint : str
        Of its content; empty where there is a problem, or the file was not completed.
    receipt : Receipt or None
        The receipt beside it, where it is sound.
    shards : dict of str to Shard
        Those of its shards that are sound, by name, whatever the problem.
    """

    problem: str = ""
    sha256: str = ""
    fingerprint: str = ""
    receipt: Receipt | None = None
    shards: dict[str, Shard] = field(default_factory=dict)


def look_at(path: Path, *, read_data: bool) -> State:
    """Compare a dataset file with what was written.

    Parameters
    ----------
    path : Path
        Exists.
    read_data : bool
        Hash every byte; else only the head, and the rest where size or time are not those of the receipt. A
        file without a seal, of an earlier version, is hashed in any case before HDF5 parses it.

    Raises
    ------
    OSError
        It cannot be read.
    """
    try:
        receipt = read_receipt(path)
    except SealError:
        receipt = None  # it is written anew
    try:
        if receipt is not None and receipt.damaged:
            return State(receipt.damaged, receipt=receipt)
        seal = read_seal(path)
        if seal is None:
            return _without_seal(path, receipt)
        check_head(path, seal)
        found, whole = path.stat(), ""
        if receipt is not None and not read_data:
            then = receipt.fingerprint, receipt.size, receipt.mtime_ns
            if then == (seal.fingerprint, found.st_size, found.st_mtime_ns):
                whole = receipt.sha256
        if not whole:
            part, whole = hash_file(path, seal.size)
            if part != seal.sha256:
                return State(CHANGED, receipt=receipt)
        folder, shards = shards_of(path)
        before = receipt.shards if receipt is not None else {}
        problem, sound = problem_of(folder, shards, before, read_data=read_data)
        if problem:
            return State(problem, receipt=receipt, shards=sound)
        return State("", whole, seal.fingerprint, receipt, sound)
    except SealError as error:
        return State(str(error), receipt=receipt)


def _without_seal(path: Path, receipt: Receipt | None) -> State:
    known = {receipt.sha256} if receipt is not None else set()
    described = described_file(path.with_suffix(".croissant.json"))[2]
    known |= {described} if described else set()
    if not known:
        return State("nothing beside it tells which bytes were written", receipt=receipt)
    whole = hash_file(path, 0)[1]
    if whole not in known:
        return State(CHANGED, receipt=receipt)
    return State("", whole, stored_fingerprint(path), receipt)

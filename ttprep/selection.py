"""Which results of a video are read, where the store holds several of a stage."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.reading.catalogue import Catalogue, Entry, finished
from pipeline.reading.read_only import ReadOnlyStore
from store import Receipt, Slot
from ttprep.errors import MissingResult

if TYPE_CHECKING:
    from pipeline.reading.current import Current


@dataclass(frozen=True)
class Result:
    """One result of a stage, as it lies in the store.

    Attributes
    ----------
    stage : str
    key : str
        sha256 of everything that it follows from.
    version : int
        Of the stage that made it.
    parameters : dict
    finished : datetime.datetime or None
        When it was made, UTC.
    chosen : bool
        Whether :class:`Video` reads it.
    path : Path
        The HDF5 file.
    cost : dict
        ``core_s``, ``wall_s`` (s), ``peak_mb`` (MB), ``rows``, ``host``: what making it took.
    """

    stage: str
    key: str
    version: int
    parameters: Mapping[str, Any] = field(repr=False)
    finished: datetime.datetime | None
    chosen: bool
    path: Path = field(repr=False)
    cost: Mapping[str, Any] = field(repr=False, default_factory=dict)


@dataclass(frozen=True)
class Selection:
    """Chooses one result of each stage of a video.

    Attributes
    ----------
    store : ReadOnlyStore
    catalogue : Catalogue
    video : str
        Its id.
    current : Current or None
        Knows the results of a manifest's parameters; None: the newest are taken.
    choice : mapping of str to str
        Stage → key of what the user chose.
    """

    store: ReadOnlyStore
    catalogue: Catalogue
    video: str
    current: Current | None = None
    choice: Mapping[str, str] = field(default_factory=dict)

    def entry(self) -> Entry:
        """Return what the store holds of the video now."""
        return self.catalogue.entry(self.video)

    def chosen(self) -> dict[str, str]:
        """Return stage → key of the result that is read, for stages that have one."""
        return self._keys(self.entry())

    def _keys(self, entry: Entry) -> dict[str, str]:
        there = {r.key for r in entry.receipts}
        keys: dict[str, str] = {}
        if self.current is not None:
            keys |= {s: k for s, k in self.current.keys(entry).items() if k in there}
        else:
            for receipt in entry.receipts:
                keys.setdefault(receipt.stage, receipt.key)
        return keys | dict(self.choice)

    def slot(self, stage: str) -> Slot:
        """Return where the result of a stage lies that is read; errors as :meth:`receipt`."""
        receipt = self.receipt(stage)
        return Slot(self.video, receipt.stage, receipt.key)

    def receipt(self, stage: str) -> Receipt:
        """Return the receipt of the result of a stage that is read.

        Raises
        ------
        MissingResult
        """
        entry = self.entry()
        keys = self._keys(entry)
        wanted = {r.key: r for r in entry.receipts}
        frames = wanted.get(keys.get("frames", ""))
        if stage == "pose" and "pose" not in keys and frames is not None and "keypoints" in frames.shapes:
            return frames  # joints that came with the source stand for those that are found
        receipt = wanted.get(keys.get(stage, ""))
        if receipt is None:
            raise MissingResult(self._missing(entry, stage))
        return receipt

    def results(self) -> list[Result]:
        """Return all results, newest first."""
        entry = self.entry()
        keys = self._keys(entry)
        return [self._result(entry, r, keys.get(r.stage) == r.key) for r in entry.receipts]

    def _result(self, entry: Entry, receipt: Receipt, chosen: bool) -> Result:
        at = finished(receipt)
        return Result(
            receipt.stage,
            receipt.key,
            receipt.version,
            dict(receipt.parts.get("params", {})),
            datetime.datetime.fromtimestamp(at, datetime.UTC) if at else None,
            chosen,
            self.store.path(entry.slot(receipt)),
            {k: receipt.run[k] for k in ("core_s", "wall_s", "peak_mb", "rows", "host") if k in receipt.run},
        )

    def choose(self, *results: Result | str) -> Selection:
        """Return a selection with these results.

        Raises
        ------
        MissingResult
            There is no such result, or several begin so.
        """
        entry, choice = self.entry(), dict(self.choice)
        for wanted in results:
            key = wanted.key if isinstance(wanted, Result) else wanted
            found = [r for r in entry.receipts if key and r.key.startswith(key)]
            if len(found) != 1:
                number = len(found) or "no"
                raise MissingResult(f"{entry.name}: {number} results with the key {key!r}; see results()")
            choice[found[0].stage] = found[0].key
        return replace(self, choice=choice)

    def _missing(self, entry: Entry, stage: str) -> str:
        video = shlex.quote(str(entry.paths[0])) if entry.paths else "VIDEO"
        words = f"ttprep run --stage {shlex.quote(stage)} --store {shlex.quote(str(self.store.root))}"
        command = f"`{words} {video}`"
        fault, others = entry.fault(stage), len(entry.of(stage))
        if fault is not None:
            verb = "makes it anew" if fault.kind == "damaged" else "tries again"
            return f"{entry.name}: {stage} {fault.kind} ({fault.reason}); {command} {verb}"
        if stage in self.choice:
            return f"{entry.name}: the {stage} that was chosen is no longer there; see results({stage!r})"
        if others:
            there = f"({others} with others: results({stage!r}))"
            what = f"{entry.name}: {stage} is not computed with the manifest's parameters {there}"
            return f"{what}; {command} with that --manifest computes it"
        from stages.registry import registry

        if stage not in registry():
            return f"there is no stage {stage!r}; the stages are {', '.join(registry())}"
        return f"{entry.name}: {stage} is not computed; {command} computes it"

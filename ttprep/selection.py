"""Which results of a video are read, where the store holds several of a stage."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.discovery import view_name
from pipeline.reading.catalogue import Catalogue, Entry, finished
from pipeline.reading.read_only import ReadOnlyStore
from pipeline.reading.views import WHOLE, foci_of
from store import Receipt, Slot
from ttprep.errors import MissingResult, UnknownVideo

if TYPE_CHECKING:
    from pipeline.reading.current import Current
    from stages.focus import Focus


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
    view : str
        The player whose results are read, or the focus; empty: those of the video, which has one view.
    """

    store: ReadOnlyStore
    catalogue: Catalogue
    video: str
    current: Current | None = None
    choice: Mapping[str, str] = field(default_factory=dict)
    view: str = ""

    def entry(self) -> Entry:
        """Return what the store holds of the video now."""
        return self.catalogue.entry(self.video)

    @property
    def views(self) -> tuple[str, ...]:
        """The players of the video by the manifest, or the several focuses that its results have."""
        entry = self.entry()
        told = dict.fromkeys(foci_of(entry).values())
        if self.current is None:
            return tuple(told) if len(told) > 1 else ()
        from pipeline.annotations.parsing.focus import name_of

        foci = self.current.foci(entry)
        named = tuple(name for name, _ in foci if name)
        own = {name_of(focus) for _, focus in foci} or {WHOLE}
        return (*named, *(text for text in told if text not in own))

    def of_view(self, name: str) -> Selection:
        """Return the selection of a player, or of a focus.

        Raises
        ------
        UnknownVideo
            There is no such view.
        """
        views = self.views
        found = next((v for v in views if v.casefold() == name.strip().casefold()), None)
        if found is None:
            known = f"it has {', '.join(views)}" if views else "it has one view, without a name"
            raise UnknownVideo(f"{self.entry().name}: there is no player or focus {name!r}; {known}", views)
        return replace(self, view=found)

    def chosen(self) -> dict[str, str]:
        """Return stage → key of the result that is read, for stages that have one.

        Raises
        ------
        MissingResult
            The video has several players, and it is not said which is meant.
        """
        entry = self.entry()
        ask = self._several(entry)
        focused = {r.stage for r in entry.receipts if r.key in foci_of(entry)} - self.choice.keys()
        if ask and focused:
            raise MissingResult(self._ask(entry, min(focused), ask))
        return self._keys(entry)

    def _several(self, entry: Entry) -> tuple[str, ...]:
        """Return the views of a video, where it has several and none is chosen."""
        if self.view:
            return ()
        if self.current is None:
            return self.views
        named = tuple(name for name, _ in self.current.foci(entry) if name)
        return named if len(named) > 1 else ()

    @staticmethod
    def _ask(entry: Entry, stage: str, views: Sequence[str]) -> str:
        some = " or ".join(f"{view_name(entry.name, view)!r}" for view in views[:3])
        return f"{entry.name}: {stage} is there for {', '.join(views)}; ask the store for {some}"

    def _keys(self, entry: Entry) -> dict[str, str]:
        foci, ask = foci_of(entry), self._several(entry)
        there = {r.key for r in entry.receipts if not (ask and r.key in foci)}
        keys: dict[str, str] = {}
        if self.current is not None:
            focus = self._focus(entry)
            keys |= {s: k for s, k in self.current.keys(entry, focus).items() if k in there}
        else:
            for receipt in entry.receipts:
                own = not self.view or foci.get(receipt.key, self.view) == self.view
                if receipt.key in there and own:
                    keys.setdefault(receipt.stage, receipt.key)
        return keys | dict(self.choice)

    def _focus(self, entry: Entry) -> Focus | None:
        """Return the focus of the view by the manifest."""
        from pipeline.annotations.parsing.focus import read_focus

        assert self.current is not None
        foci = dict(self.current.foci(entry))
        if self.view:
            told = self.view not in foci and self.view != WHOLE
            return read_focus(self.view) if told else foci.get(self.view)
        return next(iter(foci.values()), None)

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
        ask = self._several(entry) if receipt is None else ()
        if ask and any(r.stage == stage and r.key in foci_of(entry) for r in entry.receipts):
            raise MissingResult(self._ask(entry, stage, ask))
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

"""The results of one video as a report needs them: what is there, what is older, what is damaged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TypeVar

from pipeline.execution.feature_files import video_info
from pipeline.planning.staleness import Planned
from stages.base import Array, VideoInfo
from store import DamagedError, FeatureReader, Receipt, Slot, Store, StoreError

T = TypeVar("T")


class UnreadableError(Exception):
    """A result that was there could not be read on; the message says why, and what helps."""


@dataclass
class Results:
    """Open results of one video; of the current parameters where there are any, else older ones.

    Attributes
    ----------
    readers : dict of str to FeatureReader
        Stage → its open feature file.
    receipts : dict of str to Receipt
        Stage → what vouches for it.
    old : list of str
        Stages of which only results of older parameters are there.
    foreign : list of str
        Stages of which there are only results made of other frames than those shown: they do not fit.
    problems : dict of str to str
        Stage → why its file could not be read.
    info : VideoInfo or None
        None where not even the frames are there.
    """

    readers: dict[str, FeatureReader] = field(default_factory=dict)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    old: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    info: VideoInfo | None = None

    def drop(self, stage: str, error: Exception) -> None:
        """Go on without a stage that turned out to be unreadable."""
        self.problems[stage] = problem_of(error)
        reader = self.readers.pop(stage, None)
        self.receipts.pop(stage, None)
        if reader is not None:
            reader.close()
        if stage == "frames":
            self.info = None

    def try_reading(self, stage: str, read: Callable[[FeatureReader], T]) -> T | None:
        """Return what ``read`` finds in a stage's file; None where it is not there or cannot be read."""
        reader = self.readers.get(stage)
        if reader is None:
            return None
        try:
            return read(reader)
        except (StoreError, OSError) as e:
            self.drop(stage, e)
            return None

    def must_read(self, stage: str, array: str, start: int, stop: int) -> Array:
        """Return rows of a stage's array; rows beyond its end are left out.

        Raises
        ------
        UnreadableError
            They cannot be read.
        """
        reader = self.readers[stage]
        try:
            n = len(reader.dataset(array))
            return reader.read(array, min(start, n), min(stop, n))
        except (StoreError, OSError) as e:
            raise UnreadableError(problem_of(e)) from e

    def digest(self, *stages: str) -> str:
        """Return a digest of the keys of the results that are there: equal keys are equal bytes."""
        keys = {name: r.key for name, r in self.receipts.items() if not stages or name in stages}
        return hashlib.sha256(json.dumps(keys, sort_keys=True).encode()).hexdigest()[:32]


def problem_of(error: Exception) -> str:
    """Return in words why a result could not be read, and what helps."""
    if isinstance(error, DamagedError):
        return f"{error}; `ttprep run` makes it anew"
    reason = getattr(error, "strerror", None) or str(error)
    return f"cannot be read ({reason}); look at the disk and its permissions"


def open_results(store: Store, plan: list[Planned], stack: ExitStack) -> Results:
    """Open what there is of a video.

    Parameters
    ----------
    store : Store
    plan : list of Planned
        The video's planned results.
    stack : ExitStack
        Closes the files.
    """
    found = Results()
    known = {r.key: r for r in store.receipts(plan[0].node.source.sha256)}
    for planned in plan:
        name, receipt = planned.node.stage.name, planned.receipt or planned.previous
        if receipt is None:
            continue
        slot = Slot(planned.node.source.sha256, name, receipt.key)
        try:
            if planned.receipt is None and store.receipt(slot) is None:
                continue
            if planned.receipt is None and not _fits(receipt, found.receipts.get("frames"), known):
                found.foreign.append(name)
                continue
            reader = stack.enter_context(store.reader(slot))
            _ = reader.file  # compared with its receipt now
        except (StoreError, OSError) as e:
            found.problems[name] = problem_of(e)
            continue
        if planned.receipt is None:
            found.old.append(name)
        found.receipts[name], found.readers[name] = receipt, reader
    if "frames" in found.receipts:
        try:
            found.info = video_info(found.receipts["frames"])
        except StoreError as e:
            found.drop("frames", e)
    return found


def _fits(receipt: Receipt, frames: Receipt | None, known: Mapping[str, Receipt]) -> bool:
    """Tell whether an older result was made of the frames that are shown, through all its inputs."""
    if receipt.stage == "frames":
        return True
    ahead, seen = [receipt], set[str]()
    while ahead:
        inputs = ahead.pop().parts.get("inputs", {})
        for stage, key in inputs.items():
            if stage == "frames" and (frames is None or key != frames.key):
                return False
            if key not in seen and stage != "frames":
                seen.add(key)
                if key not in known:
                    return False  # nothing tells what it was made of
                ahead.append(known[key])
    return True

"""Plans and what runs did, as objects with tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.planning.staleness import Reason
from ttprep.opened import Store, open_store

if TYPE_CHECKING:
    import pandas as pd


def table_of(columns: Sequence[str], lines: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return a table of these columns, those of no lines too."""
    import pandas as pd

    return pd.DataFrame(list(lines), columns=list(columns))


@dataclass(frozen=True)
class Step:
    """One stage of one video in a plan.

    Attributes
    ----------
    video : str
        As the user would write its path.
    id : str
        First 16 digits of the sha256 of its bytes.
    stage : str
    state : {"done", "stale", "missing", "failed", "damaged"}
    reasons : tuple of Reason
        Why it would be made; empty exactly where it is done.
    key : str
        sha256 of everything that the result follows from.
    """

    video: str
    id: str
    stage: str
    state: str
    reasons: tuple[Reason, ...]
    key: str = field(repr=False)


@dataclass(frozen=True)
class Plan:
    """What a run would do; true where there is anything to do, and as long as that.

    Attributes
    ----------
    steps : tuple of Step
        All, those that are done too; inputs first.
    problems : tuple of str
        One line for each path or annotation file that cannot be used.
    notes : tuple of str
        Worth saying, but no failure.
    unavailable : str
        Why a stage lacks a file, such as the weights of PoseNet, with the remedy; empty where none does.
    """

    steps: tuple[Step, ...]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unavailable: str = ""

    @property
    def to_do(self) -> tuple[Step, ...]:
        """The steps that are not done."""
        return tuple(s for s in self.steps if s.state != "done")

    @property
    def table(self) -> pd.DataFrame:
        """What is to do: ``video``, ``id``, ``stage``, ``state``, ``reasons`` (as text)."""
        return table_of(
            ("video", "id", "stage", "state", "reasons"),
            [asdict(s) | {"reasons": "; ".join(map(str, s.reasons))} for s in self.to_do],
        )

    def __len__(self) -> int:
        return len(self.to_do)

    def __repr__(self) -> str:
        done = len(self.steps) - len(self)
        problems = f", {len(self.problems)} problems" if self.problems else ""
        return f"<ttprep plan: {len(self)} to do, {done} done{problems}>"


@dataclass(frozen=True)
class Job:
    """What became of one result that a run was to make.

    Attributes
    ----------
    video : str
        As the user would write its path.
    id : str
        First 16 digits of the sha256 of its bytes; empty for the dataset.
    stage : str
    state : {"done", "failed", "skipped"}
        Skipped: an input failed.
    reason : str
        What failed, why, and what to do; empty where nothing did.
    rows : int
        Frames or pairs of frames made.
    core_s, wall_s : float
        Seconds of computing and in all.
    peak_mb : float
        Peak memory of the process so far, MB.
    """

    video: str
    id: str
    stage: str
    state: str
    reason: str = ""
    rows: int = 0
    core_s: float = 0.0
    wall_s: float = 0.0
    peak_mb: float = 0.0


@dataclass(frozen=True)
class RunResult:
    """What a run did.

    Attributes
    ----------
    jobs : tuple of Job
        One for each result that was to be made, in the order in which they ended.
    plan : Plan
        Against the store as it is after the run.
    path : Path
        The store's folder.
    dataset : str
        What became of the dataset file; empty where there was none to write.
    code : int
        What ``ttprep run`` would exit with: 0 all well, 3 something failed and the rest is done, 1 nothing
        is.
    """

    jobs: tuple[Job, ...]
    plan: Plan
    path: Path
    dataset: str = ""
    code: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return self.code == 0

    @property
    def failed(self) -> tuple[Job, ...]:
        """The jobs that failed, without those that were skipped because of them."""
        return tuple(j for j in self.jobs if j.state == "failed")

    @property
    def problems(self) -> tuple[str, ...]:
        """One line for each path or annotation file that could not be used."""
        return self.plan.problems

    @property
    def store(self) -> Store:
        """The store, opened with :func:`ttprep.open`."""
        return open_store(self.path)

    @property
    def table(self) -> pd.DataFrame:
        """The jobs, one line each; the columns are those of :class:`Job`."""
        return table_of(tuple(Job.__dataclass_fields__), [asdict(j) for j in self.jobs])

    def __repr__(self) -> str:
        made = sum(j.state == "done" for j in self.jobs)
        failed = len(self.failed) + len(self.problems)
        first = next((j.reason for j in self.failed), next(iter(self.problems), ""))
        return f"<ttprep run: {made} made, {failed} failed{f' ({first})' if first else ''}>"

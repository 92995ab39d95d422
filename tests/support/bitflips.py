"""Flip single bits of files, carry out the commands that read them, and say what became of it.

A :class:`Kind` is one kind of file of a :class:`Project`. Trials run in a process forked from this one, where
everything is loaded already; one that hangs or dies is replaced. ``benchmarks/bitflips.py`` scans all kinds,
the tests a few bits of each.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import multiprocessing as mp
import os
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np

#: the commands of a trial may take so long together, s
LIMIT_S = 10.0
#: one trial in so many begins with the commands that look at everything (:attr:`Kind.before`)
BEFORE_EVERY = 10
SAME, ANEW, REFUSED, HANG, TRACEBACK, DIFFERENT = (
    "same result", "made anew, same result", "refused with a line", "hang", "traceback",
    "different result, exit 0",
)  # fmt: skip
OUTCOMES = (SAME, ANEW, REFUSED, HANG, TRACEBACK, DIFFERENT)
BAD = (HANG, TRACEBACK, DIFFERENT)
TABLE_HEAD = f"| file | bits | {' | '.join(OUTCOMES)} |\n|---|{'---:|' * (len(OUTCOMES) + 1)}"

State = Mapping[str, tuple[bytes, int]]
Words = tuple[str, ...]


class Range(NamedTuple):
    """Bytes [start, stop) of a file, relative to the project's folder."""

    file: str
    start: int
    stop: int


class Bit(NamedTuple):
    """A bit of a file."""

    file: str
    at: int
    bit: int


class Project:
    """A folder that is brought back to its finished state before every trial.

    Parameters
    ----------
    folder : Path
        As it is now is its finished state.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state: State = {
            place: ((folder / place).read_bytes(), (folder / place).stat().st_mtime_ns)
            for place in self._files()
        }
        self._put: dict[str, tuple[tuple[int, ...], bytes]] = {}

    def _files(self) -> Iterator[str]:
        for path, _, names in os.walk(self.folder):
            for name in names:
                yield os.path.relpath(os.path.join(path, name), self.folder)

    def put_back(self, state: State) -> None:
        """Bring the folder to a state; what a disk has not touched since is left alone."""
        for place in set(self._files()) - state.keys():
            (self.folder / place).unlink()
            self._put.pop(place, None)
        for place, (content, mtime) in state.items():
            path = self.folder / place
            known = self._put.get(place)
            if known is not None and known[1] is content and path.exists() and _identity(path) == known[0]:
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            os.utime(path, ns=(mtime, mtime))
            self._put[place] = _identity(path), content


def _identity(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


@dataclass(frozen=True)
class Kind:
    """One kind of file, and what reads it.

    Attributes
    ----------
    name : str
        As in the table.
    project : Project
    strata : tuple of tuple of Range
        Bits are chosen from each in turn.
    command : tuple of str
        ``ttprep`` or ``tttrain`` and its words, carried out in the folder.
    result : callable or None
        Folder after the command → its result, which must be the undisturbed one. None: what it printed.
    before : tuple of tuple of str
        Commands that also meet the flipped bit, in every tenth trial.
    gone : callable
        Which files are removed first, so that the flipped one is needed.
    added : mapping
        Files that are put there first.
    set_up : callable
        Called in the process of the trials.
    """

    name: str
    project: Project
    strata: tuple[tuple[Range, ...], ...]
    command: Words
    result: Callable[[Path], bytes] | None = None
    before: tuple[Words, ...] = ()
    gone: Callable[[str], bool] = lambda place: False
    added: State = field(default_factory=dict)
    set_up: Callable[[], None] = lambda: None

    @property
    def start(self) -> State:
        """The files before a trial."""
        kept = {p: v for p, v in self.project.state.items() if not self.gone(p)}
        return {**kept, **self.added}


def whole(state: State, places: Iterable[str]) -> tuple[Range, ...]:
    """Return all bytes of files."""
    return tuple(Range(place, 0, len(state[place][0])) for place in places)


def choose(kind: Kind, n: int, seed: int = 0) -> list[Bit]:
    """Choose bits of a kind in random order, none twice."""
    rng = np.random.default_rng(seed)
    chosen = []
    for i, ranges in enumerate(kind.strata):
        ends = np.cumsum([8 * (r.stop - r.start) for r in ranges])
        share = n // len(kind.strata) + (i < n % len(kind.strata))
        places = rng.choice(int(ends[-1]), min(share, int(ends[-1])), replace=False)
        for place in places.tolist():
            k = int(np.searchsorted(ends, place, side="right"))
            at, bit = divmod(place - int(ends[k]) + 8 * (ranges[k].stop - ranges[k].start), 8)
            chosen.append(Bit(ranges[k].file, ranges[k].start + at, bit))
    unique = sorted(set(chosen))
    return [unique[k] for k in rng.permutation(len(unique))]


class Found(NamedTuple):
    """What a trial did: exit code (None: did not end), what was printed, sha256 of the result, and whether
    the file still is what it was at the start."""

    code: int | None
    said: str
    result: str
    kept: bool
    raised: bool = False


def attempt(kind: Kind, bit: Bit | None, *, thorough: bool) -> Found:
    """Put the files there, flip the bit and carry out the commands, in this process."""
    from click.testing import CliRunner

    start = dict(kind.start)
    if bit is not None:
        content, mtime = start[bit.file]
        flipped = bytearray(content)
        flipped[bit.at] ^= 1 << bit.bit
        start[bit.file] = bytes(flipped), mtime
    kind.project.put_back(start)
    _forget()
    said, raised, code = "", False, 0
    for program, *words in (*(kind.before if thorough else ()), kind.command):
        done = CliRunner().invoke(_main(program), words)
        raised |= done.exception is not None and not isinstance(done.exception, SystemExit)
        raised |= "Traceback" in done.output or "unexpected" in done.output
        if done.exit_code and not done.output.strip():
            raised = True  # a refusal without a word is no better
        said, code = said + done.output, done.exit_code
    file = kind.strata[0][0].file if bit is None else bit.file
    path = kind.project.folder / file
    kept = path.exists() and path.read_bytes() == start[file][0]
    if kept:  # what a command left as it was is not its result
        path.write_bytes(kind.start[file][0])
    if code:
        result = b""
    else:
        result = said.encode() if kind.result is None else kind.result(kind.project.folder)
    return Found(code, said, hashlib.sha256(result).hexdigest(), kept, raised)


def warm(kinds: Iterable[Kind]) -> None:
    """Carry out every command once in this process, so that no process of trials imports a thing."""
    seen: set[Words] = set()
    here = Path.cwd()
    for kind in kinds:
        if kind.command not in seen:
            seen.add(kind.command)
            os.chdir(kind.project.folder)
            attempt(kind, None, thorough=True)
    os.chdir(here)


def _forget() -> None:
    """Empty what this process remembers of files by their name and time of modification."""
    for module, name in (("store.receipt", "_checked"), ("tttrain.data.sealed_file", "_PROBED")):
        if module in sys.modules:
            getattr(sys.modules[module], name).clear()


def _main(program: str) -> Any:
    if program == "ttprep":
        from pipeline.cli.main import main as ttprep

        return ttprep
    from tttrain.cli.main import main as tttrain

    return tttrain


def _work(kind: Kind, pipe: Connection, other_end: Connection) -> None:
    other_end.close()  # or its end would not be noticed
    os.setsid()
    os.chdir(kind.project.folder)
    null = os.open(os.devnull, os.O_RDWR)
    for number in (1, 2):
        os.dup2(null, number)
    os.environ |= {"COLUMNS": "200", "TTPREP_POSENET_WEIGHTS": ""}
    kind.set_up()
    if kind.command[0] == "tttrain":
        import torch

        torch.set_num_threads(1)
    gc.freeze()  # collecting what was loaded before costs more than a trial
    while True:
        try:
            bit, thorough = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(attempt(kind, bit, thorough=thorough))
        except Exception:  # the fault is here, not in what is tried
            pipe.send(traceback.format_exc())
            return


class Bench:
    """A process that makes the trials of a kind; replaced where it hangs or dies."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._process: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """End the process and what it has started."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()
            self._process.join()
            self._process = None

    def found(self, bit: Bit | None, *, thorough: bool, limit: float = LIMIT_S) -> Found:
        """Return what a trial did."""
        if self._process is None:
            context = mp.get_context("fork")
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(target=_work, args=(self._kind, theirs, self._pipe), daemon=True)
            self._process.start()
            theirs.close()
        self._pipe.send((bit, thorough))
        said = ""
        try:
            if self._pipe.poll(limit):
                found: Found | str = self._pipe.recv()
                if isinstance(found, str):
                    raise RuntimeError(f"{self._kind.name}, {bit}: {found}")
                return found
        except EOFError:
            said = "the process died"
        self.end()
        return Found(-1 if said else None, said, "", False, bool(said))


def classify(found: Found, right: Found) -> str:
    """Name the outcome of a trial."""
    if found.code is None:
        return HANG
    if found.raised:
        return TRACEBACK
    if found.code:
        return REFUSED
    if found.result != right.result:
        return DIFFERENT
    return SAME if found.kept or not right.kept else ANEW


@dataclass
class Tally:
    """Outcomes of the trials of one kind, and the bits behind those that should not be."""

    name: str
    counts: Counter[str] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)

    @property
    def row(self) -> str:
        """One line of a Markdown table."""
        return f"| {self.name} | {sum(self.counts.values())} | " + " | ".join(
            str(self.counts[outcome]) for outcome in OUTCOMES
        ) + " |"  # fmt: skip


def scan(kind: Kind, bits: Sequence[Bit], *, limit: float = LIMIT_S) -> Tally:
    """Flip each of some bits alone and tally what becomes of it.

    The undisturbed result is taken before and after, so that nothing which the process remembers counts. What
    went wrong is tried once more in a new process.
    """
    tally = Tally(kind.name)
    with Bench(kind) as bench:
        right = bench.found(None, thorough=True, limit=60.0)
        _require_right(kind, right)
        for i, bit in enumerate(bits):
            thorough = i % BEFORE_EVERY == 0
            outcome = classify(found := bench.found(bit, thorough=thorough, limit=limit), right)
            if outcome in BAD:
                bench.end()
                outcome = classify(found := bench.found(bit, thorough=thorough, limit=limit), right)
            tally.counts[outcome] += 1
            if outcome in BAD:
                last = found.said.strip().splitlines()[-1:]
                tally.bad.append(f"{bit}: {outcome} {' '.join(last)}")
        again = bench.found(None, thorough=True, limit=60.0)
        _require_right(kind, again)
        if kind.result is not None and again.result != right.result:
            raise RuntimeError(f"{kind.name}: two undisturbed commands have different results")
    return tally


def _require_right(kind: Kind, found: Found) -> None:
    if found.code != 0 or found.raised:
        raise RuntimeError(f"{kind.name}: undisturbed, the command ends with {found.code}: {found.said}")


def table(tallies: Iterable[Tally]) -> str:
    """Write tallies as a Markdown table."""
    return "\n".join([TABLE_HEAD, *(tally.row for tally in tallies)])

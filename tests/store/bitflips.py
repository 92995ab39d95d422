"""Flip bits in every kind of file of a finished store, and see what the commands make of it.

``python -m tests.store.bitflips FLIPS [SEED]`` prints the table of docs/store-format.md. Each flip keeps the
file's time stamp, as a disk does. The dataset and the results that read the file are gone, so it is needed;
then ``status``, ``verify`` and ``run`` are called in a process that may take ten seconds for each flip.
"""

from __future__ import annotations

import multiprocessing as mp
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIMIT_S = 10.0
#: stage → those that depend on it: they and the dataset are gone, so the file is needed
READERS = {
    "frames": ("foreground", "flow", "statistics", "roi", "cuboids", "untrimmed"),
    "foreground": ("flow", "statistics", "roi", "cuboids", "untrimmed"),
    "flow": ("statistics", "roi", "cuboids", "untrimmed"),
    "roi": ("cuboids", "untrimmed"),
}
OUTCOMES = ("same, nothing said", "named, made anew", "refused", "DIFFERENT, exit 0", "TRACEBACK", "HANG")

State = dict[str, tuple[bytes, int]]  # path → content and time stamp


@dataclass(frozen=True)
class Trial:
    """A bit to flip: of a file, relative to the project."""

    kind: str
    place: str
    at: int
    bit: int


def state_of(folder: Path) -> State:
    """Content of all files."""
    return {
        str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mtime_ns)
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def put_back(folder: Path, state: State) -> None:
    """Bring a folder to a state."""
    for place in state_of(folder).keys() - state.keys():
        (folder / place).unlink()
    for place, (content, mtime) in state.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.stat().st_mtime_ns != mtime or path.read_bytes() != content:
            path.write_bytes(content)
            os.utime(path, ns=(mtime, mtime))


def kind_of(place: str) -> str:
    """Group the files of a store; empty where a file is none of the store's."""
    parts = Path(place).parts
    if parts[0] != "store":
        return ""
    if len(parts) == 2:
        return "marker"
    if parts[1] in ("sources", "splits"):
        return {"sources": "source note", "splits": "table of splits"}[parts[1]]
    name = parts[-1]
    if name.endswith((".failed.json", ".damaged.json")):
        return name.split(".")[1] + " note"
    return f"{name.split('-')[0]} file" if name.endswith(".h5") else "receipt"


def _stage(place: str) -> str:
    return Path(place).name.partition("-")[0] if place.startswith("store/videos/") else ""


def prepare(folder: Path) -> State:
    """Make a finished project; return its healthy state."""
    from store import Slot, Store
    from tests.support.projects import project, run_here

    actions = {"a": [(2, 20, "Up")], "b": [(3, 22, "Down")]}
    manifest = project(folder, {"a": 40, "b": 30}, actions, untrimmed=True, dataset="dataset.h5")
    for path in folder.glob("videos/*"):
        os.utime(path, (1e9, 1e9))  # as old as sources are that get a note
    assert run_here(manifest).code == 0
    store = Store.open(folder / "store")
    store.set_failure(Slot("ab" * 32, "roi", "cd" * 32), "an example")
    slot = Slot(store.videos()[0], "roi", "cd" * 32)
    store.mark_damaged(slot, "an example")
    return state_of(folder)


def trials(state: State, flips: int, seed: int) -> Iterator[Trial]:
    """``flips`` bits of each kind of file; half of those of a feature file lie outside its array data."""
    chosen = random.Random(seed)
    by_kind: dict[str, list[str]] = {}
    for place in state:
        if kind := kind_of(place):
            by_kind.setdefault(kind, []).append(place)
    for kind, places in sorted(by_kind.items()):
        for n in range(flips):
            place = chosen.choice(places)
            size = len(state[place][0])
            if kind.endswith("file") and n % 2:
                size = min(size, 5000)
            yield Trial(kind, place, chosen.randrange(size), chosen.randrange(8))


def attempt(folder: Path, healthy: State, trial: Trial) -> str:
    """Flip the bit and return what became of it."""
    import logging

    from click.testing import CliRunner

    from pipeline.cli.main import main

    logging.disable(logging.CRITICAL)
    gone = READERS.get(_stage(trial.place), ())
    start = {
        p: content for p, content in healthy.items() if _stage(p) not in gone and not p.startswith("dataset")
    }
    content, mtime = start[trial.place]
    flipped = bytearray(content)
    flipped[trial.at] ^= 1 << trial.bit
    start[trial.place] = bytes(flipped), mtime
    put_back(folder, start)
    said, codes = "", {}
    for words in (["status"], ["verify"], ["run", "--workers", "0"]):
        done = CliRunner().invoke(main, words)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            return "TRACEBACK"
        codes[words[0]] = done.exit_code
        said += done.output
        if "Traceback" in done.output or "unexpected" in done.output:
            return "TRACEBACK"
    if codes["run"]:
        return "refused"
    now = state_of(folder)
    for place, (content, _) in healthy.items():
        if place.endswith(".h5") and now.get(place, (b"", 0))[0] != content:
            return "DIFFERENT, exit 0"
    made_more = now[trial.place][0] != bytes(flipped) if trial.place in now else True
    return "named, made anew" if codes["verify"] or made_more else "same, nothing said"


def _work(folder: Path, healthy: State, pipe: Any) -> None:
    os.chdir(folder)
    os.environ["TTPREP_POSENET_WEIGHTS"] = ""
    while (trial := pipe.recv()) is not None:
        pipe.send(attempt(folder, healthy, trial))


class Bench:
    """A process that makes trials; replaced where it hangs or dies."""

    def __init__(self, folder: Path, healthy: State) -> None:
        self._folder, self._healthy = folder, healthy
        self._start()

    def _start(self) -> None:
        self._pipe, theirs = mp.get_context("spawn").Pipe()
        words = (self._folder, self._healthy, theirs)
        self._process = mp.get_context("spawn").Process(target=_work, args=words, daemon=True)
        self._process.start()
        theirs.close()
        self._warm = False

    def outcome(self, trial: Trial) -> str:
        """What became of a trial."""
        self._pipe.send(trial)
        found = "HANG"
        try:
            if self._pipe.poll(LIMIT_S * (1 if self._warm else 6)):  # the first one imports everything
                self._warm = True
                return str(self._pipe.recv())
        except EOFError:
            found = "TRACEBACK"  # the process died
        self.close()
        self._start()
        return found

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()


def scan(folder: Path, flips: int, seed: int) -> tuple[dict[str, Counter[str]], list[tuple[Trial, str]]]:
    """Count the outcomes of every kind, and list the bad ones."""
    healthy = prepare(folder)
    counts: dict[str, Counter[str]] = {}
    bad: list[tuple[Trial, str]] = []
    bench = Bench(folder, healthy)
    try:
        for trial in trials(healthy, flips, seed):
            outcome = bench.outcome(trial)
            counts.setdefault(trial.kind, Counter())[outcome] += 1
            if outcome.isupper() or outcome.startswith("DIFFERENT"):
                bad.append((trial, outcome))
    finally:
        bench.close()
    return counts, bad


def main() -> None:
    """Print the table."""
    folder = Path(tempfile.mkdtemp())
    try:
        counts, bad = scan(folder, int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    finally:
        shutil.rmtree(folder)
    print(f"| file | {' | '.join(OUTCOMES)} |\n|---|{'---|' * len(OUTCOMES)}")
    for kind, found in counts.items():
        print(f"| {kind} | {' | '.join(str(found[o]) for o in OUTCOMES)} |")
    for trial, outcome in bad:
        print(outcome, trial)


if __name__ == "__main__":
    main()

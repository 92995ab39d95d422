"""Flip random bits of a file, run a command on it under a time limit, and say what became of it.

``flips_of_dataset`` and ``flips_of_run`` are the kinds of file of a dataset and of a run folder. Every trial
works in a copy of its own and is a process of its own, forked from this one so that nothing is loaded twice:
what a flipped bit does to a parser is not known before.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline.dataset.seal import read_seal

#: a trial may take so long, s, from the start of the process
LIMIT_S = 10.0
SAME, REFUSED, HANG, TRACEBACK, DIFFERENT = (
    "same result", "refused with a line", "hang", "traceback", "different result, exit 0",
)  # fmt: skip
OUTCOMES = (SAME, REFUSED, HANG, TRACEBACK, DIFFERENT)


@dataclass(frozen=True)
class Kind:
    """One kind of file and the command that reads it.

    Attributes
    ----------
    name : str
        As in the table.
    folder : Path
        Copied for each trial.
    file : str
        Flipped, relative to the folder.
    command : tuple of str
        Words of ``ttprep`` or ``tttrain``, carried out in the copy.
    result : callable
        Folder after the command → its result; that of a trial must be the undisturbed one. The exit code and
        stdout are compared only where it is None.
    start, stop : int
        Bytes of the file to choose from; ``stop`` 0: its end.
    """

    name: str
    folder: Path
    file: str
    command: tuple[str, ...]
    result: Callable[[Path], bytes] | None = None
    start: int = 0
    stop: int = 0


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


TABLE_HEAD = f"| file | bits | {' | '.join(OUTCOMES)} |\n|---|{'---:|' * (len(OUTCOMES) + 1)}"


def flip(path: Path, bit: int) -> None:
    """Flip one bit in place, as disks do: without a new time of modification."""
    stat = path.stat()
    with path.open("r+b") as file:
        file.seek(bit // 8)
        (byte,) = file.read(1)
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def choose(kind: Kind, n: int, seed: int = 0) -> list[int]:
    """Choose bits of a kind's file, each once."""
    size = (kind.stop or (kind.folder / kind.file).stat().st_size) - kind.start
    rng = np.random.default_rng(seed)
    places = rng.choice(size * 8, min(n, size * 8), replace=False)
    return sorted((8 * kind.start + places).tolist())


@dataclass(frozen=True)
class Run:
    """What a command did: exit code (None: killed after the limit), stdout, stderr, its result."""

    code: int | None
    out: bytes
    err: bytes
    result: bytes


def _begin(kind: Kind, folder: Path) -> int:
    """Fork a process that carries out a kind's command in a folder, and return its number."""
    main = _main(kind.command[0])
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setsid()
        os.chdir(folder)
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(folder.with_name(name), os.O_WRONLY | os.O_CREAT, 0o600), number)
        sys.stdout, sys.stderr = (os.fdopen(n, "w", buffering=1, closefd=False) for n in (1, 2))
        os.environ["COLUMNS"] = "200"
        main(list(kind.command[1:]))
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _main(program: str) -> Callable[[list[str]], object]:
    if program == "ttprep":
        from pipeline.cli.main import main as ttprep

        return ttprep
    import torch

    from tttrain.cli.main import main as tttrain

    torch.set_num_threads(1)
    return tttrain


def _end(kind: Kind, child: int, folder: Path, until: float) -> Run:
    """Wait for a forked process; kill it and what it started when its time is over."""
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            break
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):  # what it started
                os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return Run(None, b"", b"", b"")
        time.sleep(0.005)
    code = os.waitstatus_to_exitcode(status)
    out, err = (folder.with_name(name).read_bytes() for name in ("out", "err"))
    return Run(code, out, err, kind.result(folder) if kind.result is not None and code == 0 else b"")


def classify(trial: Run, right: Run, *, compare_output: bool) -> str:
    """Name the outcome of a trial."""
    if trial.code is None:
        return HANG
    if trial.code < 0 or b"Traceback (most recent call last)" in trial.err:
        return TRACEBACK
    if trial.code != 0:
        return REFUSED
    same = trial.out == right.out if compare_output else trial.result == right.result
    return SAME if same else DIFFERENT


def scan(kind: Kind, bits: Sequence[int], *, limit: float = LIMIT_S) -> Tally:
    """Flip each of some bits alone and tally what becomes of it."""
    tally = Tally(kind.name)
    right = trial(kind, None, 60.0)
    if right.code != 0:
        raise RuntimeError(f"{kind.name}: undisturbed, the command ends with {right.code}: {right.err!r}")
    for bit in bits:
        found = trial(kind, bit, limit)
        outcome = classify(found, right, compare_output=kind.result is None)
        tally.counts[outcome] += 1
        if outcome in (HANG, TRACEBACK, DIFFERENT):
            last = found.err.decode(errors="replace").strip().splitlines()[-1:]
            tally.bad.append(f"bit {bit}: {outcome} {' '.join(last)}")
    return tally


def trial(kind: Kind, bit: int | None, limit: float) -> Run:
    """Flip one bit in a copy and run the command; None: flip nothing."""
    with tempfile.TemporaryDirectory(prefix="flip") as place:
        folder = Path(place) / "f"
        shutil.copytree(kind.folder, folder, symlinks=True)
        if bit is not None:
            flip(folder / kind.file, bit)
        return _end(kind, _begin(kind, folder), folder, time.monotonic() + limit)


def _bytes_of(name: str) -> Callable[[Path], bytes]:
    return lambda folder: (folder / name).read_bytes()


def flips_of_dataset(folder: Path, head: tuple[int, int] | None = None) -> Iterator[Kind]:
    """Yield the kinds of file of a dataset, as ``tttrain evaluate`` and ``ttprep verify`` read them.

    Parameters
    ----------
    folder : Path
        Holds ``dataset.h5``, what lies beside it, and the run folder ``run`` trained on it. Its ``store`` is
        not needed.
    head : (int, int), optional
        A range of bytes that holds HDF5's structures: scanned for itself, since chance would rarely hit it.
    """
    evaluate = _evaluate()
    result = _bytes_of("run/evaluate-all/report.json")
    yield Kind("dataset.h5, any bit", folder, "dataset.h5", evaluate, result)
    if head is not None:
        yield Kind("dataset.h5, its head", folder, "dataset.h5", evaluate, result, *head)
    verify = ("ttprep", "verify", "dataset.h5", "--store", "nowhere")
    for suffix in ("samples.csv", "croissant.json", "receipt.json"):
        yield Kind(f"dataset.{suffix}", folder, f"dataset.{suffix}", verify)


def flips_of_run(folder: Path) -> Iterator[Kind]:
    """Yield the kinds of file of the run folder ``run`` beside ``dataset.h5``."""
    result = _bytes_of("run/evaluate-all/report.json")
    names = ["run.json", "checkpoint.json", *(p.name for p in (folder / "run").glob("best-*.pt"))]
    for name in names:
        yield Kind(f"run/{_kind_name(name)}", folder, f"run/{name}", _evaluate(), result)
    last = next((folder / "run").glob("last-*.pt"))
    fit = ("tttrain", "fit", "dataset.h5", "run", *FIT, "--epochs", "2")
    yield Kind("run/last-*.pt", folder, f"run/{last.name}", fit, _weights)
    yield Kind("run/history.json", folder, "run/history.json", fit, _weights)


#: settings of the run that is flipped: the smallest network
FIT = (
    "--model", "flow-stcnn", "--size", "8x8", "--length", "8", "--batch", "6", "--lr", "0.05",
    "--device", "cpu", "--schedule", "constant", "--validation", "none", "--allow-absent",
)  # fmt: skip


def _kind_name(name: str) -> str:
    return "best-*.pt" if name.startswith("best") else name


def _evaluate() -> tuple[str, ...]:
    words = ("evaluate", "run", "--split", "all", "--dataset", "dataset.h5", "--device", "cpu")
    return ("tttrain", *words)


def _weights(folder: Path) -> bytes:
    """The weights after training on, without what times and paths change."""
    import torch

    state = torch.load(folder / "run" / "last-00002.pt", weights_only=True)
    return b"".join(v.numpy().tobytes() for v in state["model"].values())


def make_folder(place: Path) -> Path:
    """Make videos, a dataset of them with all that lies beside it, and a run trained on it."""
    from tests.support.projects import export_here, project
    from tests.support.trainings import call

    actions = {"a": [(5, 25, "Up"), (40, 60, "Down")], "b": [(5, 25, "Across"), (30, 50, "Up")]}
    manifest = project(place / "project", {"a": 70, "b": 60}, actions, untrimmed=True)
    folder = place / "f"
    folder.mkdir()
    export_here(manifest, folder / "dataset.h5")
    call("fit", folder / "dataset.h5", folder / "run", *FIT, "--epochs", "1")
    return folder


def kinds(folder: Path) -> list[Kind]:
    """Return all kinds of file of what :func:`make_folder` made."""
    seal = read_seal(folder / "dataset.h5")
    assert seal is not None
    head = max(seal.head, key=lambda r: r[1] - r[0])
    return [*flips_of_dataset(folder, head), *flips_of_run(folder)]


def table(tallies: Iterable[Tally]) -> str:
    """Write tallies as a Markdown table."""
    return "\n".join([TABLE_HEAD, *(tally.row for tally in tallies)])


def main(n: int) -> None:
    """Scan ``n`` bits of each kind and print the table, and the bits that went wrong."""
    with tempfile.TemporaryDirectory() as place:
        tallies = [scan(kind, choose(kind, n)) for kind in kinds(make_folder(Path(place)))]
    print(table(tallies))
    for tally in tallies:
        print(*(f"{tally.name}, {text}" for text in tally.bad), sep="\n", end="\n" if tally.bad else "")


if __name__ == "__main__":
    main(int(sys.argv[1]))

"""Flip random bits of every kind of file of a store, a dataset and a run folder; print what became of it.

    python benchmarks/bitflips.py [--bits 2000] [--round 100] [--seed 0] [--keep FILE] [--only REGEX]

Kinds take turns, ``--round`` bits each, so that the tables are balanced whenever the scan is stopped. With
``--keep`` the counts are written to FILE after every turn, and a scan that is started again goes on there.
What a trial is: tests/support/bitflips.py. The tables of docs/store-format.md and docs/dataset-format.md are
from here.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.bitflips import Kind, Tally, choose, scan, table, warm  # noqa: E402
from tests.support.flipped_store import store_kinds  # noqa: E402
from tests.support.flipped_training import training_kinds  # noqa: E402


def read_tallies(path: Path | None) -> dict[str, Tally]:
    """Read the counts of an earlier scan."""
    if path is None or not path.exists():
        return {}
    held = json.loads(path.read_text())
    return {name: Tally(name, Counter(value["counts"]), value["bad"]) for name, value in held.items()}


def write_tallies(path: Path, tallies: dict[str, Tally]) -> None:
    """Write the counts of this scan."""
    held = {name: {"counts": tally.counts, "bad": tally.bad} for name, tally in tallies.items()}
    path.write_text(json.dumps(held, indent=1))


def take_turns(kinds: list[Kind], n: int, each: int, seed: int, keep: Path | None) -> dict[str, Tally]:
    """Scan up to ``n`` bits of every kind, ``each`` at a time."""
    tallies = read_tallies(keep)
    bits = {kind.name: choose(kind, n, seed) for kind in kinds}
    while True:
        left = [k for k in kinds if tallies.get(k.name, Tally("")).counts.total() < len(bits[k.name])]
        if not left:
            return tallies
        least = min(tallies.get(k.name, Tally("")).counts.total() for k in left)
        for kind in left:
            tally = tallies.setdefault(kind.name, Tally(kind.name))
            done = tally.counts.total()
            if done > least:
                continue
            begun = time.perf_counter()
            found = scan(kind, bits[kind.name][done : done + each])
            tally.counts += found.counts
            tally.bad += found.bad
            seconds = (time.perf_counter() - begun) / max(1, found.counts.total())
            print(
                f"{tally.row} {1e3 * seconds:.0f} ms each",
                *found.bad,
                sep="\n  ",
                file=sys.stderr,
                flush=True,
            )
            if keep is not None:
                write_tallies(keep, tallies)


def main() -> None:
    """Scan and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bits", type=int, default=2000, help="of every kind; 2000")
    parser.add_argument("--round", type=int, default=100, help="bits of a kind before the next one; 100")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="counts so far; the scan goes on from there")
    parser.add_argument("--only", default="", help="regular expression: kinds whose name matches")
    options = parser.parse_args()
    memory = Path("/dev/shm")  # a disk that keeps up with flushes
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as place:
        kinds = [*store_kinds(Path(place) / "store"), *training_kinds(Path(place) / "training")]
        kinds = [kind for kind in kinds if re.search(options.only, kind.name)]
        warm(kinds)
        tallies = take_turns(kinds, options.bits, options.round, options.seed, options.keep)
        beside = re.compile("`(d|run)[./]")  # of a dataset and a run folder
        for names in ([n for n in tallies if not beside.match(n)], [n for n in tallies if beside.match(n)]):
            if names:
                print(table(tallies[name] for name in names), end="\n\n")
    for tally in tallies.values():
        print(*(f"{tally.name}, {text}" for text in tally.bad), sep="\n", end="\n" if tally.bad else "")


if __name__ == "__main__":
    main()

"""Writes tests/slow.txt, the list of long tests, from what a run of the whole suite took.

Usage, on a machine that does nothing else: ``pytest -n 2 --durations=0 | python -m tests.slow_list``.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from tests.support import ROOT

LIST = ROOT / "tests" / "slow.txt"
#: a test function with all its parameters may take so long, s, before it counts as slow
MOST_SECONDS = 1.5
_LINE = re.compile(r"^(\d+\.\d+)s (?:setup|call|teardown) +(tests/\S+?\.py::[^\s\[]+)")
_HEAD = """\
# Long tests, one function or file per line; conftest.py marks them `slow`.
# Made by `pytest -n 2 --durations=0 | python -m tests.slow_list`.
"""


def totals(lines: Iterable[str]) -> dict[str, float]:
    """Test function → seconds over its parameters, set-up included, from pytest's ``--durations`` lines."""
    found: dict[str, float] = defaultdict(float)
    for line in lines:
        if match := _LINE.match(line):
            found[match[2]] += float(match[1])
    return dict(found)


def read(path: Path = LIST) -> set[str]:
    """The entries of the list."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {line.strip() for line in lines if line.strip() and not line.startswith("#")}


def main() -> None:
    """Read pytest's output from stdin, replace the list."""
    seconds = totals(sys.stdin)
    if not seconds:
        raise SystemExit("no durations on stdin: pipe the output of `pytest --durations=0` to this command")
    slow = sorted(name for name, taken in seconds.items() if taken > MOST_SECONDS)
    rest = sum(seconds.values()) - sum(seconds[name] for name in slow)
    LIST.write_text(_HEAD + "".join(f"{name}\n" for name in slow), encoding="utf-8")
    print(f"{len(slow)} slow tests; the others take {rest:.0f} s")


if __name__ == "__main__":
    main()

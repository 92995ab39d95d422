"""The line that sums up a run: what is made, and when the rest will be."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from pipeline.execution.jobs import JobResult
from pipeline.execution.progress import RunProgress


def result(stage: str, rows: int, core_s: float) -> JobResult:
    return JobResult(stage, "v", stage, "done", rows=rows, core_s=core_s)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_the_rest_takes_as_long_as_it_costs_at_the_speed_so_far(clock: list[float]) -> None:
    bars = RunProgress(Console(file=io.StringIO()), {"flow": 0.2})
    bars.expect("frames", files=2)
    bars.expect("flow", files=2)
    assert bars.overall() == "all: 0 of 4 results, time left unknown yet"
    clock[0] += 10  # one core: 100 frames at 0.1 s
    bars.advance("frames", 100)
    bars.ended(result("frames", 100, 10.0))
    bars.expect("flow", rows=99)
    # 100 frames more, as the first video had, and 2 × 99 pairs at 0.2 s: 10 + 39.6 core-seconds
    assert bars.overall() == "all: 1 of 4 results, about 50 s left"
    clock[0] += 20  # two cores now: what was said of flow holds, but it goes twice as fast
    bars.advance("flow", 99)
    bars.ended(result("flow", 99, 19.8))
    bars.advance("frames", 100)
    bars.ended(result("frames", 100, 10.0))
    bars.expect("flow", rows=99)
    assert bars.overall() == "all: 3 of 4 results, about 15 s left"
    bars.advance("flow", 99)
    bars.ended(result("flow", 99, 19.8))
    assert bars.overall() == "all: 4 of 4 results"


def test_it_stands_below_the_bars_and_in_the_lines_of_a_file(clock: list[float]) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120)
    with RunProgress(console) as bars:
        bars.expect("frames", files=1)
        bars.advance("frames", 5)
    assert "all: 0 of 1 results" in out.getvalue()
    plain = io.StringIO()
    with RunProgress(Console(file=plain)) as bars:
        bars.expect("frames", files=2)
        clock[0] += 60
        bars.advance("frames", 5)
    assert plain.getvalue().startswith("progress: frames 0/2 videos 5 frames; all: 0 of 2 results")

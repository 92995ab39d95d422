"""What a plan will cost: computing time and disk, by what the store's own results have cost."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from pipeline.inputs.manifest import Manifest
from pipeline.inputs.sources import Source
from pipeline.planning.staleness import Planned
from pipeline.planning.survey import Overview
from stages.frames.folder import DECODERS
from stages.registry import registry
from store import Receipt, Store

#: other videos of the store that are asked what a stage has cost, where those of the plan cannot tell
ASKED = 20
#: where T frames last longer than this, most of a window is not the stroke, s
LONG_S = 2.0
#: length of the papers' windows, s: 100 frames at 120/s
USUAL_S = 100 / 120


@dataclass(frozen=True)
class StageCost:
    """What one stage of a plan will cost.

    Attributes
    ----------
    stage : str
    results : int
        To be made.
    core_s : float or None
        Core-seconds; None where no result of this stage tells, or the length of a video is unknown.
    size : int or None
        Bytes on disk, likewise.
    peak_mb : float or None
        Largest memory that a process had in which a result of this stage was made, MB.
    """

    stage: str
    results: int
    core_s: float | None
    size: int | None
    peak_mb: float | None = None


@dataclass(frozen=True)
class Length:
    """How long a video is: counted, or what its container says.

    Attributes
    ----------
    frames : int or None
    fps : float or None
        1/s.
    counted : bool
    """

    frames: int | None
    fps: float | None
    counted: bool


def duration(seconds: float) -> str:
    """Write a duration in the unit that suits it.

    >>> duration(42), duration(600), duration(9000)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def video_length(source: Source, receipt: Receipt | None) -> Length:
    """Return the length of a video from the receipt of its frames, else from its container."""
    if receipt is not None:
        return Length(receipt.shapes["rgb"][0], float(receipt.attrs["fps"]), True)
    frames, fps = _container(source.path)
    return Length(frames, source.fps or fps, False)


def _container(path: Path) -> tuple[int | None, float | None]:
    """Read what a container says of its largest stream; nothing is decoded, and none of it is promised."""
    import av

    if path.is_dir():
        return sum(p.suffix.lower() in DECODERS for p in path.iterdir()), None
    try:
        with av.open(f"file:{path}") as file:  # a colon in a name is no protocol
            stream = max(file.streams.video, key=lambda s: s.width * s.height)
            rate = stream.average_rate or stream.guessed_rate
            frames = stream.frames
            if not frames and rate and file.duration:
                frames = round(file.duration / 1e6 * rate)
            return frames or None, float(rate) if rate else None
    except (av.FFmpegError, OSError, ValueError):
        return None, None


def stage_costs(overview: Overview, store: Store | None) -> list[StageCost]:
    """Return the cost of each stage that has something to do, in the order of the stages.

    The cost of a row (a frame, a pair) is the mean over the results of the same stage that the store holds,
    whatever their parameters; the length of a video that is not counted yet is what its container says.
    """
    todo: dict[str, list[Planned]] = defaultdict(list)
    for planned in overview.results:
        if planned.state != "done":
            todo[planned.node.stage.name].append(planned)
    if not todo:
        return []
    rates = row_costs(overview, store, set(todo))
    lengths = {
        plan[0].node.source.sha256: video_length(plan[0].node.source, plan[0].receipt)
        for plan in overview.plans.values()
        if any(planned.state != "done" for planned in plan)
    }
    costs = []
    for name in [n for n in overview.names if n in todo]:
        rows = [_rows(p, lengths[p.node.source.sha256]) for p in todo[name]]
        known = [r for r in rows if r is not None]
        if name not in rates or len(known) < len(rows):
            costs.append(StageCost(name, len(rows), None, None))
            continue
        rate = rates[name]
        core, size = rate.core_s * sum(known), round(rate.size * sum(known))
        costs.append(StageCost(name, len(rows), core, size, rate.peak_mb))
    return costs


def _rows(planned: Planned, length: Length) -> int | None:
    if not planned.node.stage.sampling:
        return length.frames
    samples = planned.node.samples
    return sum(end - begin for begin, end in samples) if length.counted else None


@dataclass
class RowCost:
    """What a row of a stage costs: a mean over results, and the largest memory among them.

    Attributes
    ----------
    core_s : float
    size : float
        Bytes.
    peak_mb : float or None
        None where no receipt says it.
    """

    core_s: float = 0.0
    size: float = 0.0
    peak_mb: float | None = None


def row_costs(overview: Overview, store: Store | None, wanted: set[str]) -> dict[str, RowCost]:
    """Return what a row costs, by stage, for those that a result of the store tells."""
    rows: Counter[str] = Counter()
    totals: dict[str, RowCost] = defaultdict(RowCost)

    def add(receipts: Iterable[Receipt]) -> None:
        for r in receipts:
            count, core, peak = r.run.get("rows"), r.run.get("core_s"), r.run.get("peak_mb")
            if r.stage in wanted and count and core is not None:
                total = totals[r.stage]
                rows[r.stage] += count
                total.core_s += core
                total.size += r.size
                if peak is not None:
                    total.peak_mb = max(total.peak_mb or 0.0, peak)

    add(r for p in overview.results if (r := p.receipt or p.previous) is not None)
    if store is not None and wanted - totals.keys():
        add(_others(store, {s.sha256[:16] for s in overview.sources}))
    return {
        stage: RowCost(total.core_s / rows[stage], total.size / rows[stage], total.peak_mb)
        for stage, total in totals.items()
    }


def _others(store: Store, known: set[str]) -> Iterator[Receipt]:
    for video in [v for v in store.videos() if v not in known][:ASKED]:
        yield from store.receipts(video)


def window_note(manifest: Manifest, overview: Overview) -> str:
    """Say where the T frames of a sample last far longer than a stroke, and which T would not; else empty."""
    if "cuboids" not in overview.names:
        return ""
    length = int(manifest.params(registry()["cuboids"]).length)
    rates: Counter[Fraction] = Counter()
    names = []
    for plan in overview.plans.values():
        fps = video_length(plan[0].node.source, plan[0].receipt).fps
        if fps and length / fps > LONG_S:
            rates[Fraction(fps).limit_denominator(1001)] += 1
            names.append(plan[0].node.source.video)
    names = [*dict.fromkeys(names)]
    if not names:
        return ""
    fps = float(rates.most_common(1)[0][0])
    some = names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")
    better = max(round(USUAL_S * fps), 8)
    return (
        f"T = {length} frames last {length / fps:.1f} s at {fps:.4g} frames/s ({some}), but a"
        f" stroke about 1 s; `stages: {{cuboids: {{length: {better}}}}}` in the manifest makes it"
        f" {better / fps:.2f} s, as in the papers"
    )

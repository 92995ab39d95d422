"""Robustness: how much accuracy networks lose on disturbed trials [GRU] §V-F."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tttrain import owned
from tttrain.data.sampling_methods import INTERVAL
from tttrain.errors import USAGE, TrainError
from tttrain.evaluation.disturbances import DISTURBANCES, PAPER_CROP, Disturbance, disturb_frames, trial_rng
from tttrain.evaluation.metrics import majority_share
from tttrain.evaluation.trials import Trial, TrialScorer

#: number of disturbed trials in memory at once
AT_ONCE = 8
#: files that are written
FIGURE, TABLE, REPORT = "robustness.png", "robustness.md", "robustness.json"


@dataclass(frozen=True)
class ComparedRun:
    """One curve of the figure.

    Attributes
    ----------
    name : str
        Unique.
    folder : Path
        Folder of the run.
    scorer : TrialScorer
    """

    name: str
    folder: Path
    scorer: TrialScorer


@dataclass(frozen=True)
class _Case:
    """One strength of one disturbance in one repetition."""

    disturbance: str
    strength: int
    repeat: int


def cases(names: Sequence[str], repeat: int) -> list[_Case]:
    """List all disturbances of a trial, strengths in order, repetitions innermost."""
    return [_Case(n, s, r) for n in names for s in DISTURBANCES[n].strengths for r in range(repeat)]


def names_of(folders: Sequence[Path]) -> list[str]:
    """Name runs by their folders, with as much of the path as tells them apart."""
    parts = [folder.resolve().parts for folder in folders]
    deepest = max(len(p) for p in parts)
    for depth in range(1, deepest + 1):
        names = ["/".join(p[-depth:]) for p in parts]
        if len(set(names)) == len(names):
            return names
    twice = next(name for name, count in Counter(map(str, folders)).items() if count > 1)
    raise TrainError(f"{twice}: named twice; name each run once", USAGE)


def robustness(
    runs: Sequence[ComparedRun],
    split: str,
    folder: Path,
    *,
    names: Sequence[str] = tuple(DISTURBANCES),
    repeat: int = 3,
    seed: int = 0,
    tell: Callable[[int, int, str], None] | None = None,
) -> dict[str, Any]:
    """Measure accuracy on disturbed trials and write table, figure and report.

    All networks see the same disturbed trials.

    Parameters
    ----------
    runs : sequence of ComparedRun
        All on one dataset.
    split : str
    folder : Path
        Created. Gets ``robustness.json``, ``robustness.md`` and ``robustness.png``.
    names : sequence of str
        Of :data:`tttrain.evaluation.disturbances.DISTURBANCES`.
    repeat : int
        How often each strength is drawn anew; 3 in the paper.
    seed : int
    tell : callable, optional
        Called with the number of trials scored, the number of all, and the name of the run.

    Returns
    -------
    dict
        ``runs``: name → accuracy undisturbed (``accuracy``) and, for each disturbance, a list of
        ``strength``, mean ``accuracy`` and that of each repetition (``repeats``).

    Raises
    ------
    TrainError
        The split has no sample, or the runs are of different datasets.
    """
    info = runs[0].scorer.network.info
    rows = info.samples_of(split)
    for other in runs[1:]:
        theirs = other.scorer.network.info
        if (theirs.classes, theirs.samples_digest) != (info.classes, info.samples_digest):
            raise TrainError(
                f"{runs[0].folder} and {other.folder} are of different datasets or taxonomies; "
                "name runs of one, or one for all with --dataset",
                USAGE,
            )
    owned.require(folder / name for name in (REPORT, TABLE, FIGURE))
    every = cases(names, repeat)
    report: dict[str, Any] = {
        "dataset": str(info.path),
        "split": split,
        "trials": len(rows),
        "repeat": repeat,
        "seed": seed,
        "majority": majority_share(info, split),
        "runs": {},
        "notes": [],
    }
    total, done = len(rows) * len(runs), 0
    for one in runs:
        right = np.zeros((len(rows), 1 + len(every)), bool)
        short = over = 0
        for i, trial in enumerate(one.scorer.trials(split)):
            right[i] = _right(one.scorer, trial, every, seed)
            short += len(trial.frames) < _longest(names)
            over = max(over, _reach_over(one.scorer, trial, every, seed))
            done += 1
            if tell is not None:
                tell(done, total, one.name)
        report["runs"][one.name] = _account(one, right, every, names)
        report["notes"] += [n for n in _notes(one, rows, short, over, names) if n not in report["notes"]]
    folder.mkdir(parents=True, exist_ok=True)
    owned.write_json(folder / REPORT, report)
    owned.write_text(folder / TABLE, markdown(report))
    from tttrain.evaluation.robustness_plot import draw

    draw(report, folder / FIGURE)
    return report


def _disturb(
    trial: Trial, case: _Case, seed: int, crop: int
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return the 40 frames of a disturbed trial, and which of them are missing."""
    rng = trial_rng(seed, case.disturbance, case.strength, case.repeat, trial.id)
    change = DISTURBANCES[case.disturbance].apply(rng, INTERVAL, case.strength, crop)
    return disturb_frames(trial.frames, change), change.missing if change.missing.any() else None


def _right(scorer: TrialScorer, trial: Trial, every: Sequence[_Case], seed: int) -> list[bool]:
    """Tell whether the network is right: undisturbed, then in every case."""
    crop = min(scorer.network.view.crop)

    def shown() -> Iterator[tuple[NDArray[Any], NDArray[np.bool_] | None]]:
        for case in every:
            yield _disturb(trial, case, seed, crop)

    jobs = chain([(trial.frames[:INTERVAL], None)], shown())
    scores = []
    while part := list(islice(jobs, AT_ONCE)):
        scores.append(scorer.score_many(part))
    return [bool(r) for r in np.concatenate(scores).argmax(axis=1) == trial.label]


def _longest(names: Sequence[str]) -> int:
    """Return the number of frames that a trial needs for all disturbances."""
    return max(DISTURBANCES["frame-rate"].strengths) if "frame-rate" in names else INTERVAL


def _reach_over(scorer: TrialScorer, trial: Trial, every: Sequence[_Case], seed: int) -> int:
    """Return by how many pixels at most the square that is seen reaches over the border of the frame."""
    crop = min(scorer.network.view.crop)
    room = [(side - crop) // 2 for side in trial.frames.shape[2:0:-1]]
    over = 0
    for case in every:
        if case.disturbance == "spatial-offset":
            rng = trial_rng(seed, case.disturbance, case.strength, case.repeat, trial.id)
            shift = DISTURBANCES[case.disturbance].apply(rng, INTERVAL, case.strength, crop).shift
            over = max(over, *(abs(s) - r for s, r in zip(shift, room, strict=True)))
    return over


def _account(
    one: ComparedRun, right: NDArray[np.bool_], every: Sequence[_Case], names: Sequence[str]
) -> dict[str, Any]:
    """Compute the accuracies of one run."""
    share = right.mean(axis=0)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for name in names:
        for strength in DISTURBANCES[name].strengths:
            repeats = [
                float(share[1 + i])
                for i, case in enumerate(every)
                if (case.disturbance, case.strength) == (name, strength)
            ]
            mean = float(np.mean(repeats))
            found[name].append({"strength": strength, "accuracy": mean, "repeats": repeats})
    config = one.scorer.network.record.config
    return {
        "folder": str(one.folder),
        "model": config.model,
        "options": dict(config.options),
        "sampling": config.sampling,
        "accuracy": float(share[0]),
        "disturbances": found,
    }


def _notes(
    one: ComparedRun, rows: NDArray[np.intp], short: int, over: int, names: Sequence[str]
) -> Iterator[str]:
    """Yield what the reader of the curves must know."""
    network = one.scorer.network
    yield from replace(network, name=one.name).notes(rows)
    if short:
        yield (
            f"{short} of {len(rows)} trials have fewer than {_longest(names)} frames from their start on; "
            "their last frame repeats"
        )
    crop = min(network.view.crop)
    if "spatial-offset" in names and crop < PAPER_CROP:
        yield (
            f"the square that is seen has {crop} px: an offset of 1 px of a crop of {PAPER_CROP} is "
            f"{crop / PAPER_CROP:.2f} of its pixels, and rounded to whole ones"
        )
    if over:
        yield (
            f"shifted by the largest offset, the square that is seen reaches {over} px over the picture's "
            "border, whose pixels repeat"
        )


def markdown(report: dict[str, Any]) -> str:
    """Write the report as one table per disturbance: runs × strengths, accuracies in per cent."""
    lines = [
        f"# Robustness: {report['trials']} trials ({report['split']}), mean of {report['repeat']}, "
        f"seed {report['seed']}",
        "",
        f"Accuracy in %; the most frequent class alone: {100 * report['majority']:.1f}.",
    ]
    runs = report["runs"]
    for name in next(iter(runs.values()))["disturbances"]:
        disturbance: Disturbance = DISTURBANCES[name]
        lines += ["", f"**{disturbance.title}** ({disturbance.axis}; [GRU] {disturbance.figure})", ""]
        lines.append(f"| run | none | {' | '.join(map(str, disturbance.strengths))} |")
        lines.append("|---" * (2 + len(disturbance.strengths)) + "|")
        for run, found in runs.items():
            cells = [found["accuracy"], *(p["accuracy"] for p in found["disturbances"][name])]
            lines.append(f"| {run} | {' | '.join(f'{100 * c:.1f}' for c in cells)} |")
    lines += [f"\n{note}." for note in report["notes"]]
    return "\n".join(lines) + "\n"

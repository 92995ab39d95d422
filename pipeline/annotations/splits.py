"""Split samples into training, validation and test: 0.7/0.2/0.1, stratified, seeded and stable.

The sizes are those of [SSTC] Table I: of n samples of a label, ⌊0.7·n + ½⌋ are for training, ⌊0.2·n + ½⌋ for
validation, and the rest is the test. Within a label, the samples of each player are divided as evenly as
these sizes allow: of ten throws of each participant at each target, eight are for training and two the test
[GRU §IV-B].

Stable means that adding samples never moves those already there. A rule that looks only at the sample
itself is stable but cannot balance: with ten samples of a class, 35 % of all seeds leave none for
the test. A rule that looks at the other samples balances but moves them. And a function of the
present samples that never moves one must be of the first kind, because it has to put each sample
where it would put it alone. Having both takes memory: a table of earlier assignments. Samples in the
table stay where they are; new ones go where their label lacks most. Groups (all samples of a video or a
player) cannot have exact sizes; they go where their labels, and the whole, lack most.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Literal

from pydantic import Field, model_validator

from pipeline.annotations.intervals import exact, is_same
from pipeline.annotations.records import Sample, rank
from stages.base import Params

SPLITS = ("train", "validation", "test")

#: weight of the balance of the whole relative to that of one label, for groups: at 1/5 neither suffers
#: for the other (measured, see docs/annotations.md)
_WHOLE = Fraction(1, 5)

_SPAN = re.compile(r"(-?\d+)-(-?\d+)", re.ASCII)


class SplitParams(Params):
    """Parameters of the split; the fractions are those of [SSTC] §IV-D and [3S] §3.1.

    Attributes
    ----------
    train, validation, test : float
        Fractions; they add up to 1.
    by : {"sample", "video", "player", "group"}
        What stays together in one split: each sample by itself (the papers), all samples of a video, or
        all samples of a player or of a group of videos (of the video, if player or group is not known).
    method : {"table", "hash"}
        How new samples are placed: where they are lacking, or by their hash alone, which needs no
        table to be reproducible but balances only large numbers.
    same_action : float
        A sample that shares more than this part of the shorter interval with one in the table is the
        same action with corrected limits and goes to the same split.
    seed : int
    """

    train: float = Field(default=0.7, ge=0, le=1)
    validation: float = Field(default=0.2, ge=0, le=1)
    test: float = Field(default=0.1, ge=0, le=1)
    by: Literal["sample", "video", "player", "group"] = "sample"
    method: Literal["table", "hash"] = "table"
    same_action: float = Field(default=0.25, ge=0, lt=1)
    seed: int = 0

    @model_validator(mode="after")
    def _whole(self) -> SplitParams:
        total = sum(self.fractions.values())
        if total != 1:
            raise ValueError(
                f"train, validation and test add up to {float(total):g}, not 1; change one of them"
            )
        return self

    @property
    def fractions(self) -> dict[str, Fraction]:
        """Return the exact fraction of each split."""
        return {s: exact(f) for s, f in zip(SPLITS, (self.train, self.validation, self.test), strict=True)}


def assign_splits(
    samples: Sequence[Sample],
    params: SplitParams | None = None,
    previous: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Assign every sample to a split.

    Parameters
    ----------
    samples : sequence of Sample
        In any order, with distinct ids.
    params : SplitParams, optional
    previous : mapping of str to str, optional
        The table of earlier assignments (:func:`split_table`), made with the same parameters.

    Returns
    -------
    dict of str to str
        Sample id → ``train``, ``validation`` or ``test``, sorted by id. Without ``previous`` it
        depends only on the samples and the parameters.

    Raises
    ------
    ValueError
        Two samples have the same id, or the table names other splits.
    """
    params = params or SplitParams()
    previous = previous or {}
    _validate(samples, previous)
    units: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        units[_unit(sample, params.by)].append(sample)
    spans = _spans(previous) if params.by == "sample" else {}
    placed: dict[str, str] = {}
    for unit, members in units.items():
        split = _earlier(unit, members, previous, spans, params)
        if split is not None:
            placed[unit] = split
    new = [unit for unit in units if unit not in placed]
    if params.method == "hash":
        placed |= {unit: _by_hash(unit, params) for unit in new}
    elif params.by == "sample":
        _fill_samples([units[unit][0] for unit in new], [units[unit][0] for unit in placed], placed, params)
    else:
        _fill(new, units, placed, params)
    return dict(sorted((s.id, placed[unit]) for unit, members in units.items() for s in members))


def split_table(
    samples: Iterable[Sample],
    splits: Mapping[str, str],
    params: SplitParams | None = None,
    previous: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the table to keep for the next time.

    Samples that are gone stay in the table, so that one that is deleted and added again returns to its
    split. A table belongs to one set of :class:`SplitParams`; with others, begin with an empty table.

    Parameters
    ----------
    samples : iterable of Sample
    splits : mapping of str to str
        What :func:`assign_splits` returned for them.
    params : SplitParams, optional
    previous : mapping of str to str, optional

    Returns
    -------
    dict of str to str
        Sample id, or ``"@video:…"``, ``"@player:…"``, ``"@group:…"`` → split; sorted.
    """
    params = params or SplitParams()
    table = {**(previous or {}), **splits}
    if params.by != "sample":
        table |= {_unit(s, params.by): splits[s.id] for s in samples}
    return dict(sorted(table.items()))


def split_counts(samples: Iterable[Sample], splits: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """Count samples by label and split; strokes without a label have the empty label."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for s in samples:
        counts[s.label or ""][splits[s.id]] += 1
    return {label: {split: counts[label][split] for split in SPLITS} for label in sorted(counts)}


def _validate(samples: Sequence[Sample], previous: Mapping[str, str]) -> None:
    twice = [key for key, count in Counter(s.id for s in samples).items() if count > 1]
    if twice:
        raise ValueError(f"two samples have the id {twice[0]!r}; give each its own interval")
    strange = sorted(set(previous.values()) - set(SPLITS))
    if strange:
        raise ValueError(
            f"the table of earlier assignments names a split {strange[0]!r};"
            f" there are {', '.join(SPLITS)}: correct it, or begin with an empty table"
        )


def _unit(sample: Sample, by: str) -> str:
    """Return the name of what is placed as a whole; ``@`` marks groups, so that none is taken for an id."""
    if by == "sample":
        return sample.id
    if by == "player" and sample.player:
        return f"@player:{sample.player}"
    if by == "group" and sample.group:
        return f"@group:{sample.group}"
    return f"@video:{sample.footage}"


def _earlier(
    unit: str,
    members: Sequence[Sample],
    previous: Mapping[str, str],
    spans: Mapping[str, Sequence[tuple[int, int, str]]],
    params: SplitParams,
) -> str | None:
    """Return the earlier split of a unit: by its name, by its members, or by an interval it grew from."""
    if unit in previous:
        return previous[unit]
    if params.by != "sample":
        votes = Counter(previous[s.id] for s in members if s.id in previous)
        return max(SPLITS, key=lambda s: votes[s]) if votes else None
    sample = members[0]
    best: tuple[int, str] | None = None
    for begin, end, split in spans.get(sample.source, ()):
        if is_same(sample.begin, sample.end, begin, end, params.same_action):
            common = min(sample.end, end) - max(sample.begin, begin)
            if best is None or common > best[0]:
                best = common, split
    return best[1] if best else None


def _spans(previous: Mapping[str, str]) -> dict[str, list[tuple[int, int, str]]]:
    """Map the identity of a video to its earlier intervals with their splits, in a fixed order."""
    spans: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for key, split in previous.items():
        source, _, span = key.rpartition(":")
        match = _SPAN.fullmatch(span)
        if match and not key.startswith("@"):
            spans[source].append((int(match[1]), int(match[2]), split))
    return {source: sorted(found) for source, found in spans.items()}


def _by_hash(unit: str, params: SplitParams) -> str:
    position = Fraction(rank(params.seed, unit), 1 << 256)
    bound = Fraction(0)
    for split, fraction in params.fractions.items():
        bound += fraction
        if position < bound:
            return split
    raise AssertionError("the fractions add up to 1 and a rank is below 2**256")


def split_sizes(n: int, params: SplitParams) -> dict[str, int]:
    """Return how many of ``n`` samples of a label each split gets: the rule behind [SSTC] Table I.

    Computed in float64, as theirs was: 0.7 · 45 + ½ is just below 32, and the table says 31. The last split
    that gets anything gets the rest.
    """
    shares = {"train": params.train, "validation": params.validation, "test": params.test}
    last = [split for split in SPLITS if shares[split]][-1]
    sizes, left = {}, n
    for split in SPLITS:
        sizes[split] = left if split == last else min(math.floor(shares[split] * n + 0.5), left)
        left -= sizes[split]
    return sizes


def _fill_samples(
    new: Sequence[Sample], old: Sequence[Sample], placed: dict[str, str], params: SplitParams
) -> None:
    """Put each new sample where the samples of its player with its label lack most, up to the label's sizes.

    Where earlier assignments keep a label from its sizes, it comes as close to them as it can.
    """
    fractions = params.fractions
    labels: dict[str | None, Counter[str]] = defaultdict(Counter)
    cells: dict[tuple[str | None, str], Counter[str]] = defaultdict(Counter)

    def add(sample: Sample) -> None:
        labels[sample.label][placed[sample.id]] += 1
        cells[sample.label, sample.player][placed[sample.id]] += 1

    for sample in old:
        add(sample)
    totals = Counter(sample.label for sample in (*old, *new))
    wanted = {label: split_sizes(n, params) for label, n in totals.items()}
    for sample in sorted(new, key=lambda s: rank(params.seed, s.id)):
        label, cell = labels[sample.label], cells[sample.label, sample.player]

        def lack(split: str, label: Counter[str] = label, cell: Counter[str] = cell) -> tuple[Fraction, ...]:
            share = fractions[split]
            return (*(share * (c.total() + 1) - c[split] for c in (cell, label)), share)

        open_ = [s for s in SPLITS if label[s] < wanted[sample.label][s]]
        placed[sample.id] = max(open_, key=lack)
        add(sample)


def _fill(
    new: Sequence[str],
    units: Mapping[str, Sequence[Sample]],
    placed: dict[str, str],
    params: SplitParams,
) -> None:
    """Put each new unit where its labels, and to a lesser degree the whole, lack most.

    This choice minimises the squared distances between the counts and their due shares, summed over
    the labels of the unit.
    """
    fractions = params.fractions
    labels: dict[str | None, Counter[str]] = defaultdict(Counter)
    whole: Counter[str] = Counter()

    def add(unit: str, split: str) -> None:
        for sample in units[unit]:
            labels[sample.label][split] += 1
            whole[split] += 1

    for unit, split in placed.items():
        add(unit, split)
    # large groups first: the small ones then fill what is left
    for unit in sorted(new, key=lambda u: (-len(units[u]), rank(params.seed, u))):
        sizes = Counter(s.label for s in units[unit])

        def gain(split: str, sizes: Counter[str | None] = sizes) -> tuple[Fraction, Fraction]:
            total = sum(sizes.values())
            lack = sum(
                (
                    n * (fractions[split] * (labels[label].total() + n) - labels[label][split])
                    for label, n in sizes.items()
                ),
                Fraction(0),
            )
            lack_whole = fractions[split] * (whole.total() + total) - whole[split]
            return lack + _WHOLE * total * lack_whole, fractions[split]

        placed[unit] = max((s for s in SPLITS if fractions[s]), key=gain)
        add(unit, placed[unit])

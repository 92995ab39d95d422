"""Choose negatives: gaps between consecutive actions, in which nobody plays ([SSTC] §III-C).

Only videos with at least 11 actions are used, because most of the others are only partly annotated.
A negative begins 10 frames before one action ends, ends 10 frames after the next one begins, and lasts
at least T frames. At most twice the mean number of actions per label, rounded up, are taken ([SSTC] §IV-D:
1048 actions of 20 labels have a mean of 52.4, and Table I lists 2 · 53 = 106): those with the lowest hash,
so that a new gap displaces as few of the others as possible.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from pydantic import Field

from pipeline.annotations.intervals import exact, is_same
from pipeline.annotations.records import NEGATIVE, Sample, VideoFacts, identity_of, rank, sample_id
from stages.base import Params


class NegativeParams(Params):
    """Constants of the negatives; the defaults are those of [SSTC] §III-C and §IV-D.

    Attributes
    ----------
    enabled : bool
        Whether there are negatives at all.
    min_actions : int
        Videos with fewer actions give no negatives.
    overlap : int
        Frames that a negative shares with each of its neighbours.
    min_frames : int
        Shortest negative: T, the frames of one network input.
    max_frames : int or None
        Longer gaps are cut to this many frames around their middle; None: they stay whole, as in the
        paper.
    cap : float or None
        Largest number of negatives, as a multiple of the mean number of actions per label, rounded up;
        None: no limit.
    cleared : tuple of str
        Ids of negatives that a person has looked at and rejected, as the authors did.
    seed : int
        Decides which negatives remain under the cap.
    """

    enabled: bool = True
    min_actions: int = Field(default=11, ge=2)
    overlap: int = Field(default=10, ge=0)
    min_frames: int = Field(default=100, ge=1)
    max_frames: int | None = Field(default=None, ge=1)
    cap: float | None = Field(default=2.0, ge=0)
    cleared: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Negatives:
    """The negatives, and how many gaps were left out for each reason."""

    samples: tuple[Sample, ...]
    dropped: dict[str, int]


def find_negatives(
    strokes: Iterable[tuple[str, int, int]],
    agreed: Sequence[Sample],
    videos: Mapping[str, VideoFacts],
    params: NegativeParams,
    same_action: float,
) -> Negatives:
    """Choose the gaps between actions that become negatives.

    Parameters
    ----------
    strokes : iterable of (video, begin, end)
        All actions that are not negatives, whether kept or not.
    agreed : sequence of Sample
        The actions whose labels agree. Their numbers set the cap. Annotated negatives among them count
        towards it and replace a gap that is the same interval.
    videos : mapping of str to VideoFacts
    params : NegativeParams
    same_action : float
        As in the cleaning parameters.

    Returns
    -------
    Negatives
    """
    dropped: Counter[str] = Counter()
    if not params.enabled:
        return Negatives((), {})
    by_video: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for video, begin, end in strokes:
        by_video[video].append((begin, end))
    annotated: dict[str, list[Sample]] = defaultdict(list)
    for sample in agreed:
        if sample.label == NEGATIVE:
            annotated[sample.video].append(sample)
    found: list[Sample] = []
    for video, intervals in sorted(by_video.items()):
        if len(intervals) < params.min_actions:
            dropped[f"in videos with fewer than {params.min_actions} actions"] += len(intervals) - 1
            continue
        for begin, end in _gaps(intervals, params.overlap):
            begin, end = max(begin, 0), min(end, videos[video].n_frames)
            if end - begin < params.min_frames:
                dropped[f"shorter than {params.min_frames} frames"] += 1
                continue
            begin, end = _middle(begin, end, params.max_frames)
            sample = Sample(
                sample_id(identity_of(video, videos[video]), begin, end),
                video,
                begin,
                end,
                NEGATIVE,
                player=videos[video].player,
                group=videos[video].group,
                view=videos[video].view,
            )
            if sample.id in params.cleared:
                dropped["ruled out by a person"] += 1
            elif any(is_same(begin, end, a.begin, a.end, same_action) for a in annotated[video]):
                dropped["annotated as negative"] += 1
            else:
                found.append(sample)
    limit = _limit(agreed, params.cap)
    if limit is not None and len(found) > limit:
        dropped[f"over the cap of {limit}"] += len(found) - limit
        found = sorted(found, key=lambda s: rank(params.seed, s.id))[:limit]
    return Negatives(tuple(found), dict(dropped))


def _gaps(intervals: Iterable[tuple[int, int]], overlap: int) -> Iterable[tuple[int, int]]:
    """Yield the gaps between consecutive actions, extended by ``overlap`` frames at both ends."""
    reach: int | None = None
    for begin, end in sorted(intervals):
        if reach is not None:
            yield reach - overlap, begin + overlap
        reach = end if reach is None else max(reach, end)


def _middle(begin: int, end: int, longest: int | None) -> tuple[int, int]:
    if longest is None or end - begin <= longest:
        return begin, end
    start = begin + (end - begin - longest) // 2
    return start, start + longest


def _limit(agreed: Sequence[Sample], cap: float | None) -> int | None:
    """Return how many negatives may be added. Counts labels, not classes, so that no taxonomy changes it."""
    if cap is None:
        return None
    sizes = Counter(sample.label for sample in agreed)
    annotated = sizes.pop(NEGATIVE, 0)
    mean = math.ceil(Fraction(sum(sizes.values()), len(sizes))) if sizes else 0
    return max(0, math.floor(exact(cap) * mean) - annotated)

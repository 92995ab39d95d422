"""Rows that a network saw, as frames and seconds of the source, whatever the rate they were taken at."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from pipeline.annotations import VideoFacts
from pipeline.annotations.timeline import make_timeline
from pipeline.inputs.sources import Source
from pipeline.planning.frame_times import facts_from_receipt
from stages.frames.probing import probe_times
from store import FeatureReader, Receipt, Store


@dataclass(frozen=True)
class Clock:
    """Which picture of the source each row of the store shows.

    Attributes
    ----------
    pictures : (n,) int
        Number of the source's picture in each row.
    rate : float
        Of the rows, 1/s.
    facts : VideoFacts
        Of the source: its pictures and when they are shown.
    """

    pictures: NDArray[np.int64]
    rate: float
    facts: VideoFacts

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.pictures)

    @property
    def seconds(self) -> float:
        """How long the video lasts, s."""
        return self.rows / self.rate

    @property
    def resampled(self) -> bool:
        """Whether rows are other than the source's pictures one by one."""
        n = self.facts.n_frames
        return n != self.rows or not np.array_equal(self.pictures, np.arange(n))

    def interval(self, begin: int, end: int) -> tuple[int, int]:
        """Return the source's frames [begin, end) that rows [begin, end) show."""
        first = int(self.pictures[begin])
        last = int(self.pictures[end]) if end < self.rows else self.facts.n_frames
        return first, max(last, first + 1)


def read_clock(store: Store, source: Source, receipt: Receipt, frames: FeatureReader) -> Clock:
    """Read the clock of a result of the frames stage.

    Parameters
    ----------
    store : Store
    source : Source
    receipt : Receipt
        Of the frames.
    frames : FeatureReader
        Of the same result.
    """
    rate = float(receipt.attrs["fps"])
    if "picture" not in receipt.shapes:
        facts = facts_from_receipt(receipt, source.sha256, source.player, store, source.fps)
        return Clock(np.arange(facts.n_frames), rate, facts)
    own = Fraction(receipt.attrs["fps_of_source"]).limit_denominator(1001)
    n, variable = int(receipt.attrs["frames_decoded"]), receipt.attrs.get("rate_of_source") == "variable"
    times = np.arange(n) / float(own)
    if variable and not source.fps and not source.path.is_dir():
        probed = np.array(probe_times(source.path))
        if len(probed) == n:
            times = probed - probed[0]
    times = times + float(frames.read("time", 0, 1)[0])
    timeline = make_timeline(times, own, 0.0, real=not source.fps)
    facts = VideoFacts(n, own, source.sha256[:16], source.player, timeline, variable, source.group)
    return Clock(np.asarray(frames.read("picture"), np.int64), rate, facts)

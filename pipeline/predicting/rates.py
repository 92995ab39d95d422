"""Windows by time: a video of another rate is taken at the steps that the network learned, or refused."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pipeline.errors import UserError
from pipeline.inputs.sources import Source
from stages.base import StageError
from stages.frames.probing import probe_rate

if TYPE_CHECKING:
    from tttrain.evaluation.along_time.new_video import Needs

#: least rate of a source as a share of the network's. Below, more than every fifth picture would be shown
#: twice, and from a picture to its repetition nothing moves: the flow, which the ROI too is found by, is zero
#: there and too long beside it.
LEAST = 0.8


def own_rate(source: Source) -> tuple[float, bool]:
    """Return a source's frame rate, 1/s, and whether it varies; 0 where nobody knows it yet."""
    if source.fps:
        return source.fps, False
    if source.path.is_dir():
        return 0.0, False
    try:
        rate = probe_rate(source.path)
    except StageError:  # decoding will say it, for this video alone
        return 0.0, False
    return float(rate.fps), rate.variable


def steps_for(name: str, own: float, variable: bool, needs: Needs) -> float | None:
    """Return the rate at which a video's frames are taken, 1/s; None: as they come.

    Parameters
    ----------
    name : str
        Of the video.
    own : float
        Its rate, 1/s; 0: unknown.
    variable : bool
        Whether its rate varies.
    needs : Needs

    Raises
    ------
    UserError
        The video has far fewer frames a second than the network learned from.
    """
    from tttrain.evaluation.along_time.new_video import SAME_RATE, is_usual

    rates = needs.rates
    if not rates or own <= 0 or (not variable and is_usual(own, rates)):
        return None
    slower = [rate for rate in rates if rate <= own * (1 + SAME_RATE)]
    target = max(slower) if slower else min(rates)
    if own < LEAST * target:
        raise UserError(
            f"{name}: has {own:.4g} frames/s, the network was trained at {target:.4g}: pictures would be "
            "repeated, and nothing moves between a picture and its repetition; film at "
            f"{math.ceil(LEAST * target)} frames/s or more, or train a network on videos of {own:.4g}"
        )
    return target

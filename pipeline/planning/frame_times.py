"""When the frames of a video are shown: facts for the annotations, read from the store."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.annotations import VideoFacts
from pipeline.annotations.timeline import TOLERANCE, is_variable, make_timeline
from store import Receipt, Slot, Store

CONSTANT, VARIABLE = "constant", "variable"


def facts_from_times(
    times: NDArray[np.float64], attrs: dict[str, Any], content_id: str, player: str = ""
) -> VideoFacts:
    """Return the facts about a video from the times of its frames and the attributes of the frames stage.

    Parameters
    ----------
    times : (n,) float64
        Presentation times, s.
    attrs : dict
    content_id, player : str
    """
    fps = _rate(attrs)
    real = attrs.get("fps_from") != "manifest"
    timeline = make_timeline(times, fps, float(attrs.get("time_origin", 0.0)), real=real)
    variable = attrs["rate"] == VARIABLE if "rate" in attrs else is_variable(times)
    return VideoFacts(len(times), fps, content_id, player, timeline, variable)


def facts_from_receipt(
    receipt: Receipt, video: str, player: str = "", store: Store | None = None, fps: float | None = None
) -> VideoFacts:
    """Return the facts about a video whose frames are in the store.

    Parameters
    ----------
    receipt : Receipt
        Of the frames.
    video : str
        sha256 of the video.
    player : str
    store : Store or None
        Where the times of the frames are; they are read only if the receipt does not say that they are even.
    fps : float, optional
        The manifest's, where the frames were counted under another one.

    Raises
    ------
    StoreError, OSError
        The times cannot be read.
    """
    attrs = receipt.attrs
    if fps and Fraction(fps).limit_denominator(1001) != _rate(attrs):
        rate = Fraction(fps).limit_denominator(1001)
        attrs = {k: v for k, v in attrs.items() if k != "time_deviation"}
        attrs |= {"fps_num": rate.numerator, "fps_den": rate.denominator, "fps_from": "manifest"}
    if _is_even(attrs) or store is None or "time" not in receipt.shapes:
        variable = attrs.get("rate") == VARIABLE
        return VideoFacts(receipt.shapes["rgb"][0], _rate(attrs), video[:16], player, variable=variable)
    return facts_from_times(_times(store, video, receipt), attrs, video[:16], player)


def rate_of(receipt: Receipt, video: str, store: Store | None) -> str:
    """Tell whether the rate of a video's frames is ``constant`` or ``variable``.

    Raises
    ------
    StoreError, OSError
        As :func:`facts_from_receipt`.
    """
    if "rate" in receipt.attrs:
        return str(receipt.attrs["rate"])
    return VARIABLE if facts_from_receipt(receipt, video, "", store).variable else CONSTANT


def _rate(attrs: dict[str, Any]) -> Fraction:
    return Fraction(int(attrs["fps_num"]), int(attrs["fps_den"]))


def _is_even(attrs: dict[str, Any]) -> bool:
    """Tell whether every frame is shown at its number divided by the rate, or has no time at all."""
    # files of earlier versions do not say
    return float(attrs.get("time_deviation", np.inf)) <= TOLERANCE


def _times(store: Store, video: str, receipt: Receipt) -> NDArray[np.float64]:
    with store.reader(Slot(video, receipt.stage, receipt.key)) as reader:
        times: NDArray[np.float64] = reader.read("time")
    return times

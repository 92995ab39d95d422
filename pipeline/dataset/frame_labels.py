"""Label every frame of a video, to train and evaluate detection."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from pipeline.annotations import NEGATIVE, Action, Sample, Taxonomy

UNKNOWN = -1


def frame_labels(
    n_frames: int, samples: Iterable[Sample], actions: Iterable[Action], view: Taxonomy
) -> NDArray[np.int16]:
    """Return the class index of each frame.

    Between strokes it is the negative class (:data:`UNKNOWN` where the view has none). It is :data:`UNKNOWN`
    for a stroke whose annotators disagree or whose label has no class, and throughout a video without any
    annotation. Where strokes overlap, the later one counts.

    Parameters
    ----------
    n_frames : int
    samples : iterable of Sample
        Of this video.
    actions : iterable of Action
        Of this video, including those that cleaning dropped.
    view : Taxonomy

    Returns
    -------
    (n_frames,) int16
    """
    index = {name: i for i, name in enumerate(view.names)}

    def of(label: str | None) -> int:
        name = view.class_of(label)
        return UNKNOWN if name is None else index[name]

    played = [a for a in actions if a.label != NEGATIVE]
    strokes = sorted((s for s in samples if s.label != NEGATIVE), key=lambda s: (s.begin, s.end))
    out = np.full(n_frames, of(NEGATIVE) if played or strokes else UNKNOWN, np.int16)
    for action in played:
        out[max(0, action.begin) : action.end] = UNKNOWN
    for sample in strokes:
        out[sample.begin : sample.end] = of(sample.label)
    return out

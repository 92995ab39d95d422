"""Start frames of trials, read from the results of the ``start`` stage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from pipeline.planning.staleness import Planned
from stages.start import NO_START, why_none
from stages.start import STAGE as START
from store import Store


def find_starts(
    plans: Iterable[list[Planned]], store: Store | None
) -> tuple[Mapping[str, int], tuple[str, ...]]:
    """Look up the start frame of each video that has a finished ``start`` result.

    Parameters
    ----------
    plans : iterable of list of Planned
        One list per view of a video.
    store : Store or None

    Returns
    -------
    starts : mapping of str to int
        View id of the video → start frame; :data:`~stages.start.NO_START` where none was found.
    notes : tuple of str
        One line for each video without a start frame.
    """
    starts: dict[str, int] = {}
    notes: list[str] = []
    done = [p for plan in plans for p in plan if p.node.stage.name == "start" and p.state == "done"]
    for planned in done if store else ():
        assert store is not None
        source = planned.node.source
        starts[source.view_id], why = start_of(store, planned)
        if starts[source.view_id] == NO_START:
            lost = " and is no sample" if source.sample == "start" and source.label else ""
            notes.append(
                f"{source.name}: no start frame found{lost}: {why}; look at it with "
                "`ttprep preview --start`, set stages.start, or use sample: whole"
            )
    return starts, tuple(notes)


def start_of(store: Store, planned: Planned) -> tuple[int, str]:
    """Read the start frame of a finished result.

    Returns
    -------
    frame : int
        :data:`~stages.start.NO_START` where there is none.
    why : str
        Why there is none; empty where there is one.
    """
    params = START.typed(planned.node.params)
    with store.reader(planned.node.slot) as reader:
        found: NDArray[np.intp] = np.flatnonzero(reader.read("start"))
        if len(found):
            return int(found[0]), ""
        picture, joints = reader.read("picture"), reader.read("joints")
    frames = store.receipt(planned.node.inputs["frames"].slot)
    fps = float(frames.attrs["fps"]) if frames else 30.0
    return NO_START, why_none(picture, joints, params, fps)

"""Results that are tracks, as rows of a table: one row per frame, units in the headings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from stages.base import Array
from stages.descriptor import JOINTS
from stages.pose import KEYPOINTS
from store import FeatureReader

#: what can be had as a table
TRACKS = ("roi", "descriptor", "statistics", "pose")
#: frames read at a time
BLOCK = 2000
#: stage → arrays that are read
_READ = {
    "roi": ("centre", "raw", "moving"),
    "descriptor": ("found", "n_poses", "chosen", "roi_distance", "joints"),
    "statistics": ("flow_max",),
    "pose": ("n_poses", "pose_scores", "keypoints", "keypoint_scores"),
}


def header(stage: str) -> list[str]:
    """Return the headings of a track; px are pixels of the stored frame, flow is from frame t to t + 1."""
    first = ["video", "frame", "time_s"]
    if stage == "roi":
        return [*first, "centre_x_px", "centre_y_px", "raw_x_px", "raw_y_px", "moving"]
    if stage == "statistics":
        return [*first, "flow_max_x_px", "flow_max_y_px"]
    if stage == "descriptor":
        return [*first, "found", "n_poses", "chosen", "roi_distance_px", *_points(("pose", *JOINTS))]
    return [*first, "person", "pose_score", *_points(KEYPOINTS)]


def _points(names: tuple[str, ...] | list[str]) -> list[str]:
    return [f"{name}_{axis}" for name in names for axis in ("x_px", "y_px", "score")]


def rows(stage: str, video: str, track: FeatureReader, times: FeatureReader) -> Iterator[list[Any]]:
    """Yield the rows of one video.

    Parameters
    ----------
    stage : str
        One of :data:`TRACKS`.
    video : str
        For the first column.
    track : FeatureReader
        The result; of ``pose`` the frames, where joints were given with the video.
    times : FeatureReader
        The frames, for the time of each.

    Yields
    ------
    list
        As :func:`header` names them. ``pose`` has a row for each person of a frame, none where nobody is.
    """
    n = len(track.dataset(_READ[stage][0]))
    for begin in range(0, n, BLOCK):
        end = min(n, begin + BLOCK)
        time = times.read("time", begin, end)
        data = {name: track.read(name, begin, end) for name in _READ[stage]}
        for i in range(end - begin):
            here = {name: values[i] for name, values in data.items()}
            start = [video, begin + i, f"{time[i]:.6f}"]
            for cells in _cells(stage, here):
                yield [*start, *cells]


def _cells(stage: str, here: dict[str, Array]) -> Iterator[list[Any]]:
    if stage == "roi":
        yield [*_numbers(here["centre"]), *_numbers(here["raw"]), int(here["moving"])]
    elif stage == "statistics":
        yield _numbers(here["flow_max"])
    elif stage == "descriptor":
        far = float(here["roi_distance"])
        counts = [int(here[name]) for name in ("found", "n_poses", "chosen")]
        yield [*counts, "" if far < 0 else f"{far:.6g}", *_numbers(here["joints"].reshape(-1))]
    else:
        for person in range(int(here["n_poses"])):
            score = here["keypoint_scores"][person][:, None]
            points = np.hstack([here["keypoints"][person], score])
            yield [person, *_numbers(here["pose_scores"][person : person + 1]), *_numbers(points.reshape(-1))]


def _numbers(values: Array) -> list[str]:
    """Write float32 with as few digits as give the same float32 again."""
    return [np.format_float_positional(v, unique=True, trim="-") for v in values]

"""The small results of a video as tables of pandas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

#: name of an array of a result → its rows
Read = Callable[[str], NDArray[Any]]
Columns = dict[str, Any]


def frame_table(columns: Columns, units: dict[str, str]) -> pd.DataFrame:
    """Return a table; ``attrs["units"]`` has the units of its columns."""
    import pandas as pd  # only where a table is asked for: it takes 0.2 s to import

    table = pd.DataFrame(columns)
    table.attrs["units"] = units
    return table


def _rows(frames: NDArray[np.intp], times: NDArray[np.float64]) -> Columns:
    return {"frame": frames, "time": times}


def roi(
    read: Read, attrs: dict[str, Any], frames: NDArray[np.intp], times: NDArray[np.float64]
) -> pd.DataFrame:
    """Return the track of the region of interest; see :attr:`ttprep.Video.roi`."""
    centre, raw, moving = read("centre"), read("raw"), read("moving")
    columns = {
        **_rows(frames, times),
        "x": centre[:, 0],
        "y": centre[:, 1],
        "raw_x": raw[:, 0],
        "raw_y": raw[:, 1],
        "moving": moving.astype(bool),
    }
    return frame_table(columns, {"time": "s", **dict.fromkeys(("x", "y", "raw_x", "raw_y"), "px")})


def statistics(
    read: Read, attrs: dict[str, Any], frames: NDArray[np.intp], times: NDArray[np.float64]
) -> pd.DataFrame:
    """Return the largest flow of each pair; see :attr:`ttprep.Video.statistics`."""
    largest = read("flow_max")
    columns = {**_rows(frames, times), "max_x": largest[:, 0], "max_y": largest[:, 1]}
    return frame_table(columns, {"time": "s", "max_x": "px", "max_y": "px"})


def pose(
    read: Read, attrs: dict[str, Any], frames: NDArray[np.intp], times: NDArray[np.float64]
) -> pd.DataFrame:
    """Return the keypoints of everybody found; see :attr:`ttprep.Video.pose`."""
    n, scores = read("n_poses"), read("pose_scores")
    points, sure = read("keypoints"), read("keypoint_scores")
    names = [str(name) for name in attrs.get("keypoint_names", ())]
    if len(names) != points.shape[2]:
        from stages.pose import KEYPOINTS

        names = list(KEYPOINTS)
    row, who = np.nonzero(np.arange(points.shape[1]) < n[:, None])
    return _long(
        names,
        "keypoint",
        {
            "frame": frames[row],
            "time": times[row],
            "pose": who,
            "pose_score": scores[row, who],
        },
        {"x": points[row, who, :, 0], "y": points[row, who, :, 1], "score": sure[row, who]},
    )


def descriptor(
    read: Read, attrs: dict[str, Any], frames: NDArray[np.intp], times: NDArray[np.float64]
) -> pd.DataFrame:
    """Return the player's joints; see :attr:`ttprep.Video.descriptor`."""
    joints, found = read("joints"), read("found").astype(bool)
    names = [str(name) for name in attrs.get("row_names", ())] or [str(n) for n in range(joints.shape[1])]
    rows = _rows(frames, times) | {
        "found": found,
        "n_poses": read("n_poses"),
        "chosen": read("chosen"),
        "roi_distance": np.where(found, read("roi_distance"), np.float32(np.nan)),
    }
    return _long(names, "joint", rows, {n: joints[..., i] for i, n in enumerate(("x", "y", "score"))})


def _long(names: Sequence[str], name: str, rows: Columns, values: dict[str, NDArray[Any]]) -> pd.DataFrame:
    """Return one line for each row and name: ``values`` are (rows, names)."""
    import pandas as pd

    count = len(rows["frame"])
    columns: Columns = {k: np.repeat(v, len(names)) for k, v in rows.items()}
    codes = np.tile(np.arange(len(names)), count)
    columns[name] = pd.Categorical.from_codes(codes, categories=pd.Index(names))
    columns |= {k: v.reshape(-1) for k, v in values.items()}
    after = [c for c in columns if c in ("found", "n_poses", "chosen", "roi_distance")]
    order = [c for c in columns if c not in after] + after
    units = {"time": "s", "x": "px", "y": "px"} | ({"roi_distance": "px"} if after else {})
    return frame_table({c: columns[c] for c in order}, units)


#: stage → what makes its table
TABLES: dict[str, Callable[..., pd.DataFrame]] = {
    "roi": roi,
    "statistics": statistics,
    "pose": pose,
    "descriptor": descriptor,
}

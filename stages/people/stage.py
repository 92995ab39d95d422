"""The stage that follows people through time; only where somebody is to be followed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from pydantic import Field

from stages.base import ArraySpec, Block, Params, Result, Stage, VideoInfo
from stages.people.sides import N_JOINTS, SIDES, WRISTS, boxes_of, person_of, sides, table_of
from stages.people.tracking import Tracker, sizes_of

#: people in the file's table; the arrays have all
MOST_ROWS = 50


class PeopleParams(Params):
    """Parameters of the tracks."""

    max_gap: float = Field(
        1.0, ge=0, le=60, description="seconds without a sighting after which somebody is a new person"
    )


def compute(blocks: Iterator[Block], params: PeopleParams, info: VideoInfo) -> Iterator[Result]:
    """Number the people of a whole video.

    Parameters
    ----------
    blocks : iterator of Block
        ``pose.n_poses`` (n,), ``pose.keypoints`` (n, P, 17, 2), ``pose.keypoint_scores`` (n, P, 17), in
        order.
    params : PeopleParams
    info : VideoInfo

    Yields
    ------
    Result
        One, after the last block; see the declared outputs. Its attribute ``tracks`` is a table.
    """
    fps = float(info.fps)
    tracker = Tracker(fps, params.max_gap)
    frames, poses, numbers, bodies, boxes = [], [], [], [], []
    room = 0
    for block in blocks:
        count, keypoints = block.rows("pose.n_poses"), block.rows("pose.keypoints")
        scores = block.rows("pose.keypoint_scores")
        room = keypoints.shape[1]
        for t in range(block.start, block.stop):
            k = int(count[t - block.start])
            if not k:
                continue
            found = keypoints[t - block.start, :k].astype(np.float64)
            joints = found[:, :N_JOINTS]
            frames.append(np.full(k, t))
            poses.append(np.arange(k))
            numbers.append(tracker.update(t, joints))
            wrists = found[:, WRISTS].reshape(k, 4)
            bodies.append(np.hstack([joints.mean(axis=1), wrists, sizes_of(joints)[:, None]]))
            boxes.append(boxes_of(found, scores[t - block.start, :k]))
    track = np.full((info.n_frames, room), -1, np.int32)
    people = []
    if frames:
        frame, pose, number = np.concatenate(frames), np.concatenate(poses), np.concatenate(numbers)
        body, box = np.concatenate(bodies), np.concatenate(boxes)
        track[frame, pose] = number
        order = np.argsort(number, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(number[order])) + 1):
            one = int(number[rows[0]])
            people.append(person_of(one, frame[rows], pose[rows], body[rows], box[rows], fps))
    sided = sides(people, info.n_frames, fps, info.width, info.height)
    yield Result(
        {"track": track, "player": sided.track, "pose": sided.pose, "box": sided.box, "size": sided.size},
        {"tracks": table_of(people, sided.names, MOST_ROWS), "n_tracks": len(people)},
    )


def attributes(params: PeopleParams, info: VideoInfo) -> dict[str, Any]:
    """Names of the columns, and what those of the table mean."""
    return {
        "side_names": list(SIDES),
        "box_names": ["left", "top", "right", "bottom"],
        "tracks_units": "first, last: frames; x, y, size: means, px; motion: of the wrists, body sizes/s",
    }


STAGE = Stage(
    name="people",
    version=1,
    title="people followed through time",
    params=PeopleParams,
    inputs=("pose.n_poses", "pose.keypoint_scores", "pose.keypoints"),
    outputs=(
        ArraySpec("track", "int32", ("frame", "pose"), description="number of the person, -1 for no pose"),
        ArraySpec(
            "player", "int32", ("frame", "side"), description="number of who stands there, -1 for nobody"
        ),
        ArraySpec(
            "pose", "int8", ("frame", "side"), description="which of the detections, -1 where not seen"
        ),
        ArraySpec(
            "box",
            "float32",
            ("frame", "side", "edge"),
            units="px",
            description="left, top, right, bottom around the person, padded; held where not seen",
        ),
        ArraySpec("size", "float32", ("frame", "side"), units="px", description="body size, held likewise"),
    ),
    compute=compute,
    modality="pose",
    applies=lambda setting: False,  # where a focus follows somebody, the ROI and the descriptor read it
    attrs=attributes,
)

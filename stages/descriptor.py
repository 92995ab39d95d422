"""The pose descriptor J: the 13 upper-body joints of the person nearest the region of interest.

Martin et al., *Three-Stream 3D/1D CNN for Fine-Grained Action Classification and Segmentation in Table
Tennis* (2021), §2.3 and §3.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from stages.base import Array, ArraySpec, Block, Params, Result, Stage, VideoInfo
from stages.focus import Focus
from stages.people.following import FOLLOWED, followed, followed_input

#: The joints of J, in its order; they are also the first 13 of PoseNet's keypoints, in PoseNet's order.
JOINTS = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
)

#: what is read with any parameters
READ = ("pose.n_poses", "pose.pose_scores", "pose.keypoint_scores", "pose.keypoints", "roi.centre")
#: `roi_distance` of a frame without a pose.
NO_DISTANCE = -1.0


class DescriptorParams(Params):
    """Parameters of the choice: nothing that a manifest lists."""

    focus: Focus | None = Field(
        None, description="where the player of this video is; the pipeline fills it in"
    )

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is not there: keys of stores made before it existed stay the same."""
        values: dict[str, Any] = handler(self)
        return {name: value for name, value in values.items() if value is not None}


def centres_of(keypoints: Array) -> Array:
    """Return the mean position of the 13 joints of poses (…, 17, 2): (…, 2) float64, px."""
    return np.asarray(keypoints[..., : len(JOINTS), :].astype(np.float64).mean(axis=-2))


def describe(
    n_poses: Array,
    pose_scores: Array,
    keypoint_scores: Array,
    keypoints: Array,
    centre: Array,
    eligible: Array | None = None,
) -> dict[str, Array]:
    """Choose in each frame the pose nearest the ROI centre and write it as J.

    A pose's centre is the mean position of its 13 joints. Among equally near poses the first counts.

    Parameters
    ----------
    n_poses : (n,) uint8
    pose_scores : (n, P) float32
    keypoint_scores : (n, P, 17) float32
    keypoints : (n, P, 17, 2) float32
        (x, y), px.
    centre : (n, 2) float32
        ROI centre (x, y), px.
    eligible : (n, P) bool, optional
        Which poses may be chosen; without, all.

    Returns
    -------
    dict
        ``joints`` (n, 14, 3) float32: (x, y, score), row 0 the pose, rows 1–13 the joints; where
        nobody is chosen every row is the ROI centre with score 0. ``found`` (n,) uint8: 1 where
        somebody is. ``chosen`` (n,) int8: index of the pose, -1 for none. ``roi_distance`` (n,)
        float32 in px, -1 for none.
    """
    points = keypoints[:, :, : len(JOINTS)].astype(np.float64)
    roi = centre.astype(np.float64)
    centres = centres_of(keypoints)
    distance = np.hypot(*np.moveaxis(centres - roi[:, None], -1, 0))
    choices = np.arange(distance.shape[1]) < n_poses[:, None]
    if eligible is not None:
        choices &= eligible
    distance[~choices] = np.inf
    chosen, found = distance.argmin(axis=1), choices.any(axis=1)
    each = np.arange(len(chosen))

    joints = np.zeros((len(chosen), 1 + len(JOINTS), 3), np.float32)
    joints[:, :, :2] = centre[:, None]
    who, where = chosen[found], each[found]
    joints[found, 0, :2] = centres[where, who]
    joints[found, 0, 2] = pose_scores[where, who]
    joints[found, 1:, :2] = points[where, who]
    joints[found, 1:, 2] = keypoint_scores[where, who, : len(JOINTS)]
    return {
        "joints": joints,
        "found": np.asarray(found, np.uint8),
        "chosen": np.where(found, chosen, -1).astype(np.int8),
        "roi_distance": np.where(found, distance[each, chosen], NO_DISTANCE).astype(np.float32),
    }


def compute(blocks: Iterator[Block], params: DescriptorParams, info: VideoInfo) -> Iterator[Result]:
    """Yield the descriptor of every block's frames; see :func:`describe` and the declared outputs."""
    focus = params.focus
    for block in blocks:
        n_poses, keypoints = block.rows("pose.n_poses"), block.rows("pose.keypoints")
        eligible = None
        pose = followed(block, focus, "pose")
        if pose is not None:
            eligible = np.arange(keypoints.shape[1]) == pose[:, None]
        elif focus is not None:
            eligible = focus.holds(centres_of(keypoints), info.width, info.height)
        described = describe(
            n_poses,
            block.rows("pose.pose_scores"),
            block.rows("pose.keypoint_scores"),
            keypoints,
            block.rows("roi.centre"),
            eligible,
        )
        yield Result({**described, "n_poses": n_poses.astype(np.uint8)})


def attributes(params: DescriptorParams, info: VideoInfo) -> dict[str, Any]:
    """Names of the rows and columns of ``joints``."""
    return {"row_names": ["pose", *JOINTS], "column_names": ["x", "y", "score"]}


STAGE = Stage(
    name="descriptor",
    version=1,
    title="13 joints of the player (descriptor J)",
    params=DescriptorParams,
    inputs=(*READ, *FOLLOWED["pose"]),
    reads=lambda params: (*READ, *followed_input(params.focus, "pose")),
    outputs=(
        ArraySpec(
            "joints",
            "float32",
            ("frame", "joint", "xy_score"),
            units="px, px, 1",
            description="pose, then 13 joints: x, y in the frame, score; ROI centre and 0 where nobody is",
        ),
        ArraySpec("found", "uint8", ("frame",), description="1 where the frame has a pose"),
        ArraySpec("n_poses", "uint8", ("frame",), description="people found in the frame"),
        ArraySpec("chosen", "int8", ("frame",), description="which of the detections it is, -1 for none"),
        ArraySpec(
            "roi_distance",
            "float32",
            ("frame",),
            units="px",
            description="from the ROI centre to the mean of the 13 joints, -1 for none",
        ),
    ),
    compute=compute,
    splittable=True,
    modality="pose",
    focus="focus",
    hidden=("focus",),
    attrs=attributes,
)

"""PoseNet on single RGB pictures: preprocessing, network, decoding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.pose.architecture import HEADS, OutputStride, largest_stride
from stages.pose.multipose import decode
from stages.pose.network import load_session
from stages.pose.weights import Weights, read_checkpoint, resolve_weights

if TYPE_CHECKING:
    import onnxruntime

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Poses:
    """The P people found in one picture, in the order of their root's score.

    Attributes
    ----------
    scores : (P,) float32
        Pose scores in [0, 1]: mean over the 17 keypoints.
    keypoint_scores : (P, 17) float32
    keypoints : (P, 17, 2) float32
        (x, y) in pixels of the picture; may lie a little outside it.
    """

    scores: Floats
    keypoint_scores: Floats
    keypoints: Floats

    def __len__(self) -> int:
        return len(self.scores)


def net_size(width: int, height: int, scale: float = 1.6, stride: int = 16) -> tuple[int, int]:
    """(width, height) of the network's input for a picture: ⌊side·scale / stride⌋·stride + 1."""
    side = [int(s * scale) // stride * stride + 1 for s in (width, height)]
    return side[0], side[1]


def net_input(rgb: NDArray[np.uint8], size: tuple[int, int]) -> Floats:
    """Stretch a picture to the network's input: bilinear, then x·2/255 - 1.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
        R, G, B in this order: the other order lowers every score without an error.
    size : (int, int)
        Width and height of the input.

    Returns
    -------
    (1, 3, height, width) float32
        In [-1, 1].
    """
    resized = cv2.resize(rgb, size, interpolation=cv2.INTER_LINEAR)
    planes = np.empty((1, 3, size[1], size[0]), np.float32)
    # plane by plane, because one plane stays in the core's cache
    for channel, plane in zip(cv2.split(resized), planes[0], strict=True):
        plane[...] = channel
        plane *= np.float32(2 / 255)
        plane -= np.float32(1)
    return planes


@dataclass(frozen=True)
class PoseNet:
    """A loaded PoseNet; make it with :meth:`load`. One thread; use one a process.

    Attributes
    ----------
    session : onnxruntime.InferenceSession
    weights : Weights
    scale : float
        Net input over picture size.
    stride : {8, 16, 32}
        Output stride, net pixels.
    max_poses : int
    score_threshold : float
        Least root score.
    nms_radius : float
        Net pixels.
    min_pose_score : float
    """

    session: onnxruntime.InferenceSession
    weights: Weights
    scale: float
    stride: OutputStride
    max_poses: int
    score_threshold: float
    nms_radius: float
    min_pose_score: float

    @classmethod
    def load(
        cls,
        weights: Weights | Path | str | None = None,
        scale: float = 1.6,
        stride: OutputStride = 16,
        *,
        max_poses: int = 10,
        score_threshold: float = 0.5,
        nms_radius: float = 20.0,
        min_pose_score: float = 0.25,
    ) -> PoseNet:
        """Load the network.

        Parameters
        ----------
        weights : Weights or Path, optional
            A checkpoint folder, or what `resolve_weights` gives; None resolves MobileNet 0.75.
        scale, stride, max_poses, score_threshold, nms_radius, min_pose_score
            As the attributes; the defaults find people of 60 px in 320×180 pictures.

        Raises
        ------
        StageError
            If there are no usable weights.
        ValueError
            If these weights cannot give that stride.
        """
        if weights is None:
            weights = resolve_weights()
        elif not isinstance(weights, Weights):
            weights = read_checkpoint(Path(weights))
        if stride not in (8, 16, 32) or stride > largest_stride(weights.model):
            raise ValueError(
                f"stride {stride} with MobileNet {weights.model}: "
                f"choose 8, 16 or 32, at most {largest_stride(weights.model)}"
            )
        session = load_session(weights, stride)
        return cls(session, weights, scale, stride, max_poses, score_threshold, nms_radius, min_pose_score)

    def detect(self, rgb: NDArray[np.uint8], frame_size: tuple[int, int] | None = None) -> Poses:
        """Find the people in one picture.

        Parameters
        ----------
        rgb : (H, W, 3) uint8
        frame_size : (int, int), optional
            Width and height of the frame that the net size and the keypoints refer to. Default: of
            `rgb` itself. A larger picture of the same view keeps more detail than the frame has.

        Returns
        -------
        Poses
            Keypoints in pixels of the frame.

        Raises
        ------
        ValueError
            If `rgb` is no RGB picture of 8 bits, or too small for the network.
        """
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
            raise ValueError(f"an RGB picture is (height, width, 3) uint8, not {rgb.shape} {rgb.dtype}")
        width, height = frame_size or (rgb.shape[1], rgb.shape[0])
        size = net_size(width, height, self.scale, self.stride)
        if min(size) <= self.stride:
            raise ValueError(f"a {width}x{height} picture at scale {self.scale} leaves the network no cells")
        tensors = self.session.run(list(HEADS), {"image": net_input(rgb, size)})
        scores, keypoint_scores, keypoints = decode(
            *(tensor[0] for tensor in tensors),
            stride=self.stride,
            max_poses=self.max_poses,
            score_threshold=self.score_threshold,
            nms_radius=self.nms_radius,
            min_pose_score=self.min_pose_score,
        )
        keypoints *= (width / size[0], height / size[1])
        return Poses(
            scores.astype(np.float32), keypoint_scores.astype(np.float32), keypoints.astype(np.float32)
        )

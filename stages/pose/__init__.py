"""PoseNet: people and their 17 keypoints on single RGB pictures.

The network of Papandreou et al. (CVPR 2017, arXiv:1701.01779; ECCV 2018, arXiv:1803.08225) with the
MobileNetV1 weights that Google published for TensorFlow.js, run by onnxruntime.

Examples
--------
>>> from stages.pose import PoseNet
>>> net = PoseNet.load("mobilenet_v1_075", scale=1.6, stride=16)  # doctest: +SKIP
>>> net.detect(rgb).keypoints[0]  # doctest: +SKIP
"""

from stages.pose.detector import PoseNet, Poses
from stages.pose.skeleton import EDGES, KEYPOINTS
from stages.pose.stage import STAGE, PoseParams
from stages.pose.summary import summarise
from stages.pose.weights import Weights, read_checkpoint, resolve_weights

__all__ = [
    "EDGES",
    "KEYPOINTS",
    "STAGE",
    "PoseNet",
    "PoseParams",
    "Poses",
    "Weights",
    "read_checkpoint",
    "resolve_weights",
    "summarise",
]

"""BlazePose's networks where they can be had, and small depth networks of known depth."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from stages.pose3d.pins import PINS
from stages.pose3d.weights import ENVIRONMENT, cache_folder, pinned

#: asked once, before a test sets another cache
_CACHE = cache_folder()


def networks() -> Path:
    """Return the folder of the published networks; skip where there are none: tests reach no network."""
    if importlib.util.find_spec("ai_edge_litert") is None:
        pytest.skip("LiteRT is not installed (extra `pose3d`): BlazePose is not tested")
    for folder in (Path(os.environ.get(ENVIRONMENT) or _CACHE), _CACHE):
        if all(pinned(name, folder) == "there" for name in PINS):
            return folder
    pytest.skip("BlazePose's networks are not in the cache: `ttprep weights pose3d` fetches them")


def write_depth_network(path: Path, *, height: int | str = 18, width: int | str = 32, rank: int = 4) -> Path:
    """Write a network whose depth is the red channel, in [0, 1], as ``(1, height, width)``."""
    shape: list[int | str] = [1, 3, height, width]
    given = helper.make_tensor_value_info("picture", TensorProto.FLOAT, shape[:rank])
    out = helper.make_tensor_value_info("depth", TensorProto.FLOAT, [1, height, width])
    red = helper.make_tensor("red", TensorProto.INT64, [], [0])
    node = helper.make_node("Gather", ["picture", "red"], ["depth"], axis=1)
    graph = helper.make_graph([node], "red", [given], [out], [red])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 10
    onnx.save(model, path)
    return path


def body(lean: float = 0.6, turn: float = 0.7) -> NDArray[np.float64]:
    """Return a body of 1.75 m whose limbs are as long as is said of one, (13, 3) in m, turned and leant."""
    h = 1.75
    joints = np.zeros((13, 3))
    joints[5:7, 0] = 0.2, -0.2
    joints[11:13, 0] = 0.2, -0.2  # under the shoulders: the trunk's sides are as long as is said
    joints[5:7, 1] = 0.288 * h
    joints[:5] = [[0, 0.7, 0.1], [0.03, 0.73, 0.1], [-0.03, 0.73, 0.1], [0.07, 0.72, 0], [-0.07, 0.72, 0]]
    for side, sign in ((0, 1), (1, -1)):
        joints[7 + side] = joints[5 + side] + 0.186 * h * np.array([0.36 * sign, -0.48, 0.8])
        joints[9 + side] = joints[7 + side] + 0.146 * h * np.array([-0.6 * sign, 0.64, 0.48])
    c, s = np.cos(turn), np.sin(turn)
    joints = joints @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    c, s = np.cos(lean), np.sin(lean)
    joints = joints @ np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
    return np.asarray(joints - joints[11:].mean(axis=0))

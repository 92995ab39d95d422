"""The PoseNet graph as an ONNX file made from the raw weights, and the session that runs it."""

from __future__ import annotations

import hashlib
import os
import shlex
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stages.base import StageError
from stages.pose.architecture import HEADS, OutputStride, blocks
from stages.pose.weights import Weights, cache_folder

if TYPE_CHECKING:
    import onnxruntime

Floats = NDArray[np.float32]

#: Raised whenever `build` changes: an older cached file is then not found.
BUILD = 1


def build(weights: Weights, stride: OutputStride = 16) -> bytes:
    """Write the network as a serialised ONNX model.

    Parameters
    ----------
    weights : Weights
    stride : {8, 16, 32}
        Output stride in net pixels.

    Returns
    -------
    bytes
        Opset 13. Input ``image`` float32 (1, 3, height, width), RGB in [-1, 1], sides k·stride + 1.
        Outputs float32 (1, C, (height-1)/stride + 1, (width-1)/stride + 1): ``heatmap`` (C = 17,
        after the sigmoid), ``offset`` (34: 17 y then 17 x, net pixels), ``displacement_fwd`` and
        ``displacement_bwd`` (32: 16 y then 16 x, net pixels).

    Notes
    -----
    Every 3×3 convolution pads `dilation` zeros on all four sides, which is TensorFlow's SAME only
    for sides of k·stride + 1.
    """
    from onnx import TensorProto, helper, numpy_helper

    arrays = weights.arrays()
    constants = [numpy_helper.from_array(np.array(v, np.float32), k) for k, v in (("zero", 0), ("six", 6))]
    nodes = []

    def conv(source: str, name: str, kernel: Floats, target: str = "", **attributes: Any) -> str:
        bias = arrays[f"MobilenetV1/{name}/biases"]
        constants.append(numpy_helper.from_array(np.ascontiguousarray(kernel), f"{name}/kernel"))
        constants.append(numpy_helper.from_array(bias, f"{name}/bias"))
        target = target or f"{name}/conv"
        inputs = [source, f"{name}/kernel", f"{name}/bias"]
        nodes.append(helper.make_node("Conv", inputs, [target], name, **attributes))
        return target

    def relu6(source: str) -> str:
        nodes.append(helper.make_node("Clip", [source, "zero", "six"], [f"{source}/relu6"]))
        return f"{source}/relu6"

    def weight(name: str) -> Floats:
        return arrays[f"MobilenetV1/{name}"]

    x = "image"
    for block in blocks(weights.model, stride):
        spatial: dict[str, Any] = {
            "strides": [block.stride] * 2,
            "dilations": [block.dilation] * 2,
            "pads": [block.dilation] * 4,
        }
        if block.index == 0:
            x = relu6(conv(x, "Conv2d_0", weight("Conv2d_0/weights").transpose(3, 2, 0, 1), **spatial))
            continue
        name = f"Conv2d_{block.index}_depthwise"
        kernel = weight(f"{name}/depthwise_weights").transpose(2, 3, 0, 1)
        x = relu6(conv(x, name, kernel, group=kernel.shape[0], **spatial))
        name = f"Conv2d_{block.index}_pointwise"
        x = relu6(conv(x, name, weight(f"{name}/weights").transpose(3, 2, 0, 1)))
    for head in HEADS:
        target = "heatmap_logits" if head == "heatmap" else head
        conv(x, f"{head}_2", weight(f"{head}_2/weights").transpose(3, 2, 0, 1), target)
    nodes.append(helper.make_node("Sigmoid", ["heatmap_logits"], ["heatmap"]))

    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "height", "width"])
    outputs = [
        helper.make_tensor_value_info(head, TensorProto.FLOAT, [1, n, "rows", "columns"])
        for head, n in HEADS.items()
    ]
    graph = helper.make_graph(nodes, f"posenet_{weights.model}", [image], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())


def cached_file(weights: Weights, stride: OutputStride = 16) -> Path:
    """Where the ONNX file of these weights is cached; the name carries the weights' hash."""
    return cache_folder() / f"posenet_{weights.model}_s{stride}_b{BUILD}_{weights.sha256}.onnx"


def load_session(weights: Weights, stride: OutputStride = 16) -> onnxruntime.InferenceSession:
    """An onnxruntime session on one thread, from the cached ONNX file or a newly built one.

    The cached file counts only with its sha256 beside it. A cache that cannot be written costs a rebuild at
    each load and nothing else; a damaged file is built anew.

    Raises
    ------
    StageError
        Other users can change what is in the cache.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # one thread: parallel work goes over processes, which keeps every result and timing independent of it
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3

    def session(model: bytes) -> onnxruntime.InferenceSession:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    path = cached_file(weights, stride)
    _refuse_shared(path)
    cached = _cached(path)
    if cached is not None:
        # onnxruntime's errors have no common base below Exception
        with suppress(Exception):
            return session(cached)
    model = build(weights, stride)
    with suppress(OSError):
        _publish(path, model)
        _publish(_digest_file(path), f"{hashlib.sha256(model).hexdigest()}  {path.name}\n".encode())
    return session(model)


def _digest_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _cached(path: Path) -> bytes | None:
    """Return the bytes of a cached network if they are those that were written."""
    with suppress(OSError):
        model, said = path.read_bytes(), _digest_file(path).read_bytes()
        if said == f"{hashlib.sha256(model).hexdigest()}  {path.name}\n".encode():
            return model
    return None


def _refuse_shared(path: Path) -> None:
    """Refuse a cache that somebody else can change: a network says nothing of where it came from.

    Raises
    ------
    StageError
        The file, its folder or the folder above belongs to another user, or others may write there.
    """
    for place in (path.parent.parent, path.parent, path, _digest_file(path)):
        try:
            found = place.stat()
        except OSError:
            continue
        folder, file = shlex.quote(str(place)), shlex.quote(str(path))
        elsewhere = "set XDG_CACHE_HOME to a folder of your own"
        if found.st_uid not in (0, os.getuid()):
            raise StageError(
                f"the cached PoseNet is not used: {place} belongs to another user (uid {found.st_uid})",
                elsewhere,
            )
        # a sticky folder such as /tmp lets nobody replace what is another's
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX:
            raise StageError(
                f"the cached PoseNet is not used: others can write to {place} "
                f"(mode {stat.S_IMODE(found.st_mode):o})",
                f"`chmod go-w {folder}` and `rm -f {file}`, or {elsewhere}",
            )


def _publish(path: Path, content: bytes) -> None:
    """Write a file so that others see all of it or nothing."""
    for folder in (path.parent.parent, path.parent):
        with suppress(FileExistsError):
            folder.mkdir(parents=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name[:40], suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise

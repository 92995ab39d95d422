"""The way of the paper: joints of the picture lifted by the depth under them.

Martin et al. 2021, figure 4: "combination of the pose and depth estimated from a single image to build a 3D
skeleton". The network is the user's. What such networks give is mostly inverse depth of unknown scale and
shift, and the camera's focal length is unknown too. Relative to the hips the shift falls out; two scales are
left, metres a pixel and metres a step of depth. Both follow from what is known of a body, the length of its
limbs: of all frames of the video together,

    s² · (length in px)² + k² · (difference in depth)² = (length in m)²

is solved for s² and k² by non-negative least squares. That holds for a player whose distance from the camera
changes little (weak perspective); one who walks towards it is lifted with the scales of the mean.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.base import StageError
from stages.descriptor import JOINTS
from stages.pose3d.params import Pose3dParams
from stages.pose3d.skeleton import of_hips

if TYPE_CHECKING:
    import onnxruntime

Array = NDArray[Any]

#: limb → its share of the body's height (Winter, Biomechanics of Human Movement, figure 4.1)
LIMBS = {("shoulder", "elbow"): 0.186, ("elbow", "wrist"): 0.146, ("shoulder", "hip"): 0.288}
#: half of the square whose median is the depth under a joint, px of the frame
REACH = 1
_MEAN, _SPREAD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def limbs() -> list[tuple[int, int, float]]:
    """Return the limbs of both sides: two of the 13 joints, share of the body's height."""
    index = {name: i for i, name in enumerate(JOINTS)}
    return [
        (index[f"{side}_{a}"], index[f"{side}_{b}"], share)
        for side in ("left", "right")
        for (a, b), share in LIMBS.items()
    ]


class DepthNetwork:
    """A depth network in an ONNX file: one picture in, one depth a pixel out.

    Parameters
    ----------
    path : Path
    params : Pose3dParams

    Raises
    ------
    StageError
        The file holds no such network.
    """

    def __init__(self, path: Path, params: Pose3dParams) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as e:  # onnxruntime's errors have no common base
            raise _no_network(path, str(e).splitlines()[0][:120]) from e
        given = session.get_inputs()
        shape = given[0].shape if len(given) == 1 else []
        if len(shape) != 4 or given[0].type != "tensor(float)" or shape[1] != 3:
            raise _no_network(path, "it does not take one float picture (1, 3, height, width)")
        self._session: onnxruntime.InferenceSession = session
        self._input, self._shape, self._path, self._params = given[0].name, shape, path, params

    def depth(self, rgb: Array) -> Array:
        """Return the depth of every pixel of a picture.

        Parameters
        ----------
        rgb : (H, W, 3) uint8

        Returns
        -------
        (H, W) float32
            In the network's own unit.

        Raises
        ------
        StageError
            The network fails, or gives something else.
        """
        height, width = rgb.shape[:2]
        picture = cv2.resize(rgb, self._size(width, height), interpolation=cv2.INTER_LINEAR) / 255.0
        if self._params.depth_input == "imagenet":
            picture = (picture - _MEAN) / _SPREAD
        given = {self._input: np.moveaxis(picture, -1, 0)[None].astype(np.float32)}
        try:
            out = np.asarray(self._session.run(None, given)[0], np.float32).squeeze()
        except Exception as e:
            raise _no_network(self._path, str(e).splitlines()[0][:120]) from e
        if out.ndim != 2 or not np.isfinite(out).all():
            raise _no_network(self._path, f"it gives {out.shape} or what is not finite")
        return np.asarray(cv2.resize(out, (width, height), interpolation=cv2.INTER_LINEAR))

    def _size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the input: the network's own, else near :attr:`Pose3dParams.depth_side`."""
        scale, step = self._params.depth_side / min(width, height), self._params.depth_multiple
        free = [max(1, round(side * scale / step)) * step for side in (height, width)]
        high, wide = (n if isinstance(n, int) else free[i] for i, n in enumerate(self._shape[2:]))
        return wide, high


def _no_network(path: Path, why: str) -> StageError:
    return StageError(
        f"{path} is no depth network that can be run ({why})",
        "name the ONNX file of one as stages.pose3d.depth_network: (1, 3, height, width) in, depths out",
    )


def under(depth: Array, joints: Array) -> Array:
    """Return the depth under joints: the median of the pixels around each.

    Parameters
    ----------
    depth : (H, W)
    joints : (13, 2)
        px.

    Returns
    -------
    (13,) float64
    """
    h, w = depth.shape
    x = np.clip(np.rint(joints[:, 0]).astype(int), 0, w - 1)
    y = np.clip(np.rint(joints[:, 1]).astype(int), 0, h - 1)
    near = [
        depth[max(b - REACH, 0) : b + REACH + 1, max(a - REACH, 0) : a + REACH + 1]
        for a, b in zip(x, y, strict=True)
    ]
    return np.array([float(np.median(part)) for part in near])


def scales(
    pixels: Array, depths: Array, scores: Array, height: float, least_score: float, *, metric: bool
) -> tuple[float, float]:
    """Find metres a pixel and metres a step of depth from the lengths of the limbs.

    Parameters
    ----------
    pixels : (n, 13, 2) float64
    depths : (n, 13) float64
    scores : (n, 13)
    height : float
        Of the player, m.
    least_score : float
        Of both ends of a limb.
    metric : bool
        Whether the depth is in m already: then only metres a pixel are sought.

    Returns
    -------
    (float, float)
        (0, 0) where no limb was seen.
    """
    from scipy.optimize import nnls

    rows, wanted = [], []
    for a, b, share in limbs():
        seen = np.minimum(scores[:, a], scores[:, b]) >= least_score
        long = np.square(pixels[seen, a] - pixels[seen, b]).sum(-1)
        deep = np.square(depths[seen, a] - depths[seen, b])
        rows.append(np.stack([long, deep], -1))
        wanted.append(np.full(len(long), (share * height) ** 2))
    left, right = np.concatenate(rows), np.concatenate(wanted)
    if not len(left) or not left[:, 0].any():
        return 0.0, 0.0
    if metric:
        (square,), _ = nnls(left[:, :1], np.maximum(right - left[:, 1], 0))
        return float(np.sqrt(square)), 1.0
    # both columns at the same size: they are in units of their own
    size = np.maximum(np.sqrt(np.square(left).mean(axis=0)), 1e-30)
    found, _ = nnls(left / size, right)
    s, k = np.sqrt(found / size)
    return float(s), float(k)


def lifted(pixels: Array, depths: Array, s: float, k: float, *, metric: bool) -> Array:
    """Return joints in space.

    Parameters
    ----------
    pixels : (n, 13, 2) float64
    depths : (n, 13) float64
    s, k : float
        See :func:`scales`.
    metric : bool
        Whether larger depths are farther away, in m; else nearer.

    Returns
    -------
    (n, 13, 3) float64
        m: x right, y up, z towards the camera, relative to the middle of the hips.
    """
    towards = -depths if metric else depths
    joints = np.concatenate([pixels * (s, -s), k * towards[..., None]], axis=-1)
    return np.asarray(joints - of_hips(joints))

"""One interface to the flow methods: ours, and other published ones as their libraries ship them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.flow.engine import IrlsFlow
from stages.flow.params import FlowParams

Flow = NDArray[np.float32]
Frame = NDArray[np.uint8]

#: The library's own type hints are incomplete.
_CV: Any = cv2


class VideoFlow:
    """Flow of consecutive frames by any method; what can be kept between pairs is kept.

    Parameters
    ----------
    height, width : int
        Frame size in pixels.
    params : FlowParams
    """

    def __init__(self, height: int, width: int, params: FlowParams) -> None:
        self._irls = IrlsFlow(height, width, 3, params) if params.method == "irls" else None
        self._pair = None if self._irls else _PAIRS[params.method]()
        self._grey: list[NDArray[np.uint8]] = []

    def push(self, frame: Frame) -> None:
        """Take the next frame, (H, W, 3) uint8 RGB."""
        if self._irls:
            self._irls.push(frame)
        else:
            self._grey = [*self._grey[-1:], _CV.cvtColor(frame, _CV.COLOR_RGB2GRAY)]

    def flow(self) -> Flow:
        """Flow from the last but one frame to the last, (H, W, 2) float32, (dx, dy) in pixels."""
        if self._irls:
            return self._irls.flow()
        assert self._pair is not None
        return np.ascontiguousarray(self._pair(*self._grey), dtype=np.float32)


Pair = Callable[[NDArray[np.uint8], NDArray[np.uint8]], Any]


def _deepflow() -> Pair:
    """Weinzaepfel et al., ICCV 2013, without the descriptor matching (OpenCV contrib)."""
    method = _CV.optflow.createOptFlow_DeepFlow()
    return lambda a, b: method.calc(a, b, None)


def _tvl1() -> Pair:
    """Zach, Pock & Bischof, DAGM 2007 (scikit-image)."""
    from skimage import registration  # a third of a second, for this method alone

    tvl1: Any = registration.optical_flow_tvl1  # untyped

    def pair(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> Flow:
        rows, columns = tvl1(a.astype(np.float32) / 255, b.astype(np.float32) / 255)
        return np.stack([columns, rows], axis=-1)

    return pair


def _farneback() -> Pair:
    """Farnebäck, SCIA 2003 (OpenCV), with the values of OpenCV's own documentation."""
    return lambda a, b: _CV.calcOpticalFlowFarneback(a, b, None, 0.5, 3, 15, 3, 5, 1.2, 0)


def _dis() -> Pair:
    """Kroeger et al., ECCV 2016 (OpenCV), medium preset."""
    method = _CV.DISOpticalFlow_create(_CV.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return lambda a, b: method.calc(a, b, None)


_PAIRS: dict[str, Callable[[], Pair]] = {
    "deepflow": _deepflow,
    "tvl1": _tvl1,
    "farneback": _farneback,
    "dis": _dis,
}

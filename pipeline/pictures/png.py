"""Encode pictures as PNG."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def encode_png(image: NDArray[Any]) -> bytes:
    """Encode a picture as the bytes of a PNG file.

    Parameters
    ----------
    image : array (H, W, 3), uint8
        RGB.

    Returns
    -------
    bytes
    """
    done, data = cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]))
    if not done:
        raise RuntimeError("PNG cannot be encoded by this OpenCV; install a build of it that can")
    return bytes(data.tobytes())

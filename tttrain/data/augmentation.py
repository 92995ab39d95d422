"""Drawing the augmentation: the random transform and change of colour of each training sample.

Two kinds: about the ROI [3S §2.6], and the random crop and change of colour of the ConvGRU paper [GRU §IV-B].
Of the central square of 240 px, the latter takes one of 235 px at random and shows it at the network's
size: a shift and a zoom of 240/235. Brightness, contrast and saturation are changed by factors from 1 ± 0.5,
the hue by up to ± 0.1 turns, in this order (the paper names none). Both are drawn once for all frames of a
sample: drawn frame by frame, as a literal reading ("for each image") would have it, the crop would shake and
the light flicker from one frame of a movement to the next.

Only numbers are drawn here, on the host, from a sample's own generator; :mod:`tttrain.data.warp` and
:mod:`tttrain.data.colour` apply them in batches on the device.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tttrain.data.dataset_file import Limits

#: side of the random crop, relative to the square it is taken from
CROPPED = 235 / 240
#: brightness, contrast, saturation: factor 1 ± v; hue: ± v turns
RANGES = (0.5, 0.5, 0.5, 0.1)


def draw_transform(
    rng: np.random.Generator, limits: Limits, crop: tuple[int, int], *, mirror: bool = True
) -> NDArray[np.float32]:
    """Draw rotation, zoom and shift uniformly within the limits, and a flip every other time.

    Parameters
    ----------
    rng : numpy.random.Generator
    limits : Limits
    crop : (int, int)
        (width, height), px; the shift is a share of it.
    mirror : bool
        Whether to flip: not where left and right are what tells two classes apart.

    Returns
    -------
    (5,) float32
        angle in rad, zoom, shift x and y in px, flip (±1).
    """
    angle = math.radians(rng.uniform(-limits.rotation, limits.rotation))
    zoom = rng.uniform(1 - limits.zoom, 1 + limits.zoom)
    shift = rng.uniform(-limits.translation, limits.translation, 2) * crop
    flip = -1 if rng.random() < 0.5 and mirror else 1
    return np.array([angle, zoom, *shift, flip], np.float32)


def draw_crop(rng: np.random.Generator, crop: tuple[int, int]) -> NDArray[np.float32]:
    """Draw the random crop of [GRU §IV-B] as a transform.

    Parameters
    ----------
    rng : numpy.random.Generator
    crop : (int, int)
        (width, height) of what it is taken from, px. Its own sides are rounded to whole pixels.

    Returns
    -------
    (5,) float32
        angle 0, zoom, shift x and y in px, flip 1; as :func:`draw_transform`.
    """
    outer = np.array(crop)
    inner = np.rint(outer * CROPPED)
    corner = rng.integers(0, (outer - inner + 1).astype(int))
    zoom = float(np.min(outer / inner))
    shift = -zoom * (corner + inner / 2 - outer / 2)
    return np.array([0, zoom, *shift, 1], np.float32)


def draw_colour(rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw factors of brightness, contrast and saturation, and the turn of the hue; (4,) float32."""
    spread = np.array(RANGES)
    return (np.array([1, 1, 1, 0]) + rng.uniform(-spread, spread)).astype(np.float32)

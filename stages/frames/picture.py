"""One decoded picture → one RGB array of the wanted size.

Down-scaling is done on the Y, U and V planes with an area filter and the colour matrix is applied
to the small picture: twice as fast as converting at full size, and without the bias of
swscale's 8-bit path (docs/design.md, "Decoding"). Matrix and range come from the stream's tags.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Fit = Literal["pad", "crop", "stretch"]

#: luma coefficients (Kr, Kb) by ITU-T H.273 matrix number
_COEFFICIENTS = {
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.470BG = BT.601
    6: (0.299, 0.114),  # SMPTE 170M = BT.601
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020 non-constant luminance
    10: (0.2627, 0.0593),
}
MATRIX_NAMES = {1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}
_PLANAR = {"yuv420p", "yuv422p", "yuv444p", "yuvj420p", "yuvj422p", "yuvj444p"}


@dataclass(frozen=True)
class Colour:
    """How a stream's YUV is to be read.

    Attributes
    ----------
    matrix : int
        ITU-T H.273 matrix number; 0 for pictures that are RGB or grey already.
    full_range : bool
        0–255 instead of 16–235.
    assumed : bool
        True where the stream carries no tag and the usual convention was applied
        (BT.709 from 720 lines up, BT.601 below; limited range).
    """

    matrix: int
    full_range: bool
    assumed: bool

    @property
    def name(self) -> str:
        """For the file's attributes, e.g. ``bt709/limited (assumed)``."""
        if not self.matrix:
            return "rgb"
        text = f"{MATRIX_NAMES[self.matrix]}/{'full' if self.full_range else 'limited'}"
        return text + " (assumed)" if self.assumed else text

    def to_rgb(self) -> NDArray[np.float64]:
        """The 3×4 affine matrix from 8-bit (Y, U, V, 1) to 8-bit RGB (ITU-T H.273 §8.3)."""
        kr, kb = _COEFFICIENTS[self.matrix]
        kg = 1 - kr - kb
        luma, chroma, black = (1.0, 1.0, 0.0) if self.full_range else (255 / 219, 255 / 224, 16.0)
        m = np.array(
            [
                [luma, 0, 2 * (1 - kr) * chroma],
                [luma, -2 * (1 - kb) * kb / kg * chroma, -2 * (1 - kr) * kr / kg * chroma],
                [luma, 2 * (1 - kb) * chroma, 0],
            ]
        )
        return np.column_stack([m, -m @ [black, 128, 128]])


def colour_of(frame: Any) -> Colour:
    """Read a decoded picture's colour tags.

    Parameters
    ----------
    frame : av.VideoFrame

    Returns
    -------
    Colour
    """
    name = frame.format.name
    if name.startswith(("rgb", "bgr", "gbr", "gray", "pal", "argb", "abgr", "0rgb", "0bgr", "mono")):
        return Colour(0, True, False)
    tagged = frame.colorspace in _COEFFICIENTS
    matrix = int(frame.colorspace) if tagged else (1 if frame.height >= 720 else 5)
    return Colour(matrix, frame.color_range == 2 or name.startswith("yuvj"), not tagged)


@dataclass(frozen=True)
class Geometry:
    """Where a source picture lands in the stored one.

    Attributes
    ----------
    width, height : int
        Stored size, pixels.
    quarter_turns : int
        Anticlockwise quarter turns that the rotation tag asks for.
    crop : (int, int, int, int)
        x, y, width, height of the source region used, source pixels, before rotation.
    place : (int, int, int, int)
        x, y, width, height of the picture in the stored frame, after rotation.
    fit : str
        ``exact``, ``pad``, ``crop`` or ``stretch``: what was done about the aspect ratio.
    """

    width: int
    height: int
    quarter_turns: int
    crop: tuple[int, int, int, int]
    place: tuple[int, int, int, int]
    fit: str


def geometry(
    source: tuple[int, int], target: tuple[int, int], rotation: int, pixel_aspect: Fraction, fit: Fit
) -> Geometry:
    """Plan scaling, padding or cropping.

    Parameters
    ----------
    source, target : (int, int)
        (width, height) as coded and as wanted, pixels.
    rotation : int
        Degrees anticlockwise, a multiple of 90.
    pixel_aspect : Fraction
        Width of a source pixel over its height.
    fit : {"pad", "crop", "stretch"}
        What to do where the aspect ratio differs by more than half a stored pixel.

    Returns
    -------
    Geometry
    """
    turns = round(rotation / 90) % 4
    swap = turns % 2 == 1
    shown = (source[0] * pixel_aspect, Fraction(source[1]))
    if swap:
        shown = (shown[1], shown[0])
    w, h = target
    everything = (0, 0, *source)
    scale = min(Fraction(w) / shown[0], Fraction(h) / shown[1])
    inner = (max(1, round(shown[0] * scale)), max(1, round(shown[1] * scale)))
    if inner == (w, h):
        return Geometry(w, h, turns, everything, (0, 0, w, h), "exact")
    if fit == "stretch":
        return Geometry(w, h, turns, everything, (0, 0, w, h), "stretch")
    if fit == "pad":
        place = ((w - inner[0]) // 2, (h - inner[1]) // 2, *inner)
        return Geometry(w, h, turns, everything, place, "pad")
    scale = max(Fraction(w) / shown[0], Fraction(h) / shown[1])
    part = (min(Fraction(1), w / (shown[0] * scale)), min(Fraction(1), h / (shown[1] * scale)))
    if swap:
        part = (part[1], part[0])
    # even sizes and offsets keep the sub-sampled chroma planes aligned
    cw, ch = (max(2, round(s * p / 2) * 2) for s, p in zip(source, part, strict=True))
    crop = ((source[0] - cw) // 4 * 2, (source[1] - ch) // 4 * 2, cw, ch)
    return Geometry(w, h, turns, crop, (0, 0, w, h), "crop")


def _plane(plane: Any) -> NDArray[np.uint8]:
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]


def _shrink(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    if (image.shape[1], image.shape[0]) == size:
        return image
    # INTER_AREA enlarges like nearest-neighbour; pictures smaller than the store want bilinear
    shrinking = image.shape[1] >= size[0] and image.shape[0] >= size[1]
    return np.asarray(
        cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR), np.uint8
    )


def to_rgb(frame: Any, plan: Geometry, colour: Colour) -> NDArray[np.uint8]:
    """Scale and convert one picture.

    Parameters
    ----------
    frame : av.VideoFrame
    plan : Geometry
    colour : Colour

    Returns
    -------
    (H, W, 3) uint8
        RGB, stored size.
    """
    x, y, w, h = plan.crop
    px, py, pw, ph = plan.place
    size = (ph, pw) if plan.quarter_turns % 2 else (pw, ph)
    if not colour.matrix:
        # swscale only permutes channels here; no matrix is involved
        rgb = _shrink(frame.to_ndarray(format="rgb24")[y : y + h, x : x + w], size)
    else:
        if frame.format.name not in _PLANAR:
            frame = frame.reformat(format="yuv444p")
        planes = []
        for plane in frame.planes:
            sx, sy = round(frame.width / plane.width), round(frame.height / plane.height)
            part = _plane(plane)[y // sy : -(-(y + h) // sy), x // sx : -(-(x + w) // sx)]
            planes.append(_shrink(part, size))
        rgb = np.asarray(cv2.transform(cv2.merge(planes), colour.to_rgb()), np.uint8)
    if plan.quarter_turns:
        rgb = np.rot90(rgb, plan.quarter_turns)
    if (pw, ph) == (plan.width, plan.height):
        return np.ascontiguousarray(rgb, np.uint8)
    out = np.zeros((plan.height, plan.width, 3), np.uint8)
    out[py : py + ph, px : px + pw] = rgb
    return out

"""One decoded picture → one RGB array of the wanted size.

Down-scaling is done on the Y, U and V planes with an area filter and the colour matrix is applied
to the small picture: twice as fast as converting at full size, and without the bias of
swscale's 8-bit path (docs/design.md, "Decoding"). Deeper pictures keep their 10 to 16 bits until
then. Matrix and range come from the stream's tags.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.base import StageError

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
#: matrix numbers that say nothing: identity (of pictures that are no RGB), unspecified, reserved
_SILENT = {0, 2, 3}
RGB, GREY = 0, -1
_GREY_FORMATS = ("gray", "mono", "ya8", "ya16")
#: (width, height) that 8×8 luma samples leave to chroma -> name of the sub-sampling
_SUBSAMPLING = {(8, 8): "444", (4, 8): "422", (4, 4): "420", (8, 4): "440", (2, 8): "411", (2, 2): "410"}

Samples = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True)
class Colour:
    """How a stream's samples are to be read.

    Attributes
    ----------
    matrix : int
        ITU-T H.273 matrix number; ``RGB`` or ``GREY`` for pictures that need none.
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
        if self.matrix == RGB:
            return "rgb"
        name = "grey" if self.matrix == GREY else MATRIX_NAMES[self.matrix]
        text = f"{name}/{'full' if self.full_range else 'limited'}"
        return text + " (assumed)" if self.assumed else text

    def to_rgb(self, bits: int = 8) -> NDArray[np.float64]:
        """The affine matrix from samples to 8-bit RGB (ITU-T H.273 §8.3).

        Parameters
        ----------
        bits : int
            Depth of the samples.

        Returns
        -------
        (3, 4) float64
            For (Y, U, V, 1); (3, 2) for (Y, 1) of grey pictures.
        """
        step = 2.0 ** (bits - 8)
        if self.full_range:
            luma = chroma = 255 / (2**bits - 1)
            black = 0.0
        else:
            luma, chroma, black = 255 / 219 / step, 255 / 224 / step, 16 * step
        if self.matrix == GREY:
            return np.tile([luma, -luma * black], (3, 1))
        kr, kb = _COEFFICIENTS[self.matrix]
        kg = 1 - kr - kb
        m = np.array(
            [
                [luma, 0, 2 * (1 - kr) * chroma],
                [luma, -2 * (1 - kb) * kb / kg * chroma, -2 * (1 - kr) * kr / kg * chroma],
                [luma, 2 * (1 - kb) * chroma, 0],
            ]
        )
        return np.column_stack([m, -m @ [black, 128 * step, 128 * step]])


def colour_of(frame: Any) -> Colour:
    """Read a decoded picture's colour tags.

    Parameters
    ----------
    frame : av.VideoFrame

    Returns
    -------
    Colour

    Raises
    ------
    StageError
        The tag names a matrix that is not understood: the colours would be wrong.
    """
    name, tag, tagged_range = frame.format.name, int(frame.colorspace), int(frame.color_range)
    if name.startswith(_GREY_FORMATS):
        return Colour(GREY, tagged_range != 1, False)  # untagged grey is full by convention
    if frame.format.is_rgb or frame.format.has_palette or name.startswith("bayer"):
        return Colour(RGB, True, False)
    full = tagged_range == 2 or name.startswith("yuvj")
    if tag in _COEFFICIENTS:
        return Colour(tag, full, False)
    if tag not in _SILENT:
        raise StageError(
            f"its colour matrix (number {tag} of ITU-T H.273) is not supported", "re-encode it as BT.709"
        )
    return Colour(1 if frame.height >= 720 else 5, full, True)


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
    mirrored : bool
        Whether the turned picture is mirrored left to right.
    """

    width: int
    height: int
    quarter_turns: int
    crop: tuple[int, int, int, int]
    place: tuple[int, int, int, int]
    fit: str
    mirrored: bool = False


def geometry(
    source: tuple[int, int],
    target: tuple[int, int],
    rotation: int,
    pixel_aspect: Fraction,
    fit: Fit,
    mirrored: bool = False,
    hidden: tuple[int, int, int, int] = (0, 0, 0, 0),
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
    mirrored : bool
        Whether to mirror left to right after turning.
    hidden : (int, int, int, int)
        Coded pixels that are not to be shown: left, top, right, bottom.

    Returns
    -------
    Geometry
    """
    left, top, right, bottom = hidden
    if any(hidden):
        shown_size = source[0] - left - right, source[1] - top - bottom
        plan = geometry(shown_size, target, rotation, pixel_aspect, fit, mirrored)
        x, y, w, h = plan.crop
        return replace(plan, crop=(x + left, y + top, w, h))
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
        return Geometry(w, h, turns, everything, (0, 0, w, h), "exact", mirrored)
    if fit == "stretch":
        return Geometry(w, h, turns, everything, (0, 0, w, h), "stretch", mirrored)
    if fit == "pad":
        place = ((w - inner[0]) // 2, (h - inner[1]) // 2, *inner)
        return Geometry(w, h, turns, everything, place, "pad", mirrored)
    scale = max(Fraction(w) / shown[0], Fraction(h) / shown[1])
    part = (min(Fraction(1), w / (shown[0] * scale)), min(Fraction(1), h / (shown[1] * scale)))
    if swap:
        part = (part[1], part[0])
    # even sizes and offsets keep the sub-sampled chroma planes aligned
    cw, ch = (
        s if p == 1 else min(s, max(2, round(s * p / 2) * 2)) for s, p in zip(source, part, strict=True)
    )
    crop = ((source[0] - cw) // 4 * 2, (source[1] - ch) // 4 * 2, cw, ch)
    return Geometry(w, h, turns, crop, (0, 0, w, h), "crop", mirrored)


def _planes(frame: Any, grey: bool) -> tuple[list[Samples], int]:
    """A picture's Y, U, V planes (Y alone of a grey one) and their depth in bits."""
    form = frame.format
    bits = form.components[0].bits
    wanted = "gray" if grey else f"yuv{_SUBSAMPLING[form.chroma_width(8), form.chroma_height(8)]}p"
    wanted += "" if bits == 8 else f"{bits}le"
    if not (form.name.startswith("gray") if grey else len(frame.planes) >= 3) or form.name.endswith("be"):
        # interleaved or big-endian samples: the same values in another order
        given = {} if grey else {"src_color_range": 2, "dst_color_range": 2}
        frame = frame.reformat(format=wanted, **given)
        bits = frame.format.components[0].bits
    dtype = np.dtype(np.uint8 if bits <= 8 else np.uint16)
    planes = []
    for plane in frame.planes[: 1 if grey else 3]:
        rows = np.frombuffer(plane, dtype).reshape(-1, plane.line_size // dtype.itemsize)
        planes.append(rows[: plane.height, : plane.width])
    return planes, bits


def _shrink(image: Any, size: tuple[int, int]) -> Any:
    """Area average where a side shrinks, bilinear where it grows (there INTER_AREA repeats pixels)."""
    smaller = min(image.shape[1], size[0]), min(image.shape[0], size[1])
    for aim, method in ((smaller, cv2.INTER_AREA), (size, cv2.INTER_LINEAR)):
        if (image.shape[1], image.shape[0]) != aim:
            image = cv2.resize(image, aim, interpolation=method)
    return image


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
    if colour.matrix == RGB:
        # swscale only permutes channels here; no matrix is involved
        rgb = _shrink(frame.to_ndarray(format="rgb24")[y : y + h, x : x + w], size)
    else:
        planes, bits = _planes(frame, colour.matrix == GREY)
        for i, plane in enumerate(planes):
            sx, sy = round(frame.width / plane.shape[1]), round(frame.height / plane.shape[0])
            planes[i] = _shrink(plane[y // sy : -(-(y + h) // sy), x // sx : -(-(x + w) // sx)], size)
        # rounds and saturates at the samples' own depth
        rgb = np.minimum(cv2.transform(cv2.merge(planes), colour.to_rgb(bits)), 255)
    if plan.quarter_turns:
        rgb = np.rot90(rgb, plan.quarter_turns)
    if plan.mirrored:
        rgb = rgb[:, ::-1]
    if (pw, ph) == (plan.width, plan.height):
        return np.ascontiguousarray(rgb, np.uint8)
    out = np.zeros((plan.height, plan.width, 3), np.uint8)
    out[py : py + ph, px : px + pw] = rgb
    return out

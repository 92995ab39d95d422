"""Draw the results of one frame for people to look at."""

from __future__ import annotations

import io
import warnings
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.base import Array
from stages.descriptor import JOINTS
from stages.pose import EDGES, KEYPOINTS
from store.names import valid_text

Picture = NDArray[np.uint8]
ORANGE, GREEN, GREY, RED = (255, 150, 0), (80, 255, 80), (150, 150, 150), (255, 60, 60)
_OPENCV_DRAWS_ANY_SCRIPT = int(cv2.__version__.partition(".")[0]) >= 5
_DRAWN = 0.15  # joints with a lower score are guesses and only clutter the picture


def flow_colours(flow: Array, largest: float) -> Picture:
    """Colour a flow field by the colour wheel: hue is the direction, saturation the length.

    Parameters
    ----------
    flow : (H, W, 2) float
        Displacements x, y in px.
    largest : float
        Length in px that gets full saturation.

    Returns
    -------
    (H, W, 3) uint8
        RGB; white where nothing moves.
    """
    return _coloured(flow, largest, 1)


def flow_glow(flow: Array, largest: float) -> Picture:
    """Colour a flow field so that it can be added to a picture: hue is the direction, light the length.

    Parameters and result as :func:`flow_colours`, but black where nothing moves.
    """
    return _coloured(flow, largest, 2)


def _coloured(flow: Array, largest: float, of_length: int) -> Picture:
    """Colour by direction; ``of_length`` is the channel of HSV that shows the length."""
    vx, vy = flow[..., 0].astype(np.float32), flow[..., 1].astype(np.float32)
    length, angle = cv2.cartToPolar(vx, vy, angleInDegrees=True)
    hsv = np.full((*flow.shape[:2], 3), 255, np.uint8)
    hsv[..., 0] = angle / 2
    hsv[..., of_length] = np.clip(length / max(largest, 1e-6), 0, 1) * 255
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)


def wheel(size: int) -> Picture:
    """Draw the colour wheel itself, as a legend: a disc whose rim is full length; (size, size, 3) uint8."""
    y, x = np.mgrid[:size, :size].astype(np.float32) - (size - 1) / 2
    flow = np.stack([x, y], axis=2) / ((size - 1) / 2)
    disc = flow_colours(flow, 1.0)
    disc[np.hypot(flow[..., 0], flow[..., 1]) > 1] = 255
    return disc


def overlay_mask(rgb: Picture, mask: Array) -> Picture:
    """Dim the background and outline the foreground in orange; (H, W, 3) uint8, RGB."""
    out = np.where(mask[..., None] > 0, rgb, rgb // 4).astype(np.uint8)
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(out, outlines, -1, ORANGE, 1)
    return out


def draw_box(picture: Picture, centre: Array, size: tuple[int, int], zoom: int) -> None:
    """Draw the ROI's crop and centre, in place; ``centre`` and ``size`` in px of the frame."""
    x, y = (float(c) * zoom for c in centre)
    w, h = (s * zoom / 2 for s in size)
    corners = (round(x - w), round(y - h)), (round(x + w), round(y + h))
    cv2.rectangle(picture, *corners, ORANGE, zoom, cv2.LINE_AA)
    cv2.drawMarker(picture, (round(x), round(y)), ORANGE, cv2.MARKER_CROSS, 6 * zoom, zoom)


def draw_others(picture: Picture, keypoints: Array, scores: Array, zoom: int) -> None:
    """Draw the people who were not chosen, faintly, in place; ``keypoints`` in px of the frame."""
    index = {name: i for i, name in enumerate(KEYPOINTS)}
    for points, score in zip(keypoints, scores, strict=True):
        for a, b in EDGES:
            if min(score[index[a]], score[index[b]]) > _DRAWN:
                cv2.line(
                    picture, _at(points[index[a]], zoom), _at(points[index[b]], zoom), GREY, 1, cv2.LINE_AA
                )


def draw_player(picture: Picture, joints: Array, zoom: int) -> None:
    """Draw the chosen player's 13 joints, in place; nothing where nobody was found.

    Parameters
    ----------
    picture : (H, W, 3) uint8
    joints : (14, 3)
        The descriptor: the pose as a whole, then its joints; x, y in px of the frame, score.
    zoom : int
        Picture pixels per frame pixel.
    """
    if joints[0, 2] <= 0:
        return
    index = {name: i + 1 for i, name in enumerate(JOINTS)}
    for a, b in EDGES:
        if a in index and b in index and min(joints[index[a], 2], joints[index[b], 2]) > _DRAWN:
            start, end = _at(joints[index[a]], zoom), _at(joints[index[b]], zoom)
            cv2.line(picture, start, end, GREEN, zoom, cv2.LINE_AA)
    for joint in joints[1:]:
        if joint[2] > _DRAWN:
            cv2.circle(picture, _at(joint, zoom), zoom, RED, -1, cv2.LINE_AA)


def _at(point: Array, zoom: int) -> tuple[int, int]:
    return round(float(point[0]) * zoom), round(float(point[1]) * zoom)


def enlarge(picture: Picture, zoom: int) -> Picture:
    """Enlarge a picture by a whole factor; every pixel becomes a square."""
    return np.ascontiguousarray(picture.repeat(zoom, axis=0).repeat(zoom, axis=1))


@lru_cache(maxsize=64)  # a film repeats most captions in every frame
def caption(width: int, text: str, height: int = 22) -> Picture:
    """Draw white text on a dark strip; the letters are half as high as the strip.

    OpenCV 5 draws any script. Earlier versions draw ASCII and put ``?`` for the rest, so there matplotlib
    draws such text; it is imported only then, because it would cost every export 0.3 s.

    Returns
    -------
    (height, width, 3) uint8
        RGB, read-only.
    """
    strip = np.full((height, width, 3), 30, np.uint8)
    text = valid_text(text)
    if text.isascii() or _OPENCV_DRAWS_ANY_SCRIPT:
        white, where = (255, 255, 255), (6, height - round(height * 7 / 22))
        cv2.putText(strip, text, where, cv2.FONT_HERSHEY_SIMPLEX, height * 0.45 / 22, white, 1, cv2.LINE_AA)
    else:
        strip = np.maximum(strip, _lettering(width, text, height)[..., None])
    strip.flags.writeable = False  # it is handed out again
    return strip


def _lettering(width: int, text: str, height: int) -> NDArray[np.uint8]:
    """Draw text of any script in a strip.

    Returns
    -------
    (height, width) uint8
        Coverage of the pixels; a letter that the font lacks is a box.
    """
    from matplotlib.figure import Figure

    dpi = 100
    size = (width + 0.5) / dpi, (height + 0.5) / dpi  # is cut to whole pixels
    figure = Figure(figsize=size, dpi=dpi, facecolor="black")
    place, size_pt = (6 / width, 7 / 22), height / 2 * 72 / dpi
    figure.text(*place, text, color="white", fontsize=size_pt, family="DejaVu Sans", parse_math=False)
    pixels = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(pixels, format="rgba")
    return np.frombuffer(pixels.getvalue(), np.uint8).reshape(height, width, 4)[..., 0]


def panels(frame: dict[str, Any], crop: tuple[int, int], largest: float, zoom: int) -> list[Picture]:
    """Draw one frame's panels: the frame, foreground, flow, ROI and joints.

    Parameters
    ----------
    frame : dict
        ``rgb`` and, as far as they are there, ``mask``, ``flow`` (px), ``centre``, ``joints``, and
        ``keypoints`` with ``keypoint_scores`` of the people not chosen.
    crop : (int, int)
        Width and height of the ROI's crop, px.
    largest : float
        Length of flow that gets full colour, px.
    zoom : int
        Picture pixels per frame pixel.

    Returns
    -------
    four of (H · zoom, W · zoom, 3) uint8
        RGB; a panel whose result is missing is grey.
    """
    rgb = frame["rgb"]
    missing = np.full_like(rgb, 60)
    mask = overlay_mask(rgb, frame["mask"]) if "mask" in frame else missing
    flow = flow_colours(frame["flow"], largest) if "flow" in frame else missing
    drawn = [enlarge(p, zoom) for p in (rgb, mask, flow, rgb)]
    if "keypoints" in frame:
        draw_others(drawn[3], frame["keypoints"], frame["keypoint_scores"], zoom)
    if "centre" in frame:
        draw_box(drawn[3], frame["centre"], crop, zoom)
    if "joints" in frame:
        draw_player(drawn[3], frame["joints"], zoom)
    return drawn

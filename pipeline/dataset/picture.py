"""A picture of some samples of a dataset file: what a network gets to see."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.summary import Summary
from pipeline.draw import Picture, caption, draw_player, flow_colours
from stages.annotations import encode_png
from store.atomic import write_bytes

#: samples shown, one a class first
SHOWN = 10
#: frames of each, evenly over its length
FRAMES = 5


def write_picture(path: Path, summary: Summary) -> None:
    """Draw samples of different classes, frames beside flow, and write a PNG."""
    write_bytes(path, encode_png(draw(summary)))


def draw(summary: Summary) -> Picture:
    """Rows of RGB crops with joints and of flow, one row a sample.

    Returns
    -------
    (H, W, 3) uint8
        RGB.
    """
    rows: list[Picture] = []
    with h5py.File(summary.path, "r") as file:
        for index in chosen(summary):
            rows += _row(file, summary, index)
    return np.vstack(rows)


def chosen(summary: Summary) -> list[int]:
    """Samples to show: the first of each class, then more in the order of the file."""
    labels = summary.samples["label"]
    firsts = sorted({label: i for i, label in reversed(list(enumerate(labels)))}.items())
    order = dict.fromkeys([*(i for _, i in firsts), *range(len(labels))])
    return list(order)[:SHOWN]


def _row(file: h5py.File, summary: Summary, index: int) -> Iterator[Picture]:
    first, rows = summary.samples["first"][index], summary.samples["rows"][index]
    frames = first + np.rint(np.linspace(0, rows - 1, FRAMES)).astype(int)
    panels = [
        _tile(file, int(at), kind) for kind in ("rgb", "flow") for at in frames if kind in file["cuboids"]
    ]
    if not panels:
        width, height = file.attrs["crop"]
        panels = [_joints(file, int(at), np.full((height, width, 3), 60, np.uint8)) for at in frames]
    picture = np.hstack(panels)
    name = summary.samples["label_name"][index] or "(unnamed stroke)"
    begin, end = summary.samples["begin"][index], summary.samples["end"][index]
    text = f"{name}   {summary.splits[index]}   frames {begin}-{end - 1}"
    yield caption(picture.shape[1], "".join(c if c.isascii() else "?" for c in text))
    yield picture


def crop_corner(file: h5py.File, row: int) -> NDArray[np.int64]:
    """First pixel (x, y) of the network's crop in the stored window."""
    crop, size = np.array(file.attrs["crop"]), np.array(file.attrs["window"])
    corner = np.rint(file["cuboids/roi"][row] - crop / 2 - file["cuboids/window"][row])
    return np.asarray(np.clip(corner, 0, size - crop), np.int64)


def _tile(file: h5py.File, row: int, kind: str) -> Picture:
    (x, y), (width, height) = crop_corner(file, row), file.attrs["crop"]
    data: Any = file[f"cuboids/{kind}"]
    pixels = data[row][y : y + height, x : x + width]
    if kind == "flow":
        full = float(np.max(file["statistics"].attrs["flow_divisor"]))
        return flow_colours(pixels * data.attrs["scale"], full)
    return _joints(file, row, np.ascontiguousarray(pixels))


def _joints(file: h5py.File, row: int, tile: Picture) -> Picture:
    if "pose" in file["cuboids"]:
        joints = file["cuboids/pose"][row]
        joints[:, :2] -= file["cuboids/window"][row] + crop_corner(file, row)
        draw_player(tile, joints, 1)
    return tile

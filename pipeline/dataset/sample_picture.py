"""Draw some samples of a dataset file as a network sees them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from pipeline.dataset.summary import Summary
from pipeline.pictures.draw import Picture, caption, draw_player, flow_colours
from pipeline.pictures.png import encode_png
from stages.base import Array
from stages.crop import crop_origin
from store.atomic import write_bytes

#: stands in the file (a tEXt chunk), so that an export knows its own pictures
MARK = "made by ttprep"
#: samples shown, at first one per class
SHOWN = 10
#: frames shown of each, evenly spaced over its length
FRAMES = 5
#: width of the picture of a dataset without samples, px
EMPTY_WIDTH = 600
#: full colour stands for no shorter flow than this, px: noise would look like motion
_LEAST = 1.0


def write_picture(path: Path, summary: Summary) -> None:
    """Draw samples of different classes and write them as PNG."""
    png = encode_png(draw(summary))
    kind, text = b"tEXt", b"Software\0" + MARK.encode()
    chunk = struct.pack(">I", len(text)) + kind + text + struct.pack(">I", zlib.crc32(kind + text))
    end = len(png) - 12  # of the chunk IEND, which has no content
    write_bytes(path, png[:end] + chunk + png[end:])


def draw(summary: Summary) -> Picture:
    """Draw one row per sample: RGB crops with the player's joints, then flow.

    Returns
    -------
    (H, W, 3) uint8
        RGB.
    """
    rows: list[Picture] = []
    with h5py.File(summary.path, "r") as file:
        held = list(file["cuboids"].values())  # or HDF5 parses where shards lie at each look
        for index in chosen(summary):
            rows += _row(file, summary, index)
        del held
    return np.vstack(rows or [caption(EMPTY_WIDTH, "no sample: whole videos alone")])


def chosen(summary: Summary) -> list[int]:
    """Choose samples to show: the first of each class, then others in the order of the file."""
    labels = summary.samples["label"]
    firsts = sorted({label: i for i, label in reversed(list(enumerate(labels)))}.items())
    order = dict.fromkeys([*(i for _, i in firsts), *range(len(labels))])
    return list(order)[:SHOWN]


def shown_rows(summary: Summary, index: int) -> list[int]:
    """Return the rows of /cuboids that are shown of a sample."""
    first, rows = summary.samples["first"][index], summary.samples["rows"][index]
    return [first + round(at) for at in np.linspace(0, rows - 1, FRAMES).tolist()]


def heading(file: h5py.File, summary: Summary, index: int) -> str:
    """Return the class and split of a sample, its frames, and which of them are shown."""
    name = summary.samples["label_name"][index] or "(unnamed stroke)"
    begin, end = summary.samples["begin"][index], summary.samples["end"][index]
    shown = ", ".join(str(int(file["cuboids/frame"][at])) for at in shown_rows(summary, index))
    videos, video = summary.videos["sha256"], summary.samples["video"][index]
    if videos.count(videos[video]) > 1:  # one of several players of a video
        name += f" ({summary.samples['player'][index] or summary.videos['focus'][video]})"
    return f"{name}   {summary.splits[index]}   frames {begin}-{end - 1}, shown {shown}"


def _row(file: h5py.File, summary: Summary, index: int) -> Iterator[Picture]:
    frames, text = shown_rows(summary, index), heading(file, summary, index)
    panels: list[Picture] = []
    if "rgb" in file["cuboids"]:
        panels += [with_joints(file, at, crop_of_row(file, at, "rgb")) for at in frames]
    if "flow" in file["cuboids"]:
        scale = float(file["cuboids/flow"].attrs["scale"])
        flows = [crop_of_row(file, at, "flow") * scale for at in frames]
        largest = max(_LEAST, *(float(np.percentile(np.hypot(f[..., 0], f[..., 1]), 99.5)) for f in flows))
        panels += [flow_colours(f, largest) for f in flows]
        text += f"   flow: full colour {largest:.1f} px"
    if not panels:
        width, height = file.attrs["crop"]
        panels = [with_joints(file, at, np.full((height, width, 3), 60, np.uint8)) for at in frames]
    picture = np.hstack(panels)
    yield caption(picture.shape[1], text)
    yield picture


def crop_corner(file: h5py.File, row: int) -> tuple[int, int]:
    """Return the first pixel (x, y) of the network's crop in the stored window of one row of /cuboids."""
    crop, window, frame = (tuple(file.attrs[name].tolist()) for name in ("crop", "window", "frame_size"))
    here = slice(row, row + 1)
    corners = crop_origin(file["cuboids/roi"][here], file["cuboids/window"][here], crop, window, frame)
    x, y = corners[0].tolist()
    return x, y


def crop_of_row(file: h5py.File, row: int, kind: str) -> Array:
    """Cut the network's crop out of one row of /cuboids."""
    (x, y), (width, height) = crop_corner(file, row), file.attrs["crop"]
    return np.ascontiguousarray(file[f"cuboids/{kind}"][row][y : y + height, x : x + width])


def with_joints(file: h5py.File, row: int, tile: Picture) -> Picture:
    """Draw the joints of one row of /cuboids onto its crop, in place, where the file has poses."""
    if "pose" in file["cuboids"]:
        joints = file["cuboids/pose"][row]
        joints[:, :2] -= file["cuboids/window"][row] + crop_corner(file, row)
        draw_player(tile, joints, 1)
    return tile

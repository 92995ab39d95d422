"""What the index says of the dataset: splits and classes, and samples as a grid."""

from __future__ import annotations

from collections import defaultdict, deque
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np

from pipeline.dataset.receipt import look_at
from pipeline.dataset.sample_picture import crop_of_row, with_joints
from pipeline.dataset.summary import Summary, read_summary
from pipeline.discovery import view_name
from pipeline.pictures.draw import Picture, flow_colours
from pipeline.report.content.measures import jpeg
from pipeline.terminal import readable

#: samples shown
MOST = 60
#: side of their pictures, px
SIDE = 128


def dataset_section(path: Path | None, pages: dict[tuple[str, str], str]) -> dict[str, Any] | None:
    """Return what the index shows of a dataset file; None where there is none.

    Parameters
    ----------
    path : Path or None
    pages : dict of (str, str) to str
        sha256 of a video and its view → its page.
    """
    if path is None or not path.is_file():
        return None
    name = readable(path.name)
    try:
        problem = look_at(path, read_data=False).problem
        if problem:
            return {"name": name, "problem": f"{problem}; `ttprep export` writes it anew"}
        return {"name": name, "problem": "", **_content(read_summary(path), pages)}
    except (OSError, KeyError, ValueError, RuntimeError) as e:
        reason = getattr(e, "strerror", None) or str(e)
        return {"name": name, "problem": f"cannot be read ({reason}); `ttprep verify` says more"}


def _content(summary: Summary, pages: dict[tuple[str, str], str]) -> dict[str, Any]:
    splits = list(summary.attrs["splits"])
    every = [(name, [by[s] for s in splits]) for name, by in summary.counts().items()]
    counts = [(name, row) for name, row in every if any(row)]
    with h5py.File(summary.path, "r") as file:
        grid = [_sample(file, summary, row, pages) for row in chosen(summary)]
    return {
        "samples": len(summary),
        "frames": sum(summary.samples["rows"]),
        "bytes": summary.size,
        "splits": splits,
        "counts": counts,
        "empty": [readable(name) for name, row in every if not any(row)],
        "totals": [sum(by[i] for _, by in counts) for i in range(len(splits))],
        "grid": grid,
    }


def chosen(summary: Summary, most: int = MOST) -> list[int]:
    """Choose samples: of every class in turn, evenly spread over those of the class; by class."""
    labels = summary.samples["label"]
    by_class: dict[int, list[int]] = defaultdict(list)
    for row, label in enumerate(labels):
        by_class[label].append(row)
    share: dict[int, int] = dict.fromkeys(by_class, 0)
    turns = deque(sorted(by_class))
    while turns and sum(share.values()) < most:
        label = turns.popleft()
        share[label] += 1
        if share[label] < len(by_class[label]):
            turns.append(label)
    picked = []
    for label in sorted(by_class):
        places = np.linspace(0, len(by_class[label]) - 1, share[label]).astype(int)
        picked += [by_class[label][i] for i in places]
    return picked


def _sample(file: h5py.File, summary: Summary, row: int, pages: dict[tuple[str, str], str]) -> dict[str, Any]:
    s = summary.samples
    at = int(s["first"][row]) + int(s["rows"][row]) // 2
    video = int(s["video"][row])
    return {
        "label": readable(s["label_name"][row]),
        "split": summary.splits[row],
        "begin": int(s["begin"][row]),
        "end": int(s["end"][row]),
        "video": readable(summary.videos["name"][video]),
        "page": _page(pages, summary.videos["sha256"][video], summary.videos["name"][video]),
        "picture": jpeg(_picture(file, at), SIDE),
    }


def _page(pages: dict[tuple[str, str], str], sha256: str, name: str) -> str:
    """Return the page of a video, or of the view that its name ends with."""
    views = [view for digest, view in pages if digest == sha256]
    view = next((v for v in views if v and name == view_name(name.removesuffix(f" ({v})"), v)), "")
    return pages.get((sha256, view), "")


def _picture(file: h5py.File, at: int) -> Picture:
    if "rgb" in file["cuboids"]:
        picture = with_joints(file, at, crop_of_row(file, at, "rgb"))
    elif "flow" in file["cuboids"]:
        flow = crop_of_row(file, at, "flow") * float(file["cuboids/flow"].attrs["scale"])
        picture = flow_colours(flow, max(1.0, float(np.abs(flow).max())))
    else:
        width, height = file.attrs["crop"]
        picture = with_joints(file, at, np.full((height, width, 3), 60, np.uint8))
    if picture.shape[0] < SIDE // 2:  # a tiny crop would be a blur
        zoom = SIDE // picture.shape[0]
        picture = np.asarray(
            cv2.resize(picture, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_NEAREST), np.uint8
        )
    return picture

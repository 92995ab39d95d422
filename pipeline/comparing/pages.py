"""The page of a comparison, in the folder of a report: skeletons, curves and pictures of two strokes in step.

Everything is in the page itself: the pictures as one JPEG a stroke, cut to the player, since a page from the
disk may load no other pictures, and since steps along a warping path are exact so.
"""

from __future__ import annotations

import base64
import hashlib
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.comparing.compare import Comparison
from pipeline.comparing.measuring.band import mean
from pipeline.comparing.measuring.measures import WINDOWS
from pipeline.comparing.measuring.movement import MOMENTS, SERIES
from pipeline.comparing.strokes import Stroke
from pipeline.execution.feature_files import read_info
from pipeline.planning.graph import Node
from pipeline.report.content.overlay import limbs
from pipeline.report.folder import COMPARISONS, Folder
from pipeline.report.pages import embedded, render, write_assets
from pipeline.terminal import readable
from stages.base import Array
from stages.kinematics.angles import DEGREES, UNITS, meaning
from stages.kinematics.course import Floats, body_length, middle
from stages.kinematics.phases import NAMES
from store import Store

#: around the player's joints, body lengths: hands, racket and head go beyond them
MARGIN = 0.7
#: pictures beside one another in the JPEG
COLUMNS = 8
QUALITY = 85
#: curves that are shown, but for the side of the playing hand
CURVES = ("elbow", "shoulder", "hand_height", "trunk_lean", "hip_width")


def page_name(found: Comparison) -> str:
    """Return the name of the page: the same comparison replaces its own."""
    s = found.stroke
    digest = hashlib.sha256("\n".join(r.name for r in found.references).encode()).hexdigest()[:8]
    return f"{COMPARISONS}/{s.source.sha256[:16]}-{s.begin}-{s.end}-{digest}"


def write_page(place: Path, found: Comparison, store: Store) -> Path:
    """Write the page of a comparison into a report's folder; return its path.

    Parameters
    ----------
    place : Path
        New, empty, or a report.
    found : Comparison
    store : Store
        Where the frames are.

    Raises
    ------
    UserError
        The folder is not a report's, or cannot be written.
    StoreError
        The frames are damaged.
    """
    folder = Folder(place)
    write_assets(folder)
    name = page_name(found)
    folder.write(f"{name}.html", render("comparison.html", _context(found, store, folder)))
    folder.write_note(
        f"{name}.json", {"title": _title(found), "page": f"{name}.html", "verdict": found.verdict}
    )
    return folder.path / f"{name}.html"


def _title(found: Comparison) -> str:
    count = len(found.references)
    beside = found.references[0].name if count == 1 else f"{count} references"
    return f"{found.stroke.name} beside {beside}"


def _context(found: Comparison, store: Store, folder: Folder) -> dict[str, Any]:
    aligned = found.learned.band.align(found.stroke.movement)
    both = [_side(s, store) for s in (found.stroke, found.template)]
    data = {
        "steps": [[int(i), int(j)] for i, j in aligned.pairs],
        "strokes": [side["data"] for side in both],
        "limbs": limbs(),
        "moments": MOMENTS,
    }
    return {
        "root": "../", "nonce": folder.nonce, "title": readable(_title(found)),
        "verdict": found.verdict, "version": metadata.version("ttprep"),
        "written": time.strftime("%Y-%m-%d %H:%M"),
        "band": bool(len(found.judged.usual)), "steps": len(aligned.pairs),
        "index": (folder.path / "index.html").is_file(),
        "strokes": [
            {"name": readable(s.name), "facts": [readable(f) for f in _facts(s)], "role": role}
            for s, role in ((found.stroke, "the stroke"), (found.template, _middle(found)))
        ],
        "findings": [
            {"text": readable(f.text), "spreads": f.spreads, "beyond": f"{f.beyond} of {f.of}"}
            for f in found.judged.findings
        ],
        "notes": [readable(n) for n in found.notes],
        "curves": _curves(found, aligned.angles),
        "phases": _phases(found),
        **_table(found),
        "references": [readable(s.name) for s in found.references],
        "data": embedded(data),
    }  # fmt: skip


def _middle(found: Comparison) -> str:
    return "the reference in the middle" if len(found.references) > 1 else "the reference"


def _facts(stroke: Stroke) -> list[str]:
    m = stroke.movement
    facts = [stroke.kind, stroke.player, f"frames {stroke.begin}-{stroke.end - 1}", f"{m.seconds:.2f} s"]
    facts.append(f"{m.hand} hand" if m.hand else "playing hand unknown")
    return [f for f in facts if f] + (["mirrored"] if stroke.described.mirrored else [])


def _root(node: Node) -> Node:
    while not node.stage.is_root:
        node = node.inputs["frames"] if "frames" in node.inputs else next(iter(node.inputs.values()))
    return node


def _side(stroke: Stroke, store: Store) -> dict[str, Any]:
    """Return the pictures of a stroke's moments and its joints there, as the page takes them."""
    course = stroke.described.course
    info = read_info(store, stroke.node)
    left, top, right, bottom = _box(course.joints, body_length(course), info.width, info.height)
    at = np.rint(stroke.movement.frames).astype(int)
    kept = np.unique(at)
    with store.reader(_root(stroke.node).slot) as reader:
        pictures = reader.read("rgb", stroke.begin, stroke.end)[kept]
    if stroke.described.mirrored:
        pictures = pictures[:, :, ::-1]
    joints = course.joints[at]
    centre = mean(middle(course, "hip"), 0)
    body = (joints - centre) / body_length(course)
    return {
        "data": {
            "sheet": _sheet(pictures[:, top:bottom, left:right]),
            "size": [right - left, bottom - top],
            "columns": COLUMNS,
            "tile": np.searchsorted(kept, at).tolist(),
            "frame": (at + stroke.begin).tolist(),
            "seconds": stroke.movement.seconds,
            "joints": _listed(joints - (left, top), 1),
            "body": _listed(body, 3),
        }
    }


def _box(joints: Floats, length: float, width: int, height: int) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of what is shown, px of the stored frame."""
    known = joints[np.isfinite(joints).all(axis=-1)]
    if not len(known):
        return 0, 0, width, height
    margin = MARGIN * (length if np.isfinite(length) else height / 5)
    low, high = known.min(axis=0) - margin, known.max(axis=0) + margin
    left, top = (int(max(0, v)) for v in low)
    right, bottom = int(min(width, high[0] + 1)), int(min(height, high[1] + 1))
    return (left, top, right, bottom) if right - left > 1 and bottom - top > 1 else (0, 0, width, height)


def _sheet(pictures: Array) -> str:
    """Return pictures (n, h, w, 3) RGB as one JPEG, row by row, in a data URI."""
    n, h, w = pictures.shape[:3]
    rows = -(-n // COLUMNS)
    sheet = np.zeros((rows * h, COLUMNS * w, 3), np.uint8)
    for i, picture in enumerate(pictures):
        y, x = i // COLUMNS * h, i % COLUMNS * w
        sheet[y : y + h, x : x + w] = picture
    done, data = cv2.imencode(
        ".jpg", np.ascontiguousarray(sheet[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    )
    if not done:
        raise RuntimeError("JPEG cannot be encoded by this OpenCV; install a build of it that can")
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def _listed(values: Floats, digits: int) -> list[Any]:
    """Return points as lists; a point that is not known as None."""
    return [
        [
            [round(float(x), digits), round(float(y), digits)] if np.isfinite(x) and np.isfinite(y) else None
            for x, y in row
        ]
        for row in values
    ]


def _phases(found: Comparison) -> list[dict[str, Any]]:
    edges = found.template.movement.edges
    if not edges:
        return []
    return [
        {"name": name.replace("_", " "), "x": begin, "w": max(end - begin, 0.0)}
        for name, begin, end in zip(NAMES, edges[:-1], edges[1:], strict=True)
    ]


def _curves(found: Comparison, own: Floats) -> list[dict[str, Any]]:
    """Return the curves of angles and heights over the moments of the template, as SVG paths."""
    hand = found.template.movement.hand or found.stroke.movement.hand or "right"
    every = found.learned.band.angles
    out = []
    for word in CURVES:
        name = f"{word}_{hand}" if f"{word}_{hand}" in SERIES else word
        column = SERIES.index(name)
        theirs, mine = every[:, :, column], own[:, column]
        values = np.concatenate([theirs.ravel(), mine])
        values = values[np.isfinite(values)]
        if not len(values) or not np.isfinite(mine).any():
            continue
        low, high = float(values.min()), float(values.max())
        span = max(high - low, 1e-6)

        def path(series: Floats, low: float = low, span: float = span) -> str:
            return _path(100 * (1 - (series - low) / span))

        known = np.isfinite(theirs).any(axis=0)
        least = np.where(known, np.nanmin(np.where(known, theirs, 0), axis=0), np.nan)
        most = np.where(known, np.nanmax(np.where(known, theirs, 0), axis=0), np.nan)
        unit = "degrees" if UNITS[name] == DEGREES else UNITS[name]
        digits = 0 if UNITS[name] == DEGREES else 2
        out.append(
            {
                "title": name.replace("_", " "), "meaning": meaning(name), "unit": unit,
                "low": f"{low:.{digits}f}", "high": f"{high:.{digits}f}",
                "band": _area(100 * (1 - (least - low) / span), 100 * (1 - (most - low) / span)),
                "mean": path(mean(theirs, 0)), "own": path(mine),
            }
        )  # fmt: skip
    return out


def _path(heights: Floats) -> str:
    """Return an SVG path over the moments; it is broken where a value is not known."""
    parts, drawing = [], False
    for x, y in enumerate(heights):
        if not np.isfinite(y):
            drawing = False
            continue
        parts.append(f"{'L' if drawing else 'M'}{x} {y:.1f}")
        drawing = True
    return "".join(parts)


def _area(low: Floats, high: Floats) -> str:
    known = np.flatnonzero(np.isfinite(low) & np.isfinite(high))
    if not len(known):
        return ""
    there = "L".join(f"{x} {high[x]:.1f}" for x in known)
    back = "L".join(f"{x} {low[x]:.1f}" for x in known[::-1])
    return f"M{there}L{back}Z"


def _table(found: Comparison) -> dict[str, Any]:
    rows = found.judged.distances
    windows = [w for w in next(iter(rows.values())) if w != "stroke"]

    def cell(pair: tuple[float, float]) -> dict[str, Any]:
        own, usual = pair
        return {
            "own": f"{own:.2f}" if np.isfinite(own) else "",
            "usual": f"{usual:.2f}" if np.isfinite(usual) else "",
            "odd": bool(np.isfinite(own) and np.isfinite(usual) and own > 2 * usual),
        }

    order = ["stroke", *windows]
    return {
        "windows": [WINDOWS[w].removeprefix("in the ") or "stroke" for w in order],
        "distances": [{"part": part, "cells": [cell(row[w]) for w in order]} for part, row in rows.items()],
    }

"""What a page turns: the player's joints in space, as data, in scripts of 2000 frames like the overlay's."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np

from pipeline.report.content.overlay import ROWS, limbs
from pipeline.report.content.results import Results
from pipeline.report.folder import MARK, Folder
from stages.base import Array
from stages.descriptor import JOINTS
from store import FeatureReader

VERSION = 1
#: stored steps per metre
STEPS = 1000
#: lines that only a body seen from all sides needs
ACROSS = ("shoulder", "hip")


def space_digest(results: Results) -> str:
    """Return what the scripts are made of."""
    return f"{VERSION}-{results.digest('frames', 'pose3d')}"


def write_space(folder: Folder, stem: str, results: Results) -> list[str]:
    """Write the scripts ``<stem>-space-0.js``, … of a video; return their names.

    Each calls ``ttprepSpace(number, {joints, scores})``: int16 positions in mm from the middle of the hips,
    (n, 13, 3), and uint8 scores in 1/255, (n, 13); 0 throughout where there is no skeleton.
    """
    found = results.try_reading("pose3d", _read) if results.info is not None else None
    if found is None:
        return []
    joints, scores = found
    names = []
    for k in range(-(-len(joints) // ROWS)):
        here = slice(k * ROWS, (k + 1) * ROWS)
        steps = np.clip(np.rint(joints[here] * STEPS), -32768, 32767).astype("<i2")
        sure = np.clip(np.rint(scores[here] * 255), 0, 255).astype(np.uint8)
        value = {"joints": _text(steps), "scores": _text(sure)}
        names.append(f"{stem}-space-{k}.js")
        folder.write(names[-1], f"/* {MARK} */\nttprepSpace({k}, {json.dumps(value)});\n")
    return names


def space_context(stem: str, scripts: int) -> dict[str, Any]:
    """Return what the page's part takes."""
    sides = ["left" if j.startswith("left") else "right" if j.startswith("right") else "" for j in JOINTS]
    across = [(JOINTS.index(f"left_{at}"), JOINTS.index(f"right_{at}")) for at in ACROSS]
    return {
        "data": {
            "stem": stem, "scripts": scripts, "rows": ROWS, "steps": STEPS, "sides": sides,
            "limbs": [*limbs(), *across],
        }
    }  # fmt: skip


def _read(reader: FeatureReader) -> tuple[Array, Array]:
    return reader.read("joints"), reader.read("scores")


def _text(values: Array) -> str:
    return base64.b64encode(values.tobytes()).decode()

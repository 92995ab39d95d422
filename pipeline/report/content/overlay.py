"""What a page draws over the film, as data: the ROI's centre and the player's joints, frame by frame.

Scripts hold 2000 frames each and are loaded when they are needed, so that pages of long videos open at once:
scripts are the only data that a page may load from the disk. Values are little-endian and in base64.
"""

from __future__ import annotations

import base64
import json

import numpy as np

from pipeline.report.content.results import Results
from pipeline.report.folder import MARK, Folder
from stages.base import Array
from stages.descriptor import JOINTS
from stages.pose import EDGES
from store import FeatureReader

VERSION = 1
#: frames of one script
ROWS = 2000
#: stored steps per px
STEPS = 16


def overlay_digest(results: Results) -> str:
    """Return what the scripts are made of."""
    return f"{VERSION}-{results.digest('frames', 'roi', 'descriptor')}"


def write_overlay(folder: Folder, stem: str, results: Results) -> list[str]:
    """Write the scripts ``<stem>-0.js``, ``<stem>-1.js``, … of a video; return their names.

    Each calls ``ttprepOverlay(number, {centre, joints, scores})``: int16 positions in 1/16 px of the stored
    frame, (n, 2) and (n, 13, 2), and uint8 scores in 1/255, (n, 14), the pose's own first.
    """
    info = results.info
    if info is None:
        return []
    centre = results.try_reading("roi", lambda r: r.read("centre"))
    joints = results.try_reading("descriptor", _joints)
    if centre is None and joints is None:
        return []
    names = []
    for k in range(-(-info.n_frames // ROWS)):
        here = slice(k * ROWS, (k + 1) * ROWS)
        value = {"centre": _packed(centre[here])} if centre is not None else {}
        if joints is not None:
            scores = np.clip(np.rint(joints[here, :, 2] * 255), 0, 255).astype(np.uint8)
            value["joints"] = _packed(joints[here, 1:, :2])
            value["scores"] = base64.b64encode(scores.tobytes()).decode()
        names.append(f"{stem}-{k}.js")
        folder.write(names[-1], f"/* {MARK} */\nttprepOverlay({k}, {json.dumps(value)});\n")
    return names


def _joints(reader: FeatureReader) -> Array:
    joints: Array = reader.read("joints")
    return joints


def _packed(positions: Array) -> str:
    steps = np.clip(np.rint(np.nan_to_num(positions) * STEPS), -32768, 32767).astype("<i2")
    return base64.b64encode(steps.tobytes()).decode()


def limbs() -> list[tuple[int, int]]:
    """Return the pairs of the 13 joints that a line connects."""
    index = {name: i for i, name in enumerate(JOINTS)}
    return [(index[a], index[b]) for a, b in EDGES if a in index and b in index]

"""Whether an exported file is still what an export would write.

The fingerprint is the sha256 of everything the file's content follows from: samples, labels, splits,
the keys of the results it is cut from, parameters and versions. It stands in the file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py

from pipeline.dataset.content import Content
from pipeline.execution.layouts import SAMPLE_ROWS, UNTRIMMED_ROWS
from pipeline.provenance import provenance

#: raised by hand whenever what is written changes for the same content
WRITER_VERSION = 1


def parts(content: Content, splits: Mapping[str, str], *, compact: bool) -> dict[str, Any]:
    """What the fingerprint is made of, as JSON values."""
    used = {"cuboids", "statistics"}
    if content.untrimmed:
        used |= {"untrimmed", "roi", "descriptor"}
    views = content.views.values()
    return {
        "writer": [WRITER_VERSION, SAMPLE_ROWS, UNTRIMMED_ROWS],
        "ttprep": provenance().get("ttprep"),
        "compact": compact,
        "modalities": list(content.modalities),
        "untrimmed": content.untrimmed,
        "cuboids": content.cuboids.model_dump(mode="json"),
        "taxonomy": content.view.name,
        # as lists: the order of classes is that of their indices
        "views": [[v.name, v.unlabelled, [[c, list(p)] for c, p in v.classes.items()]] for v in views],
        "parameters": dict(content.parameters),
        "left_out": list(content.left_out),
        "videos": [
            {
                "name": v.name,
                "sha256": v.source.sha256,
                "player": v.source.player,
                "frames": v.info.n_frames,
                "fps": [v.info.fps.numerator, v.info.fps.denominator],
                "keys": {name: node.key for name, node in sorted(v.nodes.items()) if name in used},
                "samples": [
                    [s.id, s.begin, s.end, s.label, list(s.annotators), s.player, splits[s.id]]
                    for s in v.samples
                ],
                "actions": [[a.begin, a.end, a.label] for a in v.actions] if content.untrimmed else [],
            }
            for v in content.videos
        ],
    }


def fingerprint(content: Content, splits: Mapping[str, str], *, compact: bool) -> str:
    """sha256 hex of :func:`parts`."""
    text = json.dumps(parts(content, splits, compact=compact), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def card_mark(mark: str, content: Content) -> str:
    """What a card follows from: the file, and the cleaning that led to it."""
    text = json.dumps([mark, content.waterfall.to_json()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint_of(path: Path) -> str:
    """The fingerprint that stands in a file; empty where there is no complete dataset file."""
    try:
        with h5py.File(path, "r") as file:
            return str(file.attrs["fingerprint"]) if file.attrs.get("complete") else ""
    except (OSError, KeyError):
        return ""

"""Tell whether an exported file is still what an export would write.

The fingerprint is the sha256 of everything that decides the file's content: samples, labels, splits, the
keys of the results that it is cut from, parameters and versions. The file carries it as an attribute.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py

from pipeline.annotations.parsing.focus import name_of
from pipeline.dataset.content import Content
from pipeline.dataset.pixels.pieces import VERSION, Shards
from pipeline.execution.layouts import SAMPLE_ROWS, UNTRIMMED_ROWS
from pipeline.planning.frame_times import VARIABLE
from pipeline.provenance import provenance

#: to be raised by hand when the same content is written differently
WRITER_VERSION = 1


def parts(
    content: Content, splits: Mapping[str, str], *, compact: bool, shards: Shards = None
) -> dict[str, Any]:
    """Return what the fingerprint is computed from, as JSON values."""
    used = {"cuboids", "statistics"}
    if content.untrimmed:
        used |= {"untrimmed", "roi", "descriptor"}
    views = content.views.values()
    return {
        "writer": [WRITER_VERSION, SAMPLE_ROWS, UNTRIMMED_ROWS],
        "ttprep": provenance().get("ttprep"),
        "compact": compact,
        **({} if shards is None else {"shards": [VERSION, shards]}),  # as before where there are none
        "modalities": list(content.modalities),
        "untrimmed": content.untrimmed,
        "cuboids": content.cuboids.model_dump(mode="json"),
        "taxonomy": content.view.name,
        # lists, not mappings: the order of the classes gives their indices
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
                **({"rate": VARIABLE} if v.variable else {}),
                **({"group": v.source.group} if v.source.group else {}),
                **({"focus": name_of(v.source.focus)} if v.source.focus else {}),
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


def dataset_fingerprint(
    content: Content, splits: Mapping[str, str], *, compact: bool, shards: Shards = None
) -> str:
    """Return the sha256 of :func:`parts`, in hexadecimal."""
    text = json.dumps(
        parts(content, splits, compact=compact, shards=shards), sort_keys=True, separators=(",", ":")
    )
    return hashlib.sha256(text.encode()).hexdigest()


def card_mark(fingerprint: str, content: Content) -> str:
    """Return the sha256 of what decides a card: the dataset's fingerprint, the cleaning before it, flags."""
    flags = [*content.flagged.lines()]
    text = json.dumps([fingerprint, content.waterfall.to_json(), *flags], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def stored_fingerprint(path: Path) -> str:
    """Read the fingerprint of a dataset file; empty where there is no complete one.

    HDF5 parses the file: what is damaged must have been sorted out before (:mod:`pipeline.dataset.receipt`).
    """
    try:
        with h5py.File(path, "r") as file:
            return str(file.attrs["fingerprint"]) if file.attrs.get("complete") else ""
    except (OSError, KeyError, RuntimeError):
        return ""

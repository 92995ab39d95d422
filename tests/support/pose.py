"""Checkpoints of random weights in the published layout, and the shared references where they are."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from stages.pose.architecture import Model, variables

SHARED = os.environ.get("TTPREP_SHARED")
needs_shared = pytest.mark.skipif(not SHARED, reason="TTPREP_SHARED does not name the reference material")


def checkpoint() -> Path:
    return Path(SHARED or "", "posenet/mobilenet_v1_075")


def reference() -> Path:
    return Path(SHARED or "", "posenet/reference")


def write_checkpoint(folder: Path, model: Model, seed: int = 0) -> Path:
    """Random weights of a gain that keeps the activations alive through all fourteen layers."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    manifest = {}
    for name, shape in variables(model).items():
        file = name.replace("/", "_")
        fan_in = (
            shape[0] * shape[1] * (1 if "depthwise_weights" in name else shape[2]) if len(shape) == 4 else 1
        )
        scale = 0.1 if len(shape) == 1 else np.sqrt(2 / fan_in)
        (rng.standard_normal(shape) * scale).astype("<f4").tofile(folder / file)
        manifest[name] = {"filename": file, "shape": list(shape)}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder

"""Helpers of the flow tests: shared material, synthetic pictures."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray


def shared(*parts: str) -> Path:
    """A path in the shared reference material; skips the test where that is not set up."""
    root = os.environ.get("TTPREP_SHARED")
    if not root:
        pytest.skip("TTPREP_SHARED is not set: no reference material")
    path = Path(root).joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path.name} is not in TTPREP_SHARED")
    return path


def reference_files() -> list[Path]:
    """Every pair with a stored field of the reference implementation."""
    root = os.environ.get("TTPREP_SHARED")
    return sorted(Path(root, "flow", "pyflow").glob("*.npz")) if root else []


def texture(height: int, width: int, seed: int = 0, channels: int = 3) -> NDArray[np.float32]:
    """A smooth random picture in [0, 1], (height, width, channels)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    picture = np.zeros((height, width, channels), np.float32)
    for _ in range(12):
        fy, fx = rng.normal(0, 0.25, 2)
        phase = rng.uniform(0, 6.28, channels)
        picture += np.sin((fx * x + fy * y)[:, :, np.newaxis] + phase).astype(np.float32)
    picture -= picture.min()
    out: NDArray[np.float32] = picture / picture.max()
    return out

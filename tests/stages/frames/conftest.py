"""One clip of every format, for all tests of decoding."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from tests.conftest import encode, scene
from tests.stages.frames.decoding import FORMATS


@pytest.fixture(scope="session")
def formats(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One short clip of every format that this build of FFmpeg can write."""
    folder = tmp_path_factory.mktemp("formats")
    made = {}
    for name, options in FORMATS.items():
        try:
            av.Codec(options.get("codec", "libx264"), "w")
        except ValueError:
            continue
        made[name] = encode(folder / name, scene(24, (320, 192), seed=3, noise=8), **options)
    return made

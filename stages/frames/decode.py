"""Every picture of a source, be it a video file or a folder that holds one picture per frame."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.frames.folder import decode_folder
from stages.frames.report import Report
from stages.frames.video import decode_video


def decode(path: Path, report: Report) -> Iterator[Any]:
    """Decode all pictures of a source, in presentation order.

    Parameters
    ----------
    path : Path
        A video file, or a folder of pictures.
    report : Report
        Filled on the way.

    Yields
    ------
    av.VideoFrame

    Raises
    ------
    StageError
        The source cannot be opened or holds no picture. Damage further in is not raised but recorded in
        ``report.faults``: the caller decides.
    """
    # isdir is False where that cannot be told: opening it says why
    yield from decode_folder(path, report) if os.path.isdir(path) else decode_video(path, report)

"""What a run of the tests leaves out because something is not there: said at its end, beside the skips."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator


def missing(skipped: list[str]) -> Iterator[str]:
    """Yield a line for each thing whose lack left tests out.

    Parameters
    ----------
    skipped : list of str
        Reasons of the skipped tests and modules.
    """
    if importlib.util.find_spec("torch") is None:
        n = sum("tttrain needs" in reason or "torch" in reason for reason in skipped)
        yield (
            f"torch is not installed: no training, evaluation or detection was tested ({n} skips);"
            " `pip install torch`, or the build for the CPU that pytorch.org names"
        )
    if n := sum("BlazePose" in reason for reason in skipped):
        yield (
            f"BlazePose was not tested ({n} skips):"
            " `pip install -e .[pose3d]`, then `ttprep weights pose3d` (41 MB)"
        )
    if any("no Slurm runs here" in reason for reason in skipped):
        yield "no Slurm runs here: jobs were begun by a script in its place; Debian: slurm-wlm, munge"
    if not os.environ.get("TTPREP_SHARED"):
        n = sum("TTPREP_SHARED" in reason for reason in skipped)
        yield (
            f"TTPREP_SHARED is not set: nothing was compared with real clips and the references ({n} skips);"
            " see CONTRIBUTING.md"
        )

"""PoseNet's weights: which ones count for a request, and whether there are any."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.planning.plan import Planned
from pipeline.planning.request import Request
from stages.base import StageError
from stages.pose import PoseParams, resolve_weights
from stages.pose.pins import PUBLISHED
from stages.pose.weights import ENVIRONMENT

if TYPE_CHECKING:
    from pipeline.planning.survey import Overview


def _weights(request: Request, overview: Overview, *, download: bool) -> None:
    """Decide which PoseNet weights count, by content; note why where there are none."""
    params = request.manifest.params("pose")
    assert isinstance(params, PoseParams)
    explicit = request.pose_weights
    if explicit is None and request.manifest.pose_weights is not None:
        explicit = request.manifest.resolve(request.manifest.pose_weights)
    try:
        weights = resolve_weights(explicit, params.model, download=download)
    except StageError as e:
        overview.unavailable = str(e)
        if explicit is None and params.model in PUBLISHED:  # the key is known without having the files
            overview.overrides["pose"] = {"weights_sha256": PUBLISHED[params.model]}
        return
    overview.unavailable = ""
    overview.overrides["pose"] = {"weights_sha256": weights.sha256}
    overview.environment[ENVIRONMENT] = str(Path(weights.path).resolve())


def _needs_weights(plan: list[Planned]) -> bool:
    return any(p.node.stage.name == "pose" and p.state != "done" for p in plan)

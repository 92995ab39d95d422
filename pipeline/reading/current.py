"""Which of a store's results are those of a manifest's parameters; no video is read to tell."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.discovery import on_disk
from pipeline.inputs.manifest import Manifest
from pipeline.inputs.sources import Source
from pipeline.planning.derived_parameters import derive
from pipeline.planning.graph import build, wanted_stages
from pipeline.reading.catalogue import Entry
from stages.base import Params
from stages.registry import registry


@dataclass
class Current:
    """Knows the keys of the results that a run with a manifest would make now.

    Attributes
    ----------
    manifest : Manifest
    pose_weights : Path or None
        Folder of PoseNet weights; takes precedence over the manifest's.
    """

    manifest: Manifest
    pose_weights: Path | None = None
    _derived: dict[str, Params] | None = field(default=None, repr=False)

    def keys(self, entry: Entry) -> dict[str, str]:
        """Return stage → key, for the stages that run through whole videos.

        Parameters
        ----------
        entry : Entry
            Empty where nothing is done for it.
        """
        digest = next((str(r.parts["source"]) for r in entry.receipts if "source" in r.parts), "")
        if not digest:
            return {}
        path = entry.paths[0] if entry.paths else Path(entry.id)
        given = any("keypoints" in r.shapes for r in entry.of("frames"))
        source = Source(path, path.name, digest, fps=self._fps(entry), joints=path if given else None)
        plain = [name for name, stage in registry().items() if not stage.sampling]
        names = [n for n in wanted_stages(self.manifest, plain, source) if n in plain]
        if self._derived is None:
            found = derive(self.manifest, plain, self.pose_weights, download=False)
            self._derived = {name: d.params for name, d in found.items()}
        nodes = build(source, self.manifest, names, self._derived)
        return {name: node.key for name, node in nodes.items()}

    def _fps(self, entry: Entry) -> float | None:
        """Return the frame rate that the manifest gives a video, 1/s; None where it gives none."""
        places = {Path(os.path.realpath(path)) for path in entry.paths}
        for video in self.manifest.videos:
            if self._place(video.path) in places:
                return video.fps
        for source in self.manifest.sources:
            home = self._place(source.path)
            if any(place.is_relative_to(home) for place in places):
                return source.fps
        return None

    def _place(self, path: Path) -> Path:
        return Path(os.path.realpath(on_disk(self.manifest.resolve(path))))

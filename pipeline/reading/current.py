"""Which of a store's results are those of a manifest's parameters; no video is read to tell."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.discovery import on_disk
from pipeline.inputs.focus import Foci
from pipeline.inputs.manifest import Manifest
from pipeline.inputs.sources import Source
from pipeline.inputs.trials import Member, find
from pipeline.planning.derived_parameters import derive
from pipeline.planning.graph import build, wanted_stages
from pipeline.reading.catalogue import Entry
from stages.base import Params
from stages.focus import Focus
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
    _members: dict[Path, Member] | None = field(default=None, repr=False)

    def keys(self, entry: Entry, focus: Focus | None = None) -> dict[str, str]:
        """Return stage → key, for the stages that run through whole videos.

        Parameters
        ----------
        entry : Entry
            Empty where nothing is done for it.
        focus : Focus, optional
            Of the view.
        """
        digest = next((str(r.parts["source"]) for r in entry.receipts if "source" in r.parts), "")
        if not digest:
            return {}
        path = entry.paths[0] if entry.paths else Path(entry.id)
        given = any("keypoints" in r.shapes for r in entry.of("frames"))
        fps = self._said(entry)[0]
        source = Source(path, path.name, digest, fps=fps, joints=path if given else None, focus=focus)
        plain = [name for name, stage in registry().items() if not stage.sampling]
        names = [n for n in wanted_stages(self.manifest, plain, source) if n in plain]
        if self._derived is None:
            found = derive(self.manifest, plain, self.pose_weights, download=False)
            self._derived = {name: d.params for name, d in found.items()}
        nodes = build(source, self.manifest, names, self._derived)
        return {name: node.key for name, node in nodes.items()}

    def foci(self, entry: Entry) -> Foci:
        """Return the focus that the manifest gives a video, or those of its players."""
        return self._said(entry)[1]

    def _said(self, entry: Entry) -> tuple[float | None, Foci]:
        """Return the frame rate, 1/s or None, and the focus that the manifest gives a video."""
        places = [Path(os.path.realpath(path)) for path in entry.paths]
        usual = self.manifest.focus
        for source in self.manifest.sources:
            home = self._place(source.path)
            inside = [place for place in places if place.is_relative_to(home)]
            if inside:
                found = [m for place in inside if (m := self._member(place)) is not None]
                return source.fps, found[0].foci if found else source.foci(usual)
        entries = {self._place(video.path): video for video in self.manifest.videos}
        for place in places:
            video = next((entries[p] for p in (place, *place.parents) if p in entries), None)
            if video is not None:
                return video.fps, video.foci(usual)
        return None, usual

    def _member(self, place: Path) -> Member | None:
        """Return what the manifest's sources say of a trial or clip, tables of labels included."""
        if not any(source.labels not in ("", "folder") for source in self.manifest.sources):
            return None
        if self._members is None:
            self._members = find(self.manifest, (), Path(".ttprep-none")).members
        return self._members.get(place)

    def _place(self, path: Path) -> Path:
        return Path(os.path.realpath(on_disk(self.manifest.resolve(path))))

"""From videos to views: one for each player of a video, each with a region of interest of its own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from pipeline.annotations.parsing.focus import name_of
from pipeline.discovery import on_disk, real_path, view_name
from pipeline.inputs.focus import Foci
from pipeline.inputs.manifest import Manifest
from pipeline.inputs.sources import Source
from stages.focus import Focus


def with_entries(manifest: Manifest, sources: Iterable[Source]) -> tuple[list[Source], list[str]]:
    """Tell videos what the manifest says of them, or of a folder that they lie in.

    Returns
    -------
    sources : list of Source
        In the given order.
    notes : list of str
        Videos of the same content that have different focuses.
    """
    entries = {str(on_disk(manifest.resolve(e.path)).resolve()): e for e in manifest.videos}
    told, notes = [], []
    folders: dict[str, str] = {}
    for source in sources:
        source = replace(source, foci=manifest.focus)
        said: dict[Foci, Path] = {}
        for path in (source.path, *source.also) if entries else ():
            entry = next((entries[p] for p in _upwards(real_path(path, folders)) if p in entries), None)
            if entry is not None:
                said[entry.foci(manifest.focus)] = path
                source = replace(
                    source,
                    fps=entry.fps,
                    player=entry.player,
                    group=entry.group,
                    foci=entry.foci(manifest.focus),
                )
        if len(said) > 1:
            places = " and ".join(map(str, said.values()))
            notes.append(
                f"{source.name}: {places} have the same content, but another focus; the last one counts"
            )
        told.append(source)
    return told, notes


def _upwards(path: str) -> Iterator[str]:
    """Yield a path and all folders above it; as text, for there are ten thousand videos."""
    while True:
        yield path
        above = os.path.dirname(path)
        if above == path:
            return
        path = above


def views_of(sources: Iterable[Source]) -> tuple[list[Source], list[str]]:
    """Split videos into their views.

    Parameters
    ----------
    sources : iterable of Source

    Returns
    -------
    views : list of Source
        Of a video with several players one for each; of every other video the video, with its focus.
    notes : list of str
        Trials and clips with several players whose label names none of them.
    """
    views: list[Source] = []
    notes: list[str] = []
    for source in sources:
        if not source.players:
            views.append(replace(source, focus=source.foci[0][1]) if source.foci else source)
            continue
        played = [name for name in source.players if name.casefold() == source.player.strip().casefold()]
        if source.sample and source.label and not played:
            who = f"{source.player!r} is none of them" if source.player else "its label has no player"
            notes.append(
                f"{source.name}: no sample: it has the players {', '.join(source.players)}, and {who}; "
                "name one of them in the labels"
            )
        for name, focus in source.foci:
            label = source.label if not source.sample or name in played else ""
            views.append(
                replace(
                    source,
                    name=view_name(source.name, name),
                    player=name,
                    view=name,
                    focus=focus,
                    label=label,
                )
            )
    return views, notes


def hinted(source: Source, focus: Focus) -> Source:
    """Return the view of those strokes of a video whose annotations say where to look."""
    text = name_of(focus)
    view = f"{source.view}, {text}" if source.view else text
    return replace(
        source, name=view_name(source.video, view), view=view, focus=focus, hinted=True, sample="", label=""
    )

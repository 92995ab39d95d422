"""Many short videos that are one sample each: trials as folders of pictures, and clips; docs/sequences.md."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath, PurePosixPath

from pipeline.annotations import Taxonomy, VideoFacts, canonical
from pipeline.annotations.records import Issue, Sample, sample_id
from pipeline.annotations.waterfall import Step
from pipeline.discovery import Search, find_videos, nfc, on_disk, real_path
from pipeline.errors import USAGE, UserError
from pipeline.inputs.focus import Foci
from pipeline.inputs.labels import Label, read_labels
from pipeline.inputs.manifest import DEFAULT_NAME, Manifest, SourceEntry
from pipeline.inputs.sources import Source
from stages.frames.folder import DECODERS
from stages.start import NO_START
from store.names import valid_text

#: members named one by one in a note
NAMED = 3


@dataclass(frozen=True)
class Member:
    """One trial or clip of a source of the manifest.

    Attributes
    ----------
    entry : SourceEntry
    label : Label
    joints : Path or None
        File of its joint positions.
    foci : Foci
        Where its players are.
    """

    entry: SourceEntry
    label: Label
    joints: Path | None
    foci: Foci = ()


@dataclass
class Found:
    """What the paths of a request mean.

    Attributes
    ----------
    paths : list of Path
        Videos and folders of pictures, none twice.
    problems : list of str
        One line for each path that cannot be used.
    notes : list of str
    members : dict of Path to Member
        By resolved path; of the trials and clips among them.
    joints : dict of Path to Path
        Folder of pictures, as in ``paths`` → file of its joints.
    links : dict of Path to list of Path
        Path, as in ``paths`` → further names of the same file.
    """

    paths: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    members: dict[Path, Member] = field(default_factory=dict)
    joints: dict[Path, Path] = field(default_factory=dict)
    links: dict[Path, list[Path]] = field(default_factory=dict)


def find(manifest: Manifest, paths: Sequence[Path], store_root: Path) -> Found:
    """Find videos, trials and clips.

    Parameters
    ----------
    manifest : Manifest
    paths : sequence of Path
        Where to look; empty: the manifest's videos and sources. What lies in one of its sources is a
        member of that source; everything else is a video.
    store_root : Path
        Not searched.

    Raises
    ------
    UserError
        There is nowhere to look, or a table of labels cannot be used.
    """
    homes = [(entry, on_disk(manifest.resolve(entry.path))) for entry in manifest.sources]
    given = [*paths] or [*(manifest.resolve(v.path) for v in manifest.videos), *(h for _, h in homes)]
    given = [on_disk(path) for path in given]
    if not given:
        raise no_video(manifest)
    places = [(place, _resolved(place)) for place in given]
    roots = [_resolved(home) for _, home in homes]
    found = Found()
    members: dict[Path, tuple[Path, Path]] = {}  # resolved path → path, and the path below its source's root
    for (entry, home), root in zip(homes, roots, strict=True):
        if any(place.is_relative_to(root) or root.is_relative_to(place) for _, place in places):
            for path, member in _members(manifest, entry, home, store_root, found):
                resolved = _resolved(path)
                members.setdefault(resolved, (path, root / path.relative_to(home)))
                found.members.setdefault(resolved, member)
    seen: dict[Path, Path] = {}
    folders: dict[str, str] = {}
    for shown, place in places:
        mine = 0
        for resolved, (path, inside) in members.items():
            below = next((p for p in (inside, resolved) if p.is_relative_to(place)), None)
            if below is not None:
                mine += 1
                # as the user would write it
                seen.setdefault(resolved, shown / below.relative_to(place) if paths else path)
        if place in roots or (mine and any(place.is_relative_to(root) for root in roots)):
            continue
        videos = find_videos([shown], store_root)
        found.problems += videos.problems
        found.notes += videos.notes
        for video in videos.files:
            first = seen.setdefault(Path(real_path(video, folders)), video)
            if first != video:
                found.links.setdefault(first, []).append(video)
    found.paths = list(seen.values())
    for resolved, path in seen.items():
        trial = found.members.get(resolved)
        if trial is not None and trial.joints is not None:
            found.joints[path] = trial.joints
    return found


def no_video(manifest: Manifest) -> UserError:
    """Return the error of a command that has nowhere to look for videos."""
    lacking = "" if (manifest.folder / DEFAULT_NAME).exists() else f", and there is no {DEFAULT_NAME} here"
    return UserError(f"no video given{lacking}; name videos or folders, or list them in the manifest", USAGE)


def _resolved(path: Path) -> Path:
    return Path(os.path.realpath(path))  # a link in a circle stays as it is


def _members(
    manifest: Manifest, entry: SourceEntry, home: Path, store_root: Path, found: Found
) -> list[tuple[Path, Member]]:
    """Return all trials or clips of a source, with their labels."""
    what = "folder of pictures" if entry.kind == "frames" else "video file"
    if not home.is_dir():
        found.problems.append(f"{home}: no such folder; check the sources in the manifest")
        return []
    if entry.kind == "frames":
        paths = _trials(home, store_root, found)
    else:
        videos = find_videos([home], store_root)
        paths = list(videos.files)
        found.problems += videos.problems
        found.notes += videos.notes if paths else ()
    if not paths:
        found.problems.append(f"{home}: no {what} found there; check the sources in the manifest")
    names = {path.relative_to(home).as_posix(): path for path in paths}
    labels = _labels(manifest, entry, names, found)
    if entry.labels:
        bare = [name for name in names if not labels.get(name, Label("")).label]
        if bare:
            some = ", ".join(bare[:NAMED]) + (", …" if len(bare) > NAMED else "")
            found.notes.append(
                f"{home}: {len(bare)} of {len(names)} have no label and are no samples: {some}"
            )
    usual = entry.foci(manifest.focus)
    found_labels = {name: labels.get(name, Label("")) for name in names}
    foci = {name: ((("", label.focus),) if label.focus else usual) for name, label in found_labels.items()}
    return [
        (path, Member(entry, found_labels[name], _joints(entry, path), foci[name]))
        for name, path in names.items()
    ]


def _labels(
    manifest: Manifest, entry: SourceEntry, names: Iterable[str], found: Found
) -> Mapping[str, Label]:
    if entry.labels == "folder":
        return {name: Label(valid_text(nfc(PurePosixPath(name).parent.name))) for name in names}
    if not entry.labels:
        return {}
    home = on_disk(manifest.resolve(entry.path))
    labels, notes = read_labels(on_disk(manifest.resolve(Path(entry.labels))), names, home, entry.columns)
    found.notes += notes
    return labels


def _joints(entry: SourceEntry, trial: Path) -> Path | None:
    return on_disk(trial / entry.joints.replace("{trial}", trial.name)) if entry.joints else None


def _trials(home: Path, store_root: Path, found: Found) -> list[Path]:
    """Return the folders that hold pictures, but none that holds such folders."""
    search = Search((store_root,))
    trials = [
        folder
        for folder, files in search.folders(home)
        if any(PurePath(name).suffix.lower() in DECODERS for name in files)
    ]
    found.problems += search.problems
    if search.left_out():
        found.notes.append(f"{home}: left out: {search.left_out()}")
    above = {parent for trial in trials for parent in trial.parents}
    for folder_of_trials in (t for t in trials if t in above):
        found.notes.append(f"{folder_of_trials}: its pictures are not used: trials lie in folders below it")
    return [t for t in trials if t not in above]


def attach(sources: Iterable[Source], found: Found) -> tuple[list[Source], list[str]]:
    """Tell trials and clips what the manifest says of them.

    Videos of the same content are one sample; where their labels differ, there is none.

    Returns
    -------
    sources : list of Source
        In the given order.
    notes : list of str
        Worth saying.
    """
    notes: list[str] = []
    told: list[Source] = []
    for source in sources:
        links = [link for p in (Path(source.name), *source.also) for link in found.links.get(p, ())]
        source = replace(source, also=(*source.also, *links))
        places = [Path(source.name), *source.also]  # as the user would write them
        resolved = [(p, _resolved(p)) for p in places] if found.members else []
        members = [(p, found.members[r]) for p, r in resolved if r in found.members]
        if not members:
            told.append(source)
            continue
        first = members[0][1]
        labels = {m.label.label: p for p, m in reversed(members) if m.label.label}
        told.append(
            replace(
                source,
                fps=first.entry.fps,
                sample=first.entry.sample,
                player=first.label.player or first.entry.player,
                group=first.label.group or first.entry.group,
                label=next(iter(labels)) if len(labels) == 1 else "",
                foci=first.foci,
            )
        )
        if any(m.foci != first.foci for _, m in members):
            notes.append(f"{source.name}: the same content has another focus elsewhere; the one here counts")
        if len(labels) > 1:
            texts = " and ".join(f"{label!r} ({path})" for label, path in sorted(labels.items()))
            notes.append(f"{source.name}: the same content is labelled {texts}; left out")
    return told, notes


def whole_samples(
    sources: Iterable[tuple[Source, VideoFacts]], starts: Mapping[str, int], view: Taxonomy, length: int
) -> tuple[list[tuple[Source, Sample]], list[Issue], Step | None]:
    """Return the samples that whole trials and clips are.

    Parameters
    ----------
    sources : iterable of (Source, VideoFacts)
    starts : mapping of str to int
        View id → start frame, of the videos where it has been looked for.
    view : Taxonomy
    length : int
        T: number of frames that are stored of each at least.

    Returns
    -------
    samples : list of (Source, Sample)
    issues : list of Issue
        Labels that have no class; trials that end too early after their start.
    step : Step or None
        For the waterfall; None where no source is a sample.
    """
    samples: list[tuple[Source, Sample]] = []
    issues: list[Issue] = []
    named = [(s, facts) for s, facts in sources if s.sample and s.label]
    dropped = {"unknown-label": 0, "no start frame": 0}
    counts = dict.fromkeys(view.names, 0)
    strange: dict[str, list[str]] = {}
    late: list[str] = []
    for source, facts in named:
        name = view.class_of(source.label)
        begin = starts.get(source.view_id) if source.sample == "start" else 0
        if name is None:
            dropped["unknown-label"] += 1
            strange.setdefault(source.label, []).append(source.name)
        elif begin == NO_START:
            dropped["no start frame"] += 1
        elif begin is not None:
            counts[name] += 1
            if begin > 0 and facts.n_frames - begin < length:
                late.append(source.name)
            identity = sample_id(facts.content_id, begin, facts.n_frames)
            video, label = source.path.as_posix(), canonical(source.label)
            found = Sample(identity, video, begin, facts.n_frames, label, (), source.player, source.group)
            samples.append((source, found))
    for label_name, names in strange.items():
        what = f"{len(names)} labelled {label_name!r}, which has no class in the taxonomy {view.name!r}"
        issues.append(Issue(names[0], 0, "unknown-label", f"{what}; list it in the manifest's classes"))
    if late:
        some = f"{', '.join(late[:NAMED])}{', …' if len(late) > NAMED else ''}"
        what = f"{len(late)} with less than {length} frames from the start on"
        text = f"{what}: {some}; their samples reach back before it"
        issues.append(Issue(late[0], 0, "out-of-range", text))
    if not named:
        return [], [], None
    left = {name: n for name, n in counts.items() if n}
    lost = {name: n for name, n in dropped.items() if n}
    return samples, issues, Step("whole trials and clips", "actions", len(samples), left, {}, lost)

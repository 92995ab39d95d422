"""Files of which nothing is left: a run that loses a whole file has not succeeded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from pipeline.annotations.label_mapping import Taxonomy
from pipeline.annotations.records import REFUSALS, Annotation, AnnotationSet, Issue, VideoFacts

#: findings that stand for an entry that was not used
_ENTRY_LOST = frozenset({"malformed", "bad-number", "unsafe-name", "unsupported", "prediction"})


def lost_files(
    found: AnnotationSet,
    videos: Mapping[str, VideoFacts],
    unknown_counts: bool = True,
    taxonomy: Taxonomy | None = None,
) -> dict[str, str]:
    """Return the files of which no entry can be used, each with one line for the user.

    Parameters
    ----------
    found : AnnotationSet
    videos : mapping of str to VideoFacts
        The known videos; where there are none, only files that were refused or hold no sound entry count.
    unknown_counts : bool
        Whether entries of unknown videos are lost; not where only some of the videos are looked at.
    taxonomy : Taxonomy, optional
        Entries whose label has no class in it are lost; by default every label counts.
    """
    refused = {i.file: f"{i.file}: {i.kind}: {i.message}" for i in found.issues if i.kind in REFUSALS}
    entries: dict[str, set[int | str]] = defaultdict(set)  # lines; of sound entries, one for each
    sound: set[str] = set()
    nameless: dict[str, list[Annotation]] = defaultdict(list)  # sound but for their labels
    for n, annotation in enumerate(found.annotations):
        entries[annotation.file].add(f"interval {n}")
        if _is_sound(annotation, videos, unknown_counts):
            if taxonomy is None or taxonomy.class_of(annotation.label) is not None:
                sound.add(annotation.file)
            else:
                nameless[annotation.file].append(annotation)
    for n, annotation in enumerate(found.unplaced):
        entries[annotation.file].add(f"unplaced {n}")
        if not (videos and unknown_counts):
            sound.add(annotation.file)
    for n, event in enumerate(found.events):
        entries[event.file].add(f"event {n}")
        if event.video in videos or not (videos and unknown_counts):
            sound.add(event.file)
    for issue in found.issues:
        if issue.kind in _ENTRY_LOST:
            entries[issue.file].add(issue.line)
    first = {i.file: i for i in reversed(found.issues)}
    lost = {
        file: f"{file}: {_words(first[file])}"
        if len(lines) == 1 and first[file].kind == "prediction"  # one finding for all of them
        else f"{file}: none of its entries ({len(lines)}) can be used; {_words(first[file])}"
        for file, lines in sorted(entries.items())
        if file not in sound and file in first
    }
    for file in sorted(nameless.keys() - sound):
        assert taxonomy is not None
        labels = list(dict.fromkeys(repr(a.label) if a.label else "no label" for a in nameless[file]))
        named = ", ".join(labels[:3]) + (", …" if len(labels) > 3 else "")
        lost[file] = (
            f"{file}: none of its entries ({len(entries[file])}) can be used; what they say ({named}) has no"
            f" class in the taxonomy {taxonomy.name!r}; translate it under annotation_options.labels or"
            " choose another taxonomy"
        )
    return lost | refused


def _words(issue: Issue) -> str:
    return f"line {issue.line}: {issue.message}" if issue.line else issue.message


def _is_sound(a: Annotation, videos: Mapping[str, VideoFacts], unknown_counts: bool) -> bool:
    facts = videos.get(a.video)
    if facts is None:
        return not (videos and unknown_counts)
    return a.begin < a.end and a.begin < facts.n_frames and a.end > 0

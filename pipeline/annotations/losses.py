"""Files of which nothing is left: a run that loses a whole file has not succeeded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from pipeline.annotations.records import REFUSALS, Annotation, AnnotationSet, VideoFacts

#: findings that stand for an entry that was not used
_ENTRY_LOST = frozenset({"malformed", "bad-number", "unsafe-name", "unsupported"})


def lost_files(
    found: AnnotationSet, videos: Mapping[str, VideoFacts], unknown_counts: bool = True
) -> dict[str, str]:
    """Return the files of which no entry can be used, each with one line for the user.

    Parameters
    ----------
    found : AnnotationSet
    videos : mapping of str to VideoFacts
        The known videos; where there are none, only files that were refused or hold no sound entry count.
    unknown_counts : bool
        Whether entries of unknown videos are lost; not where only some of the videos are looked at.
    """
    refused = {i.file: f"{i.file}: {i.kind}: {i.message}" for i in found.issues if i.kind in REFUSALS}
    entries: Counter[str] = Counter()
    sound: set[str] = set()
    for annotation in found.annotations:
        entries[annotation.file] += 1
        if _is_sound(annotation, videos, unknown_counts):
            sound.add(annotation.file)
    for event in found.events:
        entries[event.file] += 1
        if event.video in videos or not (videos and unknown_counts):
            sound.add(event.file)
    for issue in found.issues:
        entries[issue.file] += issue.kind in _ENTRY_LOST
    first = {i.file: str(i) for i in reversed(found.issues)}
    lost = {
        file: f"{file}: none of its entries ({n}) can be used; {first[file].removeprefix(file + ':')}"
        for file, n in sorted(entries.items())
        if n and file not in sound and file in first
    }
    return lost | refused


def _is_sound(a: Annotation, videos: Mapping[str, VideoFacts], unknown_counts: bool) -> bool:
    facts = videos.get(a.video)
    if facts is None:
        return not (videos and unknown_counts)
    return a.begin < a.end and a.begin < facts.n_frames and a.end > 0

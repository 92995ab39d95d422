"""From annotation files and labels to the samples of each video, once its frames are counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fractions import Fraction

from pipeline.annotations import (
    AnnotationSet,
    Cleaned,
    Sample,
    VideoFacts,
    clean,
    read_annotations,
)
from pipeline.inputs.manifest import Manifest
from pipeline.inputs.sources import Source
from pipeline.inputs.trials import whole_samples
from stages.cuboids import STAGE as CUBOIDS
from store import Receipt


def facts_of(source: Source, receipt: Receipt) -> VideoFacts:
    """What cleaning must know of a video whose frames are there."""
    fps = Fraction(int(receipt.attrs["fps_num"]), int(receipt.attrs["fps_den"]))
    return VideoFacts(receipt.shapes["rgb"][0], fps, source.sha256[:16], source.player)


def gather(
    manifest: Manifest, frames: Iterable[tuple[Source, Receipt]]
) -> tuple[AnnotationSet, Cleaned, Mapping[str, tuple[Sample, ...]]]:
    """Read and clean the manifest's annotations, and add the samples that whole trials and clips are.

    Parameters
    ----------
    manifest : Manifest
    frames : iterable of (Source, Receipt)
        The videos whose frames are in the store, with the receipt of the frames.

    Returns
    -------
    annotations : AnnotationSet
    cleaned : Cleaned
    by_video : mapping of str to tuple of Sample
        Samples by the sha256 of their video.
    """
    videos: dict[str, VideoFacts] = {}
    content: dict[str, str] = {}
    whole: list[tuple[Source, VideoFacts]] = []
    for source, receipt in frames:
        whole.append((source, facts_of(source, receipt)))
        for path in (source.path, *source.also):
            videos[path.as_posix()] = facts_of(source, receipt)
            content[path.as_posix()] = source.sha256
    paths = [manifest.resolve(p) for p in manifest.annotations]
    annotations = read_annotations(paths, videos=videos, options=manifest.annotation_options)
    cleaned = clean(annotations.annotations, videos, manifest.view, manifest.cleaning)
    params = manifest.params(CUBOIDS)
    own, issues, step = whole_samples(whole, manifest.view, params.length)
    if step is not None:  # in front: they pass none of the rules for intervals
        waterfall = replace(cleaned.waterfall, steps=(step, *cleaned.waterfall.steps))
        cleaned = replace(cleaned, waterfall=waterfall, issues=(*cleaned.issues, *issues))
    by_video: dict[str, dict[str, Sample]] = defaultdict(dict)
    for source, sample in own:
        by_video[source.sha256][sample.id] = sample
    for sample in cleaned.samples:
        by_video[content[sample.video]].setdefault(sample.id, sample)
    return annotations, cleaned, {v: tuple(s.values()) for v, s in by_video.items()}


def intervals(samples: Iterable[Sample]) -> tuple[tuple[int, int], ...]:
    """The distinct intervals of samples, sorted: what the cuboids depend on (labels are not)."""
    return tuple(sorted({(s.begin, s.end) for s in samples}))

"""What a dataset is told of the quality of its videos and samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.annotations import Sample
from pipeline.planning.quality.flags import NAMES, Flag
from pipeline.planning.quality.judging import Judged, count_flags, counted

#: videos, and samples of each flag, that are named one by one
MOST_NAMED = 20


@dataclass(frozen=True)
class Flagged:
    """The flags of what a dataset holds, or might hold.

    Attributes
    ----------
    judged : Judged
    dropped : tuple of (str, Sample)
        Samples that were left out for their flags, with the key of their video's plan.
    kept : tuple of (str, Sample)
        Samples with flags that are in the dataset.
    """

    judged: Judged = field(default_factory=Judged)
    dropped: tuple[tuple[str, Sample], ...] = ()
    kept: tuple[tuple[str, Sample], ...] = ()

    def flags(self, samples: Sequence[tuple[str, Sample]]) -> list[tuple[Flag, ...]]:
        """Return the flags of samples."""
        return [self.judged.samples[video, sample.id] for video, sample in samples]

    def text(self) -> str:
        """Say how many samples are flagged or left out, and why; empty where none is."""
        parts = []
        for samples, what in ((self.kept, "flagged"), (self.dropped, "left out for their flags")):
            if samples:
                parts.append(f"{len(samples)} {what} ({counted(count_flags(self.flags(samples)))})")
        return "; ".join(parts)

    def lines(self) -> Iterator[str]:
        """Yield what a dataset card says of it, in Markdown; nothing where nothing is flagged."""
        videos = self.judged.videos
        if not (videos or self.kept or self.dropped):
            return
        yield "## Quality"
        yield ""
        yield "Measures, compared with the limits of the manifest; docs/quality.md explains the flags."
        yield ""
        if videos:
            yield f"{len(videos)} of {len(self.judged.measured)} videos are flagged:"
            yield ""
        for video in [*videos][:MOST_NAMED]:
            yield from (
                f"- {_plain(self.judged.names[video])}: {_plain(str(flag))}" for flag in videos[video]
            )
        if len(videos) > MOST_NAMED:
            yield f"- … and {len(videos) - MOST_NAMED} more"
        for samples, what in ((self.kept, "in this dataset are flagged"), (self.dropped, "were left out")):
            if samples:
                yield ""
                yield f"{len(samples)} samples {what}:"
                yield ""
                yield from self._by_flag(samples)

    def _by_flag(self, samples: Sequence[tuple[str, Sample]]) -> Iterator[str]:
        for name in NAMES:
            own = [
                f"{self.judged.names[video]} {sample.begin}–{sample.end}"
                for (video, sample), flags in zip(samples, self.flags(samples), strict=True)
                if any(flag.name == name for flag in flags)
            ]
            if own:
                more = f", … and {len(own) - MOST_NAMED} more" if len(own) > MOST_NAMED else ""
                yield f"- {name} ({len(own)}): {_plain(', '.join(own[:MOST_NAMED]))}{more}"


def divide(
    by_video: Mapping[str, Sequence[Sample]], judged: Judged, *, without: bool
) -> tuple[dict[str, tuple[Sample, ...]], Flagged]:
    """Divide samples into those that a dataset is to hold and those that are left out.

    Parameters
    ----------
    by_video : mapping of str to list of Sample
        By the key of the video's plan.
    judged : Judged
    without : bool
        Whether flagged samples are left out.
    """
    bad = [(v, s) for v, own in by_video.items() for s in own if (v, s.id) in judged.samples]
    out = set(judged.samples) if without else set()
    left = {v: tuple(s for s in own if (v, s.id) not in out) for v, own in by_video.items()}
    return left, Flagged(judged, tuple(bad) if without else (), () if without else tuple(bad))


def _plain(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")

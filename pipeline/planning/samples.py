"""From annotation files and labels to the samples of each video, once its frames are counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from pipeline.annotations import (
    AnnotationSet,
    Cleaned,
    Sample,
    VideoFacts,
    clean,
    lost_files,
    read_annotations,
)
from pipeline.annotations.parsing.focus import picked
from pipeline.annotations.players import assign_players
from pipeline.annotations.records import REFUSALS, Issue
from pipeline.discovery import view_name
from pipeline.inputs.manifest import Manifest
from pipeline.inputs.sources import Source
from pipeline.inputs.trials import whole_samples
from pipeline.inputs.views import hinted
from pipeline.planning.frame_times import facts_from_receipt
from pipeline.planning.graph import Node
from stages.cuboids import STAGE as CUBOIDS
from store import Receipt, Store


def decides_samples(node: Node) -> bool:
    """Return whether samples cannot be known before this node is made."""
    # the number of frames, and the start frame of trials
    return node.stage.is_root or node.stage.name == "start"


@dataclass(frozen=True)
class SampleTable:
    """The samples of a set of videos whose frames are counted.

    The annotation files are read and cleaned when a sample is first asked for, and once only: a table for
    other videos, frame counts or start frames comes from :meth:`for_videos`, which returns the same table
    where none of them differ.

    Attributes
    ----------
    manifest : Manifest
    videos : tuple of (Source, VideoFacts)
        Every view of them, without those that the annotations give.
    uncounted : tuple of Source
        Further videos, whose frames are not counted yet, or cannot be.
    starts : mapping of str to int
        View of a video → its start frame.
    store : Store or None
        Where the times of frames are.
    elsewhere : tuple of str or None
        Places of the manifest's other videos, where not all of them are asked for; None: all are.
    """

    manifest: Manifest
    videos: tuple[tuple[Source, VideoFacts], ...] = ()
    uncounted: tuple[Source, ...] = ()
    starts: Mapping[str, int] = field(default_factory=dict)
    store: Store | None = None
    elsewhere: tuple[str, ...] | None = None

    def for_videos(
        self,
        frames: Iterable[tuple[Source, Receipt]],
        starts: Mapping[str, int] | None = None,
        uncounted: Iterable[Source] | None = None,
    ) -> SampleTable:
        """Return the table for other videos; this very one where nothing that decides samples differs.

        Parameters
        ----------
        frames : iterable of (Source, Receipt)
            The videos whose frames are in the store, with the receipt of the frames; views that the
            annotations give may be among them, and are found anew.
        starts : mapping of str to int, optional
            Start frames; default: those of this table.
        uncounted : iterable of Source, optional
            Videos whose frames are not in the store; default: those of this table.
        """
        videos = tuple(
            (s, replace(facts_from_receipt(r, s.sha256, s.player, self.store), group=s.group))
            for s, r in frames
            if not s.hinted
        )
        starts = self.starts if starts is None else starts
        lacking = self.uncounted if uncounted is None else tuple(uncounted)
        here, there = dict(self.videos), dict(videos)
        same = here == there and all(self.starts.get(s.view_id) == starts.get(s.view_id) for s in there)
        if same and lacking == self.uncounted:
            return self
        return replace(self, videos=videos, starts=starts, uncounted=lacking)

    @property
    def facts(self) -> Mapping[str, VideoFacts]:
        """Facts of the counted videos by the id of the view."""
        known = {source.view_id: facts for source, facts in self.videos}
        whole = {source.sha256: facts for source, facts in self.videos}
        return known | {source.view_id: whole[source.sha256] for source in self.hinted}

    @property
    def annotations(self) -> AnnotationSet:
        """What the annotation files hold."""
        return self._content[0]

    @property
    def cleaned(self) -> Cleaned:
        """What the cleaning leaves of it; the waterfall counts whole trials and clips too."""
        return self._content[1]

    @property
    def by_view(self) -> Mapping[str, tuple[Sample, ...]]:
        """Samples by the id of their view of the video."""
        return self._content[2]

    @property
    def hinted(self) -> tuple[Source, ...]:
        """Further views: of the strokes whose annotations say where to look."""
        return self._content[3]

    @cached_property
    def views(self) -> Mapping[str, Source]:
        """Views by the name that actions and samples have for their video."""
        return {view_name(p.as_posix(), s.view): s for s, _ in self.videos for p in (s.path, *s.also)}

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each finding in the annotations."""
        issues = (*self.annotations.issues, *self.cleaned.issues)
        shown = self._concerning(issues)
        found = dict.fromkeys(f"annotations: {issue}" for issue in shown)
        if len(shown) < len(issues):
            found[
                f"annotations: {len(issues) - len(shown)} findings on other videos are left out;"
                " `ttprep annotations` lists them"
            ] = None
        waiting = {v: n for v, n in self.annotations.waiting.items() if v not in (self.elsewhere or ())}
        if waiting:
            some = ", ".join([*waiting][:3]) + (", …" if len(waiting) > 3 else "")
            found[
                f"annotations: {sum(waiting.values())} entries are of {len(waiting)} videos whose frames are"
                f" not counted yet: {some}"
            ] = None
        return tuple(found)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Those of :attr:`notes` that mean fewer samples than the user thinks, and videos without labels."""
        told = tuple(n for n in self.notes if ": unknown-video: " in n)
        if not self.manifest.annotations:
            return told
        labelled = {a.video for a in self.annotations.annotations} | {
            e.video for e in self.annotations.events
        }
        bare = [
            s.video
            for s, _ in self.videos
            if not s.sample and not labelled & {p.as_posix() for p in (s.path, *s.also)}
        ]
        return told + unlabelled([*dict.fromkeys(bare)], len({s.sha256 for s, _ in self.videos}))

    def _concerning(self, issues: Sequence[Issue]) -> list[Issue]:
        """Leave out findings that do not concern the videos asked for, where these are not all."""
        if self.elsewhere is None:
            return list(issues)
        known = {p.as_posix() for s, _ in self.videos for p in (s.path, *s.also)}
        annotations = self.annotations.annotations
        files = {a.file for a in annotations if a.video in known}
        foreign = {(a.file, a.line) for a in annotations if a.video not in known}
        return [
            i
            for i in issues
            if i.kind in REFUSALS
            or (i.file in files and i.kind != "unknown-video" and (i.file, i.line) not in foreign)
        ]

    @cached_property
    def lost(self) -> tuple[str, ...]:
        """One line for each annotation file of which nothing can be used, whatever the videos are."""
        videos = {p.as_posix(): facts for s, facts in self.videos for p in (s.path, *s.also)}
        return tuple(lost_files(self.annotations, videos, False, self.manifest.view).values())

    @cached_property
    def _content(
        self,
    ) -> tuple[AnnotationSet, Cleaned, Mapping[str, tuple[Sample, ...]], tuple[Source, ...]]:
        manifest = self.manifest
        places = {p.as_posix(): (s, facts) for s, facts in self.videos for p in (s.path, *s.also)}
        videos = {place: facts for place, (_, facts) in places.items()}
        paths = [manifest.resolve(p) for p in manifest.annotations]
        later = [p.as_posix() for s in self.uncounted for p in (s.path, *s.also)]
        later += self.elsewhere or ()
        annotations = read_annotations(
            paths, videos=videos, options=manifest.annotation_options, uncounted=later
        )
        players = {place: s.players for place, (s, _) in places.items() if s.players}
        given = assign_players(annotations.annotations, videos, players)
        annotations = replace(annotations, issues=tuple(sorted((*annotations.issues, *given.issues))))
        known = {name: facts for name, facts in given.videos.items() if name in self.views}
        cleaned = clean(
            given.annotations, known, manifest.view, manifest.cleaning, annotations.unplaced, given.nobody
        )
        params = manifest.params(CUBOIDS)
        own, issues, step = whole_samples(self.videos, self.starts, manifest.view, params.length)
        if step is not None:  # in front: they pass none of the rules for intervals
            waterfall = replace(cleaned.waterfall, steps=(step, *cleaned.waterfall.steps))
            cleaned = replace(cleaned, waterfall=waterfall, issues=(*cleaned.issues, *issues))
        by_view: dict[str, dict[str, Sample]] = defaultdict(dict)
        more: dict[str, Source] = {}
        for source, sample in own:
            by_view[source.view_id][sample.id] = sample
        for sample in cleaned.samples:
            source = self.views[sample.video]
            focus = picked(source.focus, sample.focus, sample.player)
            if focus is not None and focus != source.focus:
                source = hinted(source, focus)
                source = more.setdefault(source.view_id, source)
            by_view[source.view_id].setdefault(sample.id, sample)
        samples = {view: tuple(s.values()) for view, s in by_view.items()}
        return annotations, cleaned, samples, tuple(more.values())


def unlabelled(bare: Sequence[str], total: int) -> tuple[str, ...]:
    """Name the videos without annotations in one line, where others of ``total`` have some."""
    if not bare or len(bare) == total:
        return ()
    some = ", ".join(bare[:3]) + (", …" if len(bare) > 3 else "")
    return (f"annotations: {len(bare)} of {total} videos have none: {some}",)


def intervals(samples: Iterable[Sample]) -> tuple[tuple[int, int], ...]:
    """Return the distinct intervals of samples, sorted: what cuboids depend on (labels are not)."""
    return tuple(sorted({(s.begin, s.end) for s in samples}))

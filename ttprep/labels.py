"""Read annotation files and clean them, with tables in the place of a printed report."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ttprep.outcomes import table_of
from ttprep.requests import ManifestLike, PathLike, paths_of, request_of, speaking

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.planning.annotation_report import AnnotationReport


@dataclass(frozen=True)
class Annotations:
    """What annotation files hold, and what the cleaning leaves of it.

    Attributes
    ----------
    problems : tuple of str
        One line for each file of which nothing can be used, and each video whose frames cannot be counted.
    notes : tuple of str
        What was left out where videos were looked for.
    ok : bool
        Whether something was read and there is no problem.
    """

    _report: AnnotationReport

    @property
    def table(self) -> pd.DataFrame:
        """Every interval as it was read: ``video``, ``begin``, ``end``, ``label``, ``annotator``, ….

        ``begin`` is the first frame, ``end`` the first one after; both may lie outside the video.
        """
        found = [asdict(a) for a in self._report.annotations.annotations]
        columns = ("video", "begin", "end", "label", "annotator", "player", "file", "line")
        return table_of(columns, found)

    @property
    def events(self) -> pd.DataFrame:
        """What happens at one frame, such as a bounce: ``video``, ``frame``, ``name``, ``file``, ``line``."""
        found = [asdict(e) for e in self._report.annotations.events]
        return table_of(("video", "frame", "name", "file", "line"), found)

    @property
    def samples(self) -> pd.DataFrame:
        """What the cleaning leaves, the negatives between strokes too.

        Columns: ``id``, ``video``, ``begin``, ``end`` (frames; end is the first one after), ``seconds`` (NA
        where the video's times are not known), ``label`` (as annotated; ``Negative`` between strokes),
        ``class`` (in the manifest's taxonomy, NA for none), ``annotators``, ``player``, ``group``.
        """
        import pandas as pd

        view, lines = self._report.taxonomy, []
        for sample in self._report.cleaned.samples:
            facts = self._report.videos.get(sample.video)
            seconds: Any = pd.NA
            if facts is not None and facts.timeline is not None:
                seconds = facts.timeline.time_of(sample.end) - facts.timeline.time_of(sample.begin)
            elif facts is not None:
                seconds = float((sample.end - sample.begin) / facts.fps)
            name = view.class_of(sample.label) if view is not None and sample.label else None
            more = {"annotators": ";".join(sample.annotators), "seconds": seconds}
            lines.append(asdict(sample) | more | {"class": pd.NA if name is None else name})
        columns = (
            "id", "video", "begin", "end", "seconds", "label", "class", "annotators", "player", "group",
        )  # fmt: skip
        table = table_of(columns, lines).astype({"seconds": "Float64"})
        table.attrs["units"] = {"seconds": "s"}
        return table

    @property
    def findings(self) -> pd.DataFrame:
        """What a person should see: ``file``, ``line`` (0: the whole file), ``kind``, ``message``."""
        issues = (*self._report.annotations.issues, *self._report.cleaned.issues)
        return table_of(("file", "line", "kind", "message"), [asdict(i) for i in issues])

    @property
    def waterfall(self) -> pd.DataFrame:
        """What each rule of the cleaning leaves: ``rule``, ``left``, ``unit``, ``dropped`` (number).

        A column follows for each reason to drop.
        """
        steps = self._report.cleaned.waterfall.steps
        reasons = list(dict.fromkeys(r for s in steps for r in s.dropped))
        lines = [
            {"rule": s.name, "left": s.count, "unit": s.unit, "dropped": sum(s.dropped.values())}
            | {r: s.dropped.get(r, 0) for r in reasons}
            for s in steps
        ]
        return table_of(("rule", "left", "unit", "dropped", *reasons), lines)

    @property
    def problems(self) -> tuple[str, ...]:
        """One line for each file or video of which nothing can be used."""
        return (*self._report.problems, *self._report.lost.values())

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out where videos were looked for."""
        return self._report.notes

    @property
    def ok(self) -> bool:
        """Whether something was read and there is no problem."""
        return self._report.code == 0

    def __len__(self) -> int:
        return len(self._report.annotations.annotations)

    def __repr__(self) -> str:
        kept = len(self._report.cleaned.samples)
        problems = f", {len(self.problems)} problems" if self.problems else ""
        return f"<ttprep annotations: {len(self)} intervals, {kept} samples{problems}>"


def read_annotations(
    paths: PathLike | Iterable[PathLike] = (),
    *,
    videos: PathLike | Iterable[PathLike] = (),
    store: PathLike | None = None,
    manifest: ManifestLike = None,
    progress: Callable[[str], object] | None = None,
) -> Annotations:
    """Read and clean annotation files, as ``ttprep annotations`` does, and print nothing.

    Parameters
    ----------
    paths : path-like or iterable of path-like
        Files and folders of annotations; none: those of the manifest.
    videos : path-like or iterable of path-like
        Videos, folders of videos, or a CSV with the columns ``video``, ``frames`` and ``fps``. None: those of
        the manifest, else all of the store.
    store : path-like, optional
        Where frames are counted already; default: the manifest's.
    manifest : path-like or mapping, optional
        For reading, cleaning and the taxonomy; as of :func:`ttprep.run`.
    progress : callable, optional
        Called with the name of each video that must be decoded to count its frames.

    Returns
    -------
    Annotations

    Raises
    ------
    BadRequest
        There is no annotation file, or a path does not exist.

    Examples
    --------
    >>> found = ttprep.annotations("labels/", videos="videos/")
    >>> found
    <ttprep annotations: 19 intervals, 19 samples>
    >>> found.samples[["begin", "end", "seconds", "class"]].head(2)
       begin  end  seconds                   class
    0      2    7      0.5  Offensive Forehand Hit
    1      9   14      0.5  Offensive Forehand Hit
    """
    from pipeline.planning.annotation_report import report
    from store import Store

    request = request_of((), (), store, manifest, None)
    root = request.store_root
    with speaking():
        known = Store.open(root) if root.exists() else None

        def told(name: str) -> None:
            if progress is not None:
                progress(name)

        return Annotations(report(request.manifest, known, paths_of(paths), paths_of(videos), told))

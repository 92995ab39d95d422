"""Suggest which stretches of videos to label next: score, compare with the labelled, rank, write tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from pipeline.annotations import read_annotations
from pipeline.annotations.records import SUGGESTED
from pipeline.annotations.writing import PredictedStroke, PredictedVideo, write
from pipeline.errors import OK, SOME_FAILED, UserError
from pipeline.inputs.sources import Source
from pipeline.planning.graph import build, wanted_stages
from pipeline.planning.request import Request
from pipeline.planning.survey import survey
from pipeline.predicting.network import Network, read_needs, told
from pipeline.predicting.outcome import OneVideo, Options
from pipeline.predicting.outputs import RECORD, SCORES, Place, read_record
from pipeline.predicting.predict import predict
from pipeline.predicting.ranking import Scored, Stretch, rank
from pipeline.predicting.recipe import at_rate, goals, manifest_for
from pipeline.predicting.results import Results
from store import Store

if TYPE_CHECKING:
    from pipeline.predicting.clock import Clock

#: formats that hold the stretches alone, and formats of tools
TABLES, TOOLS = ("csv", "json"), ("label-studio", "cvat", "elan")
#: what the files are called
NAME = "suggestions"
#: windows of features, as a part of a stretch
_WINDOWS = 2


@dataclass(frozen=True)
class Wanted:
    """What is asked for beside the videos.

    Attributes
    ----------
    network : Path
        Folder of a run.
    output : Path
        Folder for the tasks; the predictions lie where ``ttprep predict`` puts them.
    predictions : Path
    count : int
        Of stretches.
    seconds : float or None
        Length of one; None: of the network's window.
    weight : float
        Share of the stretches that are chosen for doubt, 0 to 1; the others for newness.
    formats : tuple of str
    device : str or None
    batch : int
    step : int or None
        Frames from one window to the next; None: as in the predictions that are there, else 1.
    """

    network: Path
    output: Path
    predictions: Path
    count: int = 20
    seconds: float | None = None
    weight: float = 0.5
    formats: tuple[str, ...] = ("csv",)
    device: str | None = None
    batch: int = 10
    step: int | None = None


@dataclass(frozen=True)
class Suggestion:
    """A stretch to label, in frames of its video.

    Attributes
    ----------
    stretch : Stretch
    video, player : str
        Name of the video; whom it is about, where several players are looked at.
    begin, end : int
        Frames of the source.
    begin_seconds, end_seconds : float
    reason : str
    """

    stretch: Stretch
    video: str
    player: str
    begin: int
    end: int
    begin_seconds: float
    end_seconds: float
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        s = self.stretch
        return {
            "rank": s.rank,
            "video": self.video,
            "player": self.player,
            "begin": self.begin,
            "end": self.end,
            "begin_seconds": round(self.begin_seconds, 6),
            "end_seconds": round(self.end_seconds, 6),
            "why": s.why,
            "doubt": round(s.doubt, 4),
            "doubt_share": round(s.doubt_share, 4),
            "new_share": round(s.new_share, 4),
            "reason": self.reason,
        }


@dataclass
class Suggested:
    """What a call did.

    Attributes
    ----------
    suggestions : list of Suggestion
        The most useful first.
    files : list of Path
    problems, notes : list of str
    code : int
        Exit code.
    """

    suggestions: list[Suggestion]
    files: list[Path]
    problems: list[str]
    notes: list[str] = field(default_factory=list)
    code: int = OK

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "exit_code": self.code,
            "suggestions": [s.to_json() for s in self.suggestions],
            "files": [str(path) for path in self.files],
            "problems": self.problems,
            "notes": self.notes,
        }


@dataclass
class _Seen:
    """A view of a video that was scored."""

    video: OneVideo
    view: Source
    scores: NDArray[np.float64]
    clock: Clock
    features: NDArray[np.float64]
    centres: NDArray[np.int64]
    size: tuple[int, int]
    elsewhere: tuple[str, ...]
    labelled: list[tuple[int, int]] = field(default_factory=list)


def suggest(request: Request, wanted: Wanted, console: Console) -> Suggested:
    """Rank the stretches of videos by what a label there would teach.

    Parameters
    ----------
    request : Request
        Its paths are the videos. The annotations of its manifest say what is labelled already.
    wanted : Wanted
    console : Console
        stderr.

    Raises
    ------
    UserError, StoreError
        Nothing could be done at all.
    """
    needs = read_needs(wanted.network)
    options = _options(wanted)
    done = predict(request, options, console)
    network = Network(needs, wanted.device, options.step, wanted.batch, options.borders)
    notes = list(done.notes)
    seen = []
    problems = [*done.problems, *(v.problem for v in done.videos if v.problem)]
    for video in done.videos:
        if not video.problem:
            seen += _look(request, video, network, wanted, console)
    _find_labels(request, seen, notes)
    known = _known(network, notes)
    result = Suggested([], [], problems, notes, OK if not problems else SOME_FAILED)
    if not seen:
        raise UserError(problems[0] if problems else "there is no video")
    rate = seen[0].clock.rate
    length = max(round(wanted.seconds * rate), 1) if wanted.seconds else network.load().view.span
    scored = [
        Scored(s.view.view_id, s.scores, s.features, s.centres, s.labelled, s.view.sha256) for s in seen
    ]
    stretches = rank(scored, wanted.count, length, known=known, weight=wanted.weight)
    by_view = {s.view.view_id: s for s in seen}
    result.suggestions = [_suggestion(s, by_view[s.video], needs.classes) for s in stretches]
    if len(stretches) < wanted.count:
        result.notes.append(f"{len(stretches)} stretches are all that is there without labels")
    result.files = _write(result.suggestions, seen, needs.classes, wanted)
    return result


def _options(wanted: Wanted) -> Options:
    """Return the options of a prediction; where some are there already, those with which they were made."""
    options = Options(
        wanted.network, wanted.predictions, step=wanted.step or 1, batch=wanted.batch, device=wanted.device,
        overlay=False, report=False,
    )  # fmt: skip
    for path in sorted(wanted.predictions.glob(f"*/*{RECORD}")):
        record = read_record(Place(path.parent, path.name.removesuffix(RECORD)))
        if record is not None and record.get("checkpoint") == read_needs(wanted.network).checkpoint:
            window, gauss, shortest = record["windows"]
            return replace(
                options, rule=record["rule"], step=wanted.step or record["step"], window=window,
                gauss_window=gauss, shortest=shortest, overlay=record["overlay"],
                borders=record.get("borders", False),
            )  # fmt: skip
    return options


def _look(
    request: Request, video: OneVideo, network: Network, wanted: Wanted, console: Console
) -> list[_Seen]:
    """Read the scores of a video's views, and compute their features."""
    manifest = manifest_for(network.needs, request.manifest)
    if video.rate is not None:
        manifest = at_rate(manifest, video.rate)
    names = goals(network.needs)
    request = replace(request, manifest=manifest, stages=names, paths=(Path(video.source.video),))
    store = Store.open(request.store_root)
    overview = survey(request, store, console)
    derived = {name: own for name, own in overview.params.items() if name != "frames"}
    with np.load(video.place.file(SCORES)) as file:
        every = np.asarray(file["scores"], np.float64)
    step = max(network.load().view.span // _WINDOWS, 1)
    seen = []
    for view, scores in zip(video.views, every, strict=True):
        nodes = build(view, manifest, wanted_stages(manifest, names, view), derived)
        with Results(store, nodes) as results, told():
            from tttrain.evaluation.along_time.last_features import window_features

            clock = results.clock()
            features, centres = window_features(
                network.load(), results.rows, clock.rows, step=step, batch=wanted.batch
            )
            size = results.size
        seen.append(
            _Seen(
                video,
                view,
                scores,
                clock,
                np.asarray(features, np.float64),
                centres,
                size,
                overview.samples.elsewhere or (),
            )
        )
    return seen


def _find_labels(request: Request, seen: Sequence[_Seen], notes: list[str]) -> None:
    """Find the intervals that the manifest's annotation files label, and those of trials and clips."""
    manifest = request.manifest
    places: dict[str, list[_Seen]] = {}
    for one in seen:
        for path in (one.video.source.path, *one.video.source.also):
            places.setdefault(path.as_posix(), []).append(one)
    facts = {place: views[0].clock.facts for place, views in places.items()}
    paths = [manifest.resolve(path) for path in manifest.annotations]
    # a file that names no video is of the one that is called so: of the manifest's others it may be
    others = {place for one in seen for place in one.elsewhere} - set(facts)
    found = (
        read_annotations(paths, videos=facts, options=manifest.annotation_options, uncounted=others)
        if paths
        else None
    )
    for annotation in found.annotations if found else ():
        views = places.get(annotation.video, ())
        players = {v.view.player.casefold() for v in views}
        who = annotation.player.casefold()
        for one in views:
            if who in players and one.view.player.casefold() != who:
                continue  # of another player of the same video
            rows = np.searchsorted(one.clock.pictures, [annotation.begin, annotation.end])
            if rows[0] < rows[1]:
                one.labelled.append((int(rows[0]), int(rows[1])))
    unclear = [f"annotations: {i}" for i in (found.issues if found else ()) if i.kind == "ambiguous-video"]
    notes += unclear[:3]
    labelled = sum(bool(s.labelled) for s in seen)
    if paths and not labelled:
        notes.append("none of the videos has labels in the manifest's annotations: all of each is looked at")


def _known(network: Network, notes: list[str]) -> NDArray[np.float64] | None:
    """Return the features of the samples that the network was trained on; None where they are gone."""
    from tttrain.errors import TrainError
    from tttrain.evaluation.along_time.last_features import sample_features
    from tttrain.evaluation.trained_network import load_network
    from tttrain.training.run_folder import is_changed

    loaded = network.load()
    try:
        trained = load_network(Path(network.needs.name), None, loaded.device)
        if is_changed(trained.record, trained.info):
            raise TrainError(f"{trained.info.path} holds other samples now")
        rows = trained.info.rows_of(trained.record.config.train_split)
        return np.asarray(sample_features(trained, rows, network.batch), np.float64)
    except TrainError as e:
        notes.append(f"what looks new is told from the labels of these videos alone: {e}")
        return None


def _suggestion(stretch: Stretch, seen: _Seen, classes: Sequence[str]) -> Suggestion:
    begin, end = seen.clock.interval(stretch.begin, stretch.end)
    facts = seen.clock.facts
    first, second = (
        f"{classes[c]} {score:.2f}" for c, score in zip(stretch.classes, stretch.class_scores, strict=True)
    )
    doubt = f"more doubt ({first}, {second}) than in {stretch.doubt_share:.0%} of the stretches"
    new = f"less like what is labelled than {stretch.new_share:.0%}"
    reasons = (doubt, new) if stretch.why == "doubt" else (new, doubt)
    reason = f"{stretch.rank}: {'; '.join(reasons)}"
    times = float(facts.time_of(begin)), float(facts.time_of(end))
    return Suggestion(stretch, seen.video.name, seen.view.player, begin, end, *times, reason)


def _share(stretch: Stretch) -> float:
    return min(stretch.doubt_share if stretch.why == "doubt" else stretch.new_share, 1.0)


def _write(
    suggestions: Sequence[Suggestion], seen: Sequence[_Seen], classes: Sequence[str], wanted: Wanted
) -> list[Path]:
    """Write the tasks: tables with the stretches alone, for tools with the strokes predicted in them."""
    tables = [kind for kind in wanted.formats if kind in TABLES]
    tools = [kind for kind in wanted.formats if kind not in TABLES]
    order = list(dict.fromkeys(s.video for s in suggestions))
    by_name = {s.video.name: s for s in seen}
    files: list[Path] = []
    for kinds, with_strokes in ((tables, False), (tools, True)):
        if not kinds:
            continue
        videos = []
        for name in order:
            own = [s for s in suggestions if s.video == name]
            videos.append(_task(by_name[name], own, classes, wanted, with_strokes))
        files += write(videos, kinds, wanted.output, NAME)
    return files


def _task(
    seen: _Seen, own: Sequence[Suggestion], classes: Sequence[str], wanted: Wanted, with_strokes: bool
) -> PredictedVideo:
    strokes = [
        PredictedStroke(s.begin, s.end, SUGGESTED, _share(s.stretch), s.player, note=s.reason) for s in own
    ]
    record = seen.video.record or read_record(seen.video.place) or {}
    for one in record.get("strokes", []) if with_strokes else ():
        begin, end = int(one["begin"]), int(one["end"])
        if any(begin < s.end and s.begin < end for s in own):
            strokes.append(
                PredictedStroke(begin, end, str(one["class"]), float(one["score"]), str(one["player"]))
            )
    width, height = seen.size
    return PredictedVideo(
        name=seen.video.name, path=str(seen.video.source.path), facts=seen.clock.facts, width=width,
        height=height, strokes=tuple(strokes), model=wanted.network.resolve().name,
        labels=(*classes, SUGGESTED),
    )  # fmt: skip

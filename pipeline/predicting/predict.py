"""From a run and new videos to their strokes: prepare, score, decide, write; each video by itself."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from pipeline.annotations.writing import PredictedStroke, PredictedVideo
from pipeline.dataset.content import shown_name
from pipeline.errors import FAILED, OK, SOME_FAILED, UserError
from pipeline.inputs.manifest import Manifest
from pipeline.inputs.sources import Source
from pipeline.planning.graph import Node, build, wanted_stages
from pipeline.planning.request import Request
from pipeline.planning.staleness import Planned, plan_nodes
from pipeline.planning.survey import Overview, survey
from pipeline.predicting.clock import Clock
from pipeline.predicting.ends import Motion, with_still_ends
from pipeline.predicting.network import Network, Scores, Span, find_strokes, read_needs, windows_at
from pipeline.predicting.outcome import OneVideo, Options, Predicted
from pipeline.predicting.outputs import (
    Place,
    mark_of,
    read_record,
    require_folder,
    write_prediction,
    write_table,
)
from pipeline.predicting.overlay import Seen, write_overlay
from pipeline.predicting.rates import own_rate, steps_for
from pipeline.predicting.recipe import at_rate, changed_since, goals, manifest_for
from pipeline.predicting.results import Results
from pipeline.report.late_bar import LateBar
from pipeline.run import run
from pipeline.terminal import say
from stages.base import Params
from store import DamagedError, Store, StoreError

if TYPE_CHECKING:
    from tttrain.evaluation.along_time.new_video import Needs

#: folder of the pages within that of the results
REPORT = "report"


def predict(request: Request, options: Options, console: Console) -> Predicted:
    """Find the strokes of videos with the network of a run.

    Parameters
    ----------
    request : Request
        Its paths are the videos; of its manifest count places and what it says of single videos. The
        parameters of the stages are the run's own.
    options : Options
    console : Console
        stderr.

    Raises
    ------
    UserError, StoreError
        Nothing could be done at all.
    KeyboardInterrupt
        Passed on; videos that were finished stay.
    """
    begun = time.perf_counter()
    needs = read_needs(options.network)
    request = replace(request, manifest=manifest_for(needs, request.manifest), stages=goals(needs))
    network = Network(needs, options.device, options.step, options.batch, options.borders)
    network.load()  # a damaged checkpoint or a device that is not there is said before hours of work
    require_folder(options.output)
    store = Store.create(request.store_root)
    overview = survey(request, store, console)
    done = Predicted(options, _videos(overview, request.manifest, options), list(overview.problems), [])
    done.notes += changed_since(needs, overview.names, overview.derived)
    done.notes += [n for n in overview.remarks if n not in done.notes]
    if not needs.rates:
        done.notes.append(
            f"{needs.name} says no frame rate, and its dataset is gone: videos are taken as they come"
        )
    for problem in done.problems:
        say(console, problem, "failed", "red")
    _choose_rates(done, needs)
    task = _Task(store, request, options, needs, network, console)
    for rate in dict.fromkeys(v.rate for v in done.videos):
        chosen = [v for v in done.videos if v.rate == rate and not v.problem]
        said = task.group(chosen, rate, overview.params)
        done.notes += [note for note in said if note not in done.notes]
    _table(done)
    if options.report and any(not v.problem for v in done.videos):
        task.pages(done, overview)
    for video in done.videos:
        if video.problem and video.problem not in task.said:
            say(console, video.problem, "failed", "red")
    done.seconds = time.perf_counter() - begun
    failed = bool(done.problems) or any(v.problem for v in done.videos)
    fine = any(not v.problem for v in done.videos)
    done.code = OK if not failed else SOME_FAILED if fine else FAILED
    return done


def _videos(overview: Overview, manifest: Manifest, options: Options) -> list[OneVideo]:
    """Return the usable videos with the folders of their results; equal names are told apart by content."""
    views: dict[str, list[Source]] = {}
    for source in overview.sources:
        views.setdefault(source.sha256, []).append(source)
    names = {k: shown_name(replace(own[0], view=""), manifest) for k, own in views.items()}
    stems = {sha256: PurePosixPath(name).stem or "video" for sha256, name in names.items()}
    counts = Counter(stem.casefold() for stem in stems.values())
    videos = []
    for sha256, own in views.items():
        stem = stems[sha256]
        if counts[stem.casefold()] > 1 or stem == REPORT:
            stem = f"{stem}-{sha256[:8]}"
        videos.append(OneVideo(own, names[sha256], Place(options.output / stem, stem)))
    return videos


def _choose_rates(done: Predicted, needs: Needs) -> None:
    for video in done.videos:
        own, variable = own_rate(video.source)
        try:
            video.rate = steps_for(video.source.video, own, variable, needs)
        except UserError as e:
            video.problem = str(e)
        if video.rate is not None:
            done.notes.append(
                f"{video.source.video}: {own:.4g} frames/s{', uneven,' if variable else ''} are taken at "
                f"{video.rate:.4g}/s, as the network learned; results count the video's own frames"
            )


def _table(done: Predicted) -> None:
    """Write the strokes of all videos of the output as one table."""
    tables = sorted(done.options.output.glob("*/*.csv"))
    own = [path for path in tables if path.stem == path.parent.name]
    try:
        write_table(done.options.output / "predictions.csv", own)
    except UserError as e:
        done.notes.append(str(e))


@dataclass
class _Task:
    """What all videos of a call share."""

    store: Store
    request: Request
    options: Options
    needs: Needs
    network: Network
    console: Console
    #: problems that the run of the stages has told
    said: set[str] = field(default_factory=set)

    def group(self, videos: list[OneVideo], rate: float | None, params: Mapping[str, Params]) -> list[str]:
        """Predict the videos whose frames are taken at one rate; return what is worth saying."""
        request = replace(self.request, manifest=self._manifest(rate))
        todo = [v for v in videos if not self._is_done(v, self._nodes(v, rate, params))]
        if not todo:
            return []
        result = run(replace(request, paths=_paths(todo)), self.console)
        with LateBar("predicting", self.console) as bar:
            for video in todo:
                plans = [result.overview.plans.get(view.view_id, []) for view in video.views]
                video.problem = _lacking(video, plans, result.overview.unavailable)
                if video.problem:
                    self.said.add(video.problem)
                    continue
                nodes = [{p.node.stage.name: p.node for p in plan} for plan in plans]
                if self._is_done(video, nodes):
                    continue
                try:
                    try:
                        self._one(video, nodes, bar.advance)
                    except DamagedError:  # marked, so it is made anew
                        run(replace(request, paths=_paths([video])), self.console)
                        self._one(video, nodes, bar.advance)
                except (UserError, StoreError, OSError) as e:
                    video.problem = f"{video.source.video}: {e}"
        return result.overview.notes

    def pages(self, done: Predicted, overview: Overview) -> None:
        """Write the pages of all videos that have a prediction."""
        from pipeline.predicting.pages import write_pages

        fine = [v for v in done.videos if not v.problem]
        plans = {}
        for video in fine:
            every = self._nodes(video, video.rate, overview.params)
            for view, nodes in zip(video.views, every, strict=True):
                plans[view.view_id] = plan_nodes(nodes.values(), self.store)
        folder = self.options.output / REPORT
        manifest = self.request.manifest
        try:
            done.report = write_pages(folder, overview, plans, fine, self.store, manifest, self.console)
        except (UserError, StoreError, OSError) as e:
            done.notes.append(f"no report: {e}")

    def _manifest(self, rate: float | None) -> Manifest:
        return self.request.manifest if rate is None else at_rate(self.request.manifest, rate)

    def _nodes(
        self, video: OneVideo, rate: float | None, params: Mapping[str, Params]
    ) -> list[dict[str, Node]]:
        """Return the nodes of each view, as the prediction needs them."""
        manifest = self._manifest(rate)
        derived = {name: own for name, own in params.items() if name != "frames"}
        return [
            build(view, manifest, wanted_stages(manifest, self.request.stages, view), derived)
            for view in video.views
        ]

    def _facts(self, video: OneVideo, nodes: Sequence[Mapping[str, Node]]) -> dict[str, Any]:
        """Return all that a prediction follows from, as JSON values."""
        options = self.options
        facts = {
            "video": video.name,
            "sha256": video.source.sha256,
            "players": [view.player for view in video.views],
            "checkpoint": self.needs.checkpoint,
            "classes": list(self.needs.classes),
            "rule": options.rule,
            "step": options.step,
            "windows": [options.window, options.gauss_window, options.shortest],
            "overlay": options.overlay,
            "keys": [{name: own[name].key for name in self.request.stages} for own in nodes],
        }
        # only where they are asked for: what earlier versions made without them stays valid
        facts |= {"borders": True} if options.borders else {}
        return facts | ({"ends": options.ends} if options.ends != "scores" else {})

    def _is_done(self, video: OneVideo, nodes: Sequence[Mapping[str, Node]]) -> bool:
        """Tell whether an earlier call made just this prediction."""
        record = read_record(video.place)
        if record is None or record.get("mark") != mark_of(self._facts(video, nodes)):
            return False
        video.record, video.kept = record, True
        return True

    def _one(self, video: OneVideo, nodes: Sequence[Mapping[str, Node]], tell: Callable[..., None]) -> None:
        """Predict one video, each of its players by itself, and write its files."""
        options, needs = self.options, self.needs
        with ExitStack() as stack:
            views = [stack.enter_context(Results(self.store, own)) for own in nodes]
            clock = views[0].clock()
            video.rows = clock.rows
            tell(0, clock.rows * (len(views) + options.overlay))
            used = self._windows(clock.rate)
            scores: list[Scores] = []
            motion: list[Motion] = []
            seen: list[Seen] = []
            strokes: list[PredictedStroke] = []
            for source, results in zip(video.views, views, strict=True):
                begun = time.perf_counter()
                scores.append(self.network.scores(results.rows, clock.rows, _steps(tell, clock.rows)))
                video.seconds += time.perf_counter() - begun
                spans = find_strokes(scores[-1], options.rule, used, self.network.negative)
                if options.ends == "still":
                    motion.append(results.motion())
                    spans = with_still_ends(spans, motion[-1], clock.rate, scores[-1])
                seen.append(Seen(results, source.player, spans))
                strokes += [self._stroke(s, clock, results, source.player) for s in spans]
            width, height = views[0].size
            predicted = PredictedVideo(
                name=video.name, path=str(video.source.path), facts=clock.facts, width=width, height=height,
                strokes=tuple(strokes), model=options.network.resolve().name, labels=needs.classes,
            )  # fmt: skip
            facts = self._facts(video, nodes)
            record = facts | {
                "mark": mark_of(facts),
                "run": str(options.network),
                "epoch": self.network.load().epoch,
                "frames": clock.facts.n_frames,
                "fps": float(clock.facts.fps),
                "rate": clock.rate,
                "resampled": clock.resampled,
                "rows": clock.rows,
                "seconds": round(clock.seconds, 6),
                "windows_used": dict(zip(("window", "gauss_window", "shortest"), used, strict=True)),
                "trained_on": video.source.sha256 in needs.record.data.train_videos,
                "strokes": [_plain(s, predicted) for s in predicted.ordered],
                "rows_of_strokes": [
                    [[s.begin, s.end, needs.classes[s.label], round(s.score, 4)] for s in one.spans]
                    for one in seen
                ],
            }
            film = partial(write_overlay, seen=seen, clock=clock, classes=needs.classes, tell=tell)
            arrays: dict[str, NDArray[Any]] = {
                "scores": np.stack(scores).astype(np.float32),
                "picture": clock.pictures.astype(np.int32),
            }
            if motion:
                arrays["motion"] = np.stack(motion).astype(np.float32)
            write_prediction(video.place, predicted, arrays, record, film if options.overlay else None)
            video.record = record

    def _windows(self, rate: float) -> tuple[int, int, int]:
        """Return the windows of the rules and the least length of a stroke: as given, else by the rate."""
        options = self.options
        vote, gauss, shortest = windows_at(rate)
        return (options.window or vote, options.gauss_window or gauss, options.shortest or shortest)

    def _stroke(self, span: Span, clock: Clock, results: Results, player: str) -> PredictedStroke:
        frames = clock.interval(span.begin, span.end)
        score, box = min(max(span.score, 0.0), 1.0), results.box(span.begin, span.end)
        return PredictedStroke(*frames, self.needs.classes[span.label], score, player, box)


def _paths(videos: Iterable[OneVideo]) -> tuple[Path, ...]:
    return tuple(Path(v.source.video) for v in videos)


def _lacking(video: OneVideo, plans: Sequence[Sequence[Planned]], unavailable: str) -> str:
    """Return why a video's results are not all there; empty where they are."""
    if all(plans) and all(p.state == "done" for plan in plans for p in plan):
        return ""
    failed = [p for plan in plans for p in plan if p.state == "failed" and p.reasons]
    if failed:
        return failed[0].reasons[0].detail
    return f"{video.source.video}: {unavailable or 'could not be prepared; `ttprep run` says more'}"


def _plain(stroke: PredictedStroke, video: PredictedVideo) -> dict[str, Any]:
    return {
        "begin": stroke.begin,
        "end": stroke.end,
        "begin_seconds": round(float(video.seconds(stroke.begin)), 6),
        "end_seconds": round(float(video.seconds(stroke.end)), 6),
        "class": stroke.label,
        "score": round(stroke.score, 4),
        "player": stroke.player,
    }


def _steps(tell: Callable[..., None], rows: int) -> Callable[[int, int], None]:
    """Return what turns windows done of all into rows done since."""
    told = 0

    def advance(done: int, of: int) -> None:
        nonlocal told
        now = round(done / of * rows)
        tell(now - told)
        told = now

    return advance

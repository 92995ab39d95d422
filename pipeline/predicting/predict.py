"""From a run and new videos to their strokes: prepare, score, decide, write; each video by itself."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from rich.console import Console

from pipeline.annotations.writing import PredictedStroke, PredictedVideo
from pipeline.dataset.content import shown_name
from pipeline.errors import FAILED, OK, SOME_FAILED, UserError
from pipeline.inputs.manifest import Manifest
from pipeline.inputs.sources import Source
from pipeline.planning.graph import Node, build, wanted_stages
from pipeline.planning.request import Request
from pipeline.planning.staleness import plan_nodes
from pipeline.planning.survey import Overview, survey
from pipeline.predicting.network import Network, Span, find_strokes, read_needs, windows_at
from pipeline.predicting.outcome import OneVideo, Options, Predicted
from pipeline.predicting.outputs import (
    Place,
    mark_of,
    read_record,
    require_folder,
    write_prediction,
    write_table,
)
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
    network = Network(needs, options.device, options.step, options.batch)
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
        task.group([v for v in done.videos if v.rate == rate and not v.problem], rate, done)
    _table(done)
    if options.report and any(not v.problem for v in done.videos):
        task.pages(done, overview)
    for video in done.videos:
        if video.problem:
            say(console, video.problem, "failed", "red")
    done.seconds = time.perf_counter() - begun
    failed = bool(done.problems) or any(v.problem for v in done.videos)
    fine = any(not v.problem for v in done.videos)
    done.code = OK if not failed else SOME_FAILED if fine else FAILED
    return done


def _videos(overview: Overview, manifest: Manifest, options: Options) -> list[OneVideo]:
    """Return the usable videos with the folders of their results; equal names are told apart by content."""
    names = {s.sha256: shown_name(s, manifest) for s in overview.sources}
    stems = {sha256: PurePosixPath(name).stem or "video" for sha256, name in names.items()}
    counts = Counter(stem.casefold() for stem in stems.values())
    videos = []
    for source in overview.sources:
        stem = stems[source.sha256]
        if counts[stem.casefold()] > 1 or stem == "report":
            stem = f"{stem}-{source.sha256[:8]}"
        videos.append(OneVideo(source, names[source.sha256], Place(options.output / stem, stem)))
    return videos


def _choose_rates(done: Predicted, needs: Needs) -> None:
    for video in done.videos:
        own, variable = own_rate(video.source)
        try:
            video.rate = steps_for(video.source.name, own, variable, needs)
        except UserError as e:
            video.problem = str(e)
        if video.rate is not None:
            done.notes.append(
                f"{video.source.name}: {own:.4g} frames/s{', uneven,' if variable else ''} are taken at "
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

    def group(self, videos: list[OneVideo], rate: float | None, done: Predicted) -> None:
        """Predict the videos whose frames are taken at one rate."""
        manifest = self._manifest(rate)
        request = replace(self.request, manifest=manifest)
        todo = [v for v in videos if not self._is_done(v, self._nodes(v.source, manifest, {}))]
        if not todo:
            return
        result = run(replace(request, paths=tuple(Path(v.source.name) for v in todo)), self.console)
        done.notes += [n for n in result.overview.notes if n not in done.notes]
        reasons = {j.video: j.reason for j in reversed(result.jobs) if j.state == "failed"}
        with LateBar("predicting", self.console) as bar:
            for video in todo:
                plan = {p.node.stage.name: p for p in result.overview.plans.get(video.source.sha256, ())}
                lacking = [name for name, p in plan.items() if p.state != "done"]
                if lacking or not plan:
                    why = reasons.get(video.source.sha256) or f"{video.source.name}: could not be prepared"
                    video.problem = why
                    continue
                nodes = {name: p.node for name, p in plan.items()}
                if self._is_done(video, nodes):
                    continue
                try:
                    self._one(video, nodes, bar.advance)
                except DamagedError:  # marked, so it is made anew
                    run(replace(request, paths=(Path(video.source.name),)), self.console)
                    self._try(video, nodes, bar.advance)
                except (UserError, StoreError, OSError) as e:
                    video.problem = f"{video.source.name}: {e}"

    def pages(self, done: Predicted, overview: Overview) -> None:
        """Write the pages of all videos that have a prediction."""
        from pipeline.predicting.pages import write_pages

        fine = [v for v in done.videos if not v.problem]
        plans = {}
        for video in fine:
            nodes = self._nodes(video.source, self._manifest(video.rate), overview.params)
            plans[video.source.sha256] = plan_nodes(nodes.values(), self.store)
        folder = self.options.output / "report"
        try:
            done.report = write_pages(
                folder, overview, plans, fine, self.store, self.request.manifest, self.console
            )
        except (UserError, StoreError, OSError) as e:
            done.notes.append(f"no report: {e}")

    def _manifest(self, rate: float | None) -> Manifest:
        return self.request.manifest if rate is None else at_rate(self.request.manifest, rate)

    def _try(self, video: OneVideo, nodes: Mapping[str, Node], tell: Callable[..., None]) -> None:
        try:
            self._one(video, nodes, tell)
        except (UserError, StoreError, OSError) as e:
            video.problem = f"{video.source.name}: {e}"

    def _nodes(self, source: Source, manifest: Manifest, derived: Mapping[str, Params]) -> dict[str, Node]:
        return build(source, manifest, wanted_stages(manifest, self.request.stages, source), derived)

    def _facts(self, video: OneVideo, nodes: Mapping[str, Node]) -> dict[str, Any]:
        """Return all that a prediction follows from, as JSON values."""
        options = self.options
        return {
            "video": video.name,
            "sha256": video.source.sha256,
            "player": video.source.player,
            "checkpoint": self.needs.checkpoint,
            "classes": list(self.needs.classes),
            "rule": options.rule,
            "step": options.step,
            "windows": [options.window, options.gauss_window, options.shortest],
            "overlay": options.overlay,
            "keys": {name: nodes[name].key for name in self.request.stages},
        }

    def _is_done(self, video: OneVideo, nodes: Mapping[str, Node]) -> bool:
        """Tell whether an earlier call made just this prediction."""
        record = read_record(video.place)
        if record is None or record.get("mark") != mark_of(self._facts(video, nodes)):
            return False
        video.record, video.kept = record, True
        return True

    def _one(self, video: OneVideo, nodes: Mapping[str, Node], tell: Callable[..., None]) -> None:
        """Predict one video and write its files."""
        options, needs = self.options, self.needs
        with Results(self.store, nodes) as results:
            clock = results.clock()
            video.rows = clock.rows
            tell(0, 2 * clock.rows if options.overlay else clock.rows)
            begun = time.perf_counter()
            scores = self.network.scores(results.rows, clock.rows, _steps(tell, clock.rows))
            video.seconds = time.perf_counter() - begun
            usual = windows_at(clock.rate)
            given = (options.window, options.gauss_window, options.shortest)
            windows = tuple(u if g is None else g for u, g in zip(usual, given, strict=True))
            vote, gauss, shortest = windows
            spans = find_strokes(scores, options.rule, (vote, gauss, shortest), self.network.negative)
            strokes = [self._stroke(s, clock.interval(s.begin, s.end), results, video) for s in spans]
            width, height = results.size
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
                "windows_used": {"window": vote, "gauss_window": gauss, "shortest": shortest},
                "trained_on": video.source.sha256 in needs.record.data.train_videos,
                "strokes": [_plain(s, predicted) for s in predicted.ordered],
                "rows_of_strokes": [
                    [s.begin, s.end, needs.classes[s.label], round(s.score, 4)] for s in spans
                ],
            }

            def film(path: Path) -> None:
                from pipeline.predicting.overlay import write_overlay

                texts = [(s, self._text(s, video)) for s in spans]
                write_overlay(path, results, clock.rate, clock.rows, texts, needs.classes, tell)

            write_prediction(
                video.place, predicted, scores, clock.pictures, record, film if options.overlay else None
            )
            video.record = record

    def _stroke(
        self, span: Span, frames: tuple[int, int], results: Results, video: OneVideo
    ) -> PredictedStroke:
        return PredictedStroke(
            *frames, self.needs.classes[span.label], min(max(span.score, 0.0), 1.0), video.source.player,
            results.box(span.begin, span.end),
        )  # fmt: skip

    def _text(self, span: Span, video: OneVideo) -> str:
        who = f"{video.source.player}: " if video.source.player else ""
        return f"{who}{self.needs.classes[span.label]}  {span.score:.2f}"


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

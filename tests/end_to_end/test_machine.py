"""Annotations and videos come, change and go; parameters change; runs are cut short.

A hypothesis state machine holds the pipeline and the export against a model that knows nothing of keys,
receipts or chunks: which results must be made anew, which samples cut anew, what the dataset must hold,
and that no sample ever changes its split.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pipeline.errors import UserError
from pipeline.execution.executor import Handle
from pipeline.execution.feature_files import Progress
from pipeline.execution.in_process import InProcess
from pipeline.execution.jobs import Job, JobResult
from pipeline.inputs.manifest import Manifest
from store import Store
from tests.support.projects import (
    CROP,
    T,
    export_here,
    manifest_in,
    run_here,
    write_actions,
    write_video,
)

Span = tuple[int, int]

NAMES = ("one", "two", "three")
LENGTHS = {"one": 64, "two": 48, "three": 12}
MOVES = ("Up", "Down", "Across")
#: begin and end of possible strokes; they share at most a frame, so none is ever the same as another
SPANS = ((2, 11), (14, 24), (27, 34), (36, 47), (50, 62))
STAGES = ("frames", "foreground", "flow", "roi", "statistics", "quality")


@pytest.fixture(scope="module", autouse=True)
def _videos(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Rendered once; the machine copies them in and out."""
    folder = tmp_path_factory.mktemp("rendered")
    for seed, name in enumerate(NAMES):
        write_video(folder / f"{name}.mp4", LENGTHS[name], seed)
    Machine.rendered = folder


def stored_rows(begin: int, end: int, length: int, n_frames: int) -> list[int]:
    """The frames that a sample of [begin, end) must hold, by the words of the format's description."""
    if n_frames <= length:
        return [*range(n_frames), *[n_frames - 1] * (length - n_frames)]
    missing = max(0, length - (end - begin))
    first = min(max(0, begin - missing // 2), n_frames - max(length, end - begin))
    return list(range(first, first + max(length, end - begin)))


class Killed(InProcess):
    """Does some jobs and is gone in the middle of the next."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after
        self.done: list[Job] = []

    def start(self, environment: Mapping[str, str], progress: Progress) -> None:
        def dying(stage: str, rows: int) -> None:
            progress(stage, rows)
            if len(self.done) >= self.after:
                raise KeyboardInterrupt

        super().start(environment, dying)

    def completed(self) -> Iterator[tuple[Handle, JobResult]]:
        for handle, result in super().completed():
            self.done.append(handle.job)
            yield handle, result


class Machine(RuleBasedStateMachine):
    """The project as a user sees it, and what a user may expect of it."""

    rendered: Path

    @initialize(moves=st.lists(st.sampled_from(MOVES), min_size=3, max_size=3), run=st.booleans())
    def begin(self, moves: list[str], run: bool) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ttprep-machine-"))
        self.dataset = self.folder / "set.h5"
        # the model: what is there
        self.videos: set[str] = set()
        self.actions: dict[str, dict[tuple[int, int], str]] = {}
        self.length, self.view, self.rule = T, "strokes", ("sample", 0)
        # what was ever computed: stage results, whole cuboid files and single samples, by what they hang on
        self.computed: set[tuple[Any, ...]] = set()
        self.splits: dict[tuple[str, int], dict[str, str]] = {}
        self.exported: str | None = None
        self.sha = {n: hashlib.sha256((self.rendered / f"{n}.mp4").read_bytes()).hexdigest() for n in NAMES}
        self.newest: dict[tuple[str, int], frozenset[tuple[int, int]]] = {}
        (self.folder / "videos").mkdir()
        self._toggle("one")
        self._toggle("two")
        self.actions["one"] = dict(zip(SPANS, moves, strict=False))
        self._write("one")
        self._then(run)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder, ignore_errors=True)

    # -- what users do ---------------------------------------------------------------------

    @rule(name=st.sampled_from(NAMES), run=st.booleans())
    def add_or_remove_video(self, name: str, run: bool) -> None:
        self._toggle(name)
        self._then(run)

    def _toggle(self, name: str) -> None:
        path = self.folder / "videos" / f"{name}.mp4"
        if name in self.videos:
            path.unlink()
        else:
            shutil.copy2(self.rendered / path.name, path)
        self.videos ^= {name}

    @rule(
        name=st.sampled_from(NAMES),
        span=st.sampled_from(SPANS),
        move=st.sampled_from(MOVES),
        run=st.booleans(),
    )
    def annotate(self, name: str, span: Span, move: str, run: bool) -> None:
        """Add a stroke, or correct the label of one that is there."""
        if span[1] <= LENGTHS[name]:
            self.actions.setdefault(name, {})[span] = move
            self._write(name)
        self._then(run)

    @rule(
        name=st.sampled_from(NAMES),
        moves=st.lists(st.sampled_from(MOVES), min_size=5, max_size=5),
        run=st.booleans(),
    )
    def add_annotation_file(self, name: str, moves: list[str], run: bool) -> None:
        spans = [s for s in SPANS if s[1] <= LENGTHS[name]]
        self.actions[name] = dict(zip(spans, moves, strict=False))
        self._write(name)
        self._then(run)

    @precondition(lambda self: any(self.actions.values()))
    @rule(data=st.data(), run=st.booleans())
    def remove_stroke(self, data: st.DataObject, run: bool) -> None:
        name = data.draw(st.sampled_from(sorted(n for n, a in self.actions.items() if a)))
        span = data.draw(st.sampled_from(sorted(self.actions[name])))
        del self.actions[name][span]
        self._write(name)
        self._then(run)

    @precondition(lambda self: self.actions)
    @rule(data=st.data(), run=st.booleans())
    def remove_annotation_file(self, data: st.DataObject, run: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.actions)))
        del self.actions[name]
        (self.folder / "annotations" / f"{name}.xml").unlink()
        self._then(run)

    @rule(length=st.sampled_from([T, T + 6]), run=st.booleans())
    def change_length(self, length: int, run: bool) -> None:
        self.length = length
        self._then(run)

    @rule(view=st.sampled_from(["strokes", "detection", "vertical"]), run=st.booleans())
    def change_taxonomy(self, view: str, run: bool) -> None:
        self.view = view
        self._then(run)

    @rule(by=st.sampled_from(["sample", "video"]), seed=st.sampled_from([0, 1]), run=st.booleans())
    def change_splits(self, by: str, seed: int, run: bool) -> None:
        self.rule = by, seed
        self._then(run)

    @rule(jobs=st.integers(0, 6))
    def crash_while_running(self, jobs: int) -> None:
        """A run that does some jobs and is gone: what it finished counts, nothing else does."""
        if not self.videos:
            return
        killed = Killed(after=jobs)
        with contextlib.suppress(KeyboardInterrupt):
            run_here(self._manifest(), killed)
        for job in killed.done:
            self._now_computed(job.node.source.path.stem, job.node.stage.name)
        (self.folder / "store" / "videos" / "rubbish.h5.tmp-elsewhere-1-ab").write_bytes(b"half a file")

    @precondition(lambda self: self.exported is not None)
    @rule(block=st.integers(0, 3))
    def crash_while_exporting(self, block: int) -> None:
        """An export that is cut short leaves the old file as it was."""
        before = self.dataset.read_bytes()
        self._run()
        count = iter(range(10**6))
        with pytest.MonkeyPatch.context() as patch:
            import pipeline.dataset.assemble as module

            real = module._present

            def cut_short(*words: Any) -> Any:
                if next(count) >= block:
                    raise KeyboardInterrupt
                return real(*words)

            patch.setattr(module, "_present", cut_short)
            try:
                export_here(self._manifest(), self.dataset)
            except KeyboardInterrupt:
                assert self.dataset.read_bytes() == before
            except UserError:
                assert not self._samples()
            else:
                self._expect_dataset()

    def _then(self, run: bool) -> None:
        # drawn with every change: were it a rule among others, most changes would never be run
        if run:
            self.run_and_export()

    @rule()
    def run_and_export(self) -> None:
        if not self.videos:
            return
        self._run()
        if not self._samples():
            with pytest.raises(UserError, match="no sample"):
                export_here(self._manifest(), self.dataset)
            return
        done = export_here(self._manifest(), self.dataset)
        state = self._state()
        if self.exported == state:
            assert not done.made, "nothing changed, yet the dataset was written"
        self._expect_dataset()
        assert not export_here(self._manifest(), self.dataset).made

    # -- what must hold --------------------------------------------------------------------

    def _run(self) -> None:
        """Run; exactly what is new may be computed, and only new samples are cut."""
        if not self.videos:
            return
        todo = {(n, s) for n in self.videos for s in STAGES if (self.sha[n], s) not in self.computed}
        for name in self.videos:
            spans = self._spans(name)
            if spans and (self.sha[name], "cuboids", self.length, spans) not in self.computed:
                todo.add((name, "cuboids"))
        result = run_here(self._manifest())
        assert result.code == 0, [j.reason for j in result.jobs]
        made = Counter((Path(j.label.split(" of ")[1]).stem, j.stage) for j in result.jobs)
        assert made == Counter(todo)
        for job in result.jobs:
            if job.stage == "cuboids":
                self._expect_cut(Path(job.label.split(" of ")[1]).stem, job.rows)
        for name in self.videos:
            for stage in STAGES:
                self._now_computed(name, stage)
            if self._spans(name):
                self._now_computed(name, "cuboids")
        assert not result.overview.to_do()
        assert result.overview.sources
        assert run_here(self._manifest()).jobs == []

    def _expect_cut(self, name: str, rows: int) -> None:
        """Frames cut anew: those of samples that the newest file of the same T lacked."""
        before = self.newest.get((name, self.length), frozenset())
        new = [s for s in self._spans(name) if s not in before]
        expected = sum(len(stored_rows(*s, self.length, LENGTHS[name])) for s in new)
        assert rows == expected, f"{name}: {rows} rows cut, {expected} are new"

    def _now_computed(self, name: str, stage: str) -> None:
        if stage == "cuboids":
            key = (self.sha[name], stage, self.length, self._spans(name))
            if key not in self.computed:
                self.newest[name, self.length] = frozenset(self._spans(name))
            self.computed.add(key)
        else:
            self.computed.add((self.sha[name], stage))

    def _expect_dataset(self) -> None:
        """The file holds the model's samples with their labels, frames and splits."""
        expected = self._samples()
        with h5py.File(self.dataset) as file:
            read = {
                k: file[f"samples/{k}"].asstr()[()] if k in ("id", "label_name") else file[f"samples/{k}"][()]
                for k in ("id", "video", "begin", "end", "first", "rows", "label", "label_name", "split")
            }
            names = [Path(n).stem for n in file["videos/name"].asstr()[()]]
            classes, splits = json.loads(file.attrs["classes"]), json.loads(file.attrs["splits"])
            found = {}
            for i in range(len(read["id"])):
                name = names[read["video"][i]]
                span = int(read["begin"][i]), int(read["end"][i])
                found[name, span] = str(read["label_name"][i])
                assert read["id"][i] == f"{self.sha[name][:16]}:{span[0]}-{span[1]}"
                assert classes[read["label"][i]] == self._class(found[name, span])
                part = slice(int(read["first"][i]), int(read["first"][i] + read["rows"][i]))
                wanted = stored_rows(*span, self.length, LENGTHS[name])
                assert file["cuboids/frame"][part].tolist() == wanted
                self._expect_pixels(file, name, part, wanted)
            assert names == sorted(self.videos)
            assert found == expected
            assert file.attrs["length"] == self.length
            now = {str(k): splits[s] for k, s in zip(read["id"], read["split"], strict=True)}
        known = self.splits.setdefault(self.rule, {})
        moved = {k for k, s in now.items() if known.get(k, s) != s}
        assert not moved, f"{moved} moved to another split"
        known |= now
        card = self.dataset.with_suffix(".md").read_text()
        assert f"| **all** | {' | '.join(str(sum(s == n for s in now.values())) for n in splits)} |" in card
        self.exported = self._state()

    def _expect_pixels(self, file: Any, name: str, part: slice, frames: list[int]) -> None:
        """The square is where the frames have it: its colour says which frame this is."""
        window, rgb = file["cuboids/window"][part], file["cuboids/rgb"][part]
        whole = self._frames(name)
        height, width = rgb.shape[1:3]
        for row in (0, len(frames) // 2, len(frames) - 1):
            x, y = window[row]
            np.testing.assert_array_equal(rgb[row], whole[frames[row]][y : y + height, x : x + width])

    def _frames(self, name: str) -> Any:
        store = Store.open(self.folder / "store")
        receipt = next(r for r in store.receipts(self.sha[name]) if r.stage == "frames")
        from store import FeatureReader

        with FeatureReader(store.folder(self.sha[name]) / f"frames-{receipt.key[:16]}.h5") as reader:
            return reader.read("rgb")

    @invariant()
    def nothing_half_is_left(self) -> None:
        if hasattr(self, "folder"):
            assert not list(self.folder.glob("*.tmp-*"))

    # -- the model -------------------------------------------------------------------------

    def _class(self, label: str) -> str | None:
        if self.view == "detection":
            return "Negative" if label == "Negative" else "Stroke"
        if self.view == "vertical":
            return "Vertical" if label in ("Up", "Down") else None
        return label

    def _samples(self) -> dict[tuple[str, Span], str]:
        """(video, span) → label, of what has a class."""
        out: dict[tuple[str, Span], str] = {}
        for name in self.videos:
            for span, move in self.actions.get(name, {}).items():
                if self._class(move) is not None:
                    out[name, span] = move
        return out

    def _spans(self, name: str) -> tuple[Span, ...]:
        return tuple(sorted(span for n, span in self._samples() if n == name))

    def _state(self) -> str:
        # the card counts annotations of videos that are not there, too
        files = {n: a for n, a in self.actions.items() if a}
        return repr((sorted(self.videos), sorted(files.items()), self.length, self.view, self.rule))

    def _write(self, name: str) -> None:
        actions = [(b, e, move) for (b, e), move in sorted(self.actions[name].items())]
        write_actions(self.folder / "annotations" / f"{name}.xml", actions)

    def _manifest(self) -> Manifest:
        by, seed = self.rule
        return manifest_in(
            self.folder,
            taxonomy=self.view,
            taxonomies=[{"name": "vertical", "classes": {"Vertical": ["Up", "Down"]}}],
            splits={"by": by, "seed": seed},
            cleaning={"min_seconds": 0.05, "max_seconds": 10, "negatives": {"enabled": False}},
            stages={"cuboids": {"crop_width": CROP, "crop_height": CROP, "length": self.length}},
        )


TestMachine = pytest.mark.slow(Machine.TestCase)
TestMachine.settings = settings(max_examples=15, stateful_step_count=18, deadline=None)

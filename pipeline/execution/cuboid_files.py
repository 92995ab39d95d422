"""Cutting the samples of one video, and keeping those that are still right.

A new annotation changes the key of its video's cuboids file, but not the samples that were there before:
their compressed chunks are copied from the old file, so the work grows with the change.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np

from pipeline.execution.feature_files import BLOCK_ROWS, Inputs, Progress, file_attrs, read_info, run_facts
from pipeline.execution.layouts import chunk_rows, column, columns
from pipeline.planning.graph import Node
from stages.base import Array, ArraySpec, StageError
from store import FeatureReader, Receipt, Slot, Store
from store.receipt import check_file

#: one row a sample; what the columns are
SAMPLES = ArraySpec(
    "samples",
    "int64",
    ("sample", "field"),
    description="annotated begin, end (exclusive); first stored row; stored rows; rows with padding",
)


def make_samples(store: Store, node: Node, progress: Progress) -> int:
    """Make the cuboids file of one video; returns the rows cut anew.

    Each sample's rows start on a chunk boundary; behind its last frame the last row is repeated up to
    the next boundary, with zero flow.
    """
    if store.receipt(node.slot) is not None:
        return 0
    wall, core = time.perf_counter(), time.process_time()
    stage, sampling = node.stage, node.stage.sampling
    if sampling is None:
        raise StageError(f"stage {stage.name} does not say how it cuts samples")
    if sampling.whole:
        return _make_whole(store, node, progress)
    step = chunk_rows(stage)
    info = read_info(store, node)
    old = _previous(store, node)
    kept = _kept_rows(old[1]) if old else {}
    table: list[list[int]] = []
    cut = at = 0
    with ExitStack() as stack:
        inputs = Inputs(store, node, info, stack)
        theirs = stack.enter_context(old[1]) if old else None
        present = [s for s in stage.outputs if not s.given_by or s.given_by in node.arrays]
        present.sort(key=lambda spec: spec.name)  # the order in which chunks are written is part of the bytes
        cols = (*columns(stage, {s.name for s in present}), column(SAMPLES))
        writer = stack.enter_context(store.writing(node.slot, cols, file_attrs(node, info)))
        for begin, end in sorted(node.samples):
            frames = sampling.span(begin, end, node.params, info.n_frames)
            total = -(-frames.rows // step) * step
            if theirs is not None and (begin, end) in kept:
                _copy(writer, theirs, present, kept[begin, end], total)
            else:
                last: Mapping[str, Array] = {}
                for start in range(frames.begin, frames.end, BLOCK_ROWS):
                    block = inputs.block(start, min(start + BLOCK_ROWS, frames.end))
                    last = next(iter(stage.compute(iter([block]), node.params, info)))
                    writer.append(last)
                    progress(stage.name, block.stop - block.start)
                writer.append(sampling.pad(last, total - (frames.end - frames.begin)))
                cut += frames.rows
            table.append([begin, end, at, frames.rows, total])
            at += total
        writer.append({"samples": np.array(table, np.int64).reshape(-1, 5)})
        shapes = writer.close()
    run = run_facts(cut, time.process_time() - core, time.perf_counter() - wall)
    run["samples_kept"] = sum((b, e) in kept for b, e in node.samples)
    store.seal(node.slot, node.stage.version, node.parts(), shapes, {}, run)
    return cut


def _make_whole(store: Store, node: Node, progress: Progress) -> int:
    """Make the file of a stage that is handed whole samples; it is small, so all are made anew."""
    wall, core = time.perf_counter(), time.process_time()
    stage, info = node.stage, read_info(store, node)
    table: list[list[int]] = []
    at = 0
    with ExitStack() as stack:
        inputs = Inputs(store, node, info, stack)
        cols = (*columns(stage, {s.name for s in stage.outputs}), column(SAMPLES))
        writer = stack.enter_context(store.writing(node.slot, cols, file_attrs(node, info)))
        for begin, end in sorted(node.samples):
            block = inputs.block(begin, end, stage.halo)
            for result in stage.compute(iter([block]), node.params, info):
                writer.append(result)
            progress(stage.name, end - begin)
            table.append([begin, end, at, end - begin, end - begin])
            at += end - begin
        writer.append({"samples": np.array(table, np.int64).reshape(-1, 5)})
        shapes = writer.close()
    run = run_facts(at, time.process_time() - core, time.perf_counter() - wall)
    store.seal(node.slot, node.stage.version, node.parts(), shapes, {}, run)
    return at


def _previous(store: Store, node: Node) -> tuple[Receipt, FeatureReader] | None:
    """The newest sound cuboids file that differs from this one in its samples alone."""
    mine: dict[str, Any] = {**node.parts(), "samples": None}
    for receipt in store.receipts(node.source.sha256):
        if receipt.stage == node.stage.name and {**receipt.parts, "samples": None} == mine:
            slot = Slot(node.source.sha256, node.stage.name, receipt.key)
            try:
                if store.receipt(slot) is None:
                    continue
                # chunks are copied unseen, so whatever is wrong with them would live on
                problem = check_file(store.path(slot), receipt, read_data=True)
            except OSError:  # cannot be read now: then it saves no work
                continue
            if not problem:
                return receipt, store.reader(slot)
            store.mark_damaged(slot, problem)
    return None


def _kept_rows(reader: FeatureReader) -> dict[tuple[int, int], int]:
    with reader:
        return {(int(b), int(e)): int(first) for b, e, first, _, _ in reader.read("samples")}


def _copy(writer: Any, theirs: FeatureReader, present: Iterable[ArraySpec], first: int, total: int) -> None:
    for spec in present:
        if spec.kind == "table":  # small, and not in whole chunks
            writer.append({spec.name: theirs.read(spec.name, first, first + total)})
        else:
            writer.copy_rows(theirs, spec.name, first, first + total)

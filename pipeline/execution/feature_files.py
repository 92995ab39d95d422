"""Making one feature file from others: reading blocks, running the stage, publishing.

Long videos are made in parts of :data:`~pipeline.execution.layouts.PART_ROWS` rows, each a file of its
own that survives a killed run; assembling them moves compressed chunks and computes nothing.
"""

from __future__ import annotations

import itertools
import resource
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.execution.layouts import PART_ROWS, columns
from pipeline.inputs.joints import read_joints
from pipeline.inputs.sources import content_digest
from pipeline.planning.graph import Node
from pipeline.provenance import provenance
from stages.base import VIDEO, Array, Block, SourceFile, StageError, VideoInfo
from store import DamagedError, FeatureReader, FeatureWriter, Receipt, Slot, Store, StoreError, sha256_file
from store.names import valid_text

#: told the stage and the number of rows just made
Progress = Callable[[str, int], None]
#: frames handed to a stage at a time; bounds memory
BLOCK_ROWS = 50
#: how long to wait for an input that another machine has published (network file systems cache lookups)
VISIBLE_WITHIN_S = 30.0
CONVENTION = "frames are numbered from 0; row t of a 'pair' axis is the motion from frame t to frame t+1"


def peak_memory_mb() -> float:
    """Largest resident size of this process so far, MB (10^6 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def video_info(receipt: Receipt) -> VideoInfo:
    """What later stages may know, from the frames stage's receipt."""
    try:
        n, height, width = receipt.shapes["rgb"][:3]
        fps = Fraction(int(receipt.attrs["fps_num"]), int(receipt.attrs["fps_den"]))
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as e:  # only one without a checksum gets here
        raise StoreError(f"the receipt of {receipt.stage}-{receipt.key[:16]} says no frame rate ({e})") from e
    return VideoInfo(n, fps, width, height, str(receipt.attrs.get("fit", "exact")))


def n_rows(node: Node, info: VideoInfo) -> int:
    """Rows that a node's outputs have (0 pairs for a single frame)."""
    return info.n_frames - 1 if node.stage.rows == "pairs" else info.n_frames


def is_split(node: Node, info: VideoInfo) -> bool:
    """Whether a node of this video is made in parts."""
    # the source is decoded from its beginning
    in_order = VIDEO in node.arrays or node.stage.in_order(node.params)
    return node.stage.splittable and not in_order and n_rows(node, info) > PART_ROWS * 3 // 2


def part_ranges(node: Node, info: VideoInfo) -> list[tuple[int, int]]:
    """The row ranges of its parts; they depend on nothing but the length."""
    n = n_rows(node, info)
    return [(start, min(start + PART_ROWS, n)) for start in range(0, n, PART_ROWS)]


# -- reading ---------------------------------------------------------------------------------


def _frames_node(node: Node) -> Node:
    if node.stage.is_root:
        return node
    return next(found for up in node.inputs.values() if (found := _frames_node(up)))


def input_receipt(store: Store, slot: Slot) -> Receipt:
    """The receipt of an input; waits a while for one that another machine has just published.

    Raises
    ------
    DamagedError
        The file or its receipt is damaged.
    StoreError
        It does not come.
    """
    deadline = time.monotonic() + VISIBLE_WITHIN_S
    while (receipt := store.receipt(slot)) is None:
        if damage := store.damage(slot):
            raise DamagedError(f"{slot.stage}: {damage}", store.path(slot))
        if time.monotonic() > deadline:
            raise StoreError(f"its input {slot.stage} is not in the store")
        time.sleep(0.2)
    return receipt


def read_info(store: Store, node: Node) -> VideoInfo:
    """Length, size and frame rate of a node's video, from its frames file."""
    return video_info(input_receipt(store, _frames_node(node).slot))


class Inputs:
    """A node's input arrays, read by row ranges."""

    def __init__(self, store: Store, node: Node, info: VideoInfo, stack: ExitStack) -> None:
        self._readers: dict[str, FeatureReader] = {}
        self._arrays = [a for a in node.arrays if a != VIDEO]
        self._lengths: dict[str, int] = {}
        for name, upstream in node.inputs.items():
            input_receipt(store, upstream.slot)
            self._readers[name] = stack.enter_context(store.reader(upstream.slot))
        self._source = source_file(node) if VIDEO in node.arrays else None
        for array in self._arrays:
            stage, name = array.split(".")
            self._lengths[array] = self._readers[stage].dataset(name).shape[0]

    def block(self, start: int, stop: int, halo: tuple[int, int] = (0, 0)) -> Block:
        """Rows [start, stop) of every input with ``halo`` rows around, clipped at the ends."""
        first = max(0, start - halo[0])
        data: dict[str, Array] = {}
        for array in self._arrays:
            stage, name = array.split(".")
            n = self._lengths[array]
            data[array] = self._readers[stage].read(name, min(first, n), min(stop + halo[1], n))
        return Block(start, stop, first, data, self._source)


def source_file(node: Node) -> SourceFile:
    """Return what a stage is given of the source itself."""
    joints = read_joints(node.source.joints) if node.source.joints and node.stage.is_root else None
    return SourceFile(node.source.path, joints)


def blocks_of(inputs: Inputs, node: Node, rows: tuple[int, int]) -> Iterator[Block]:
    """The blocks that cover a range of a node's rows."""
    if rows[0] == rows[1]:  # a single frame has no pair: the stage still says what its arrays look like
        yield inputs.block(rows[0], rows[1])
    for start in range(rows[0], rows[1], BLOCK_ROWS):
        yield inputs.block(start, min(start + BLOCK_ROWS, rows[1]), node.stage.halo)


# -- writing ---------------------------------------------------------------------------------


def file_attrs(node: Node, info: VideoInfo) -> dict[str, Any]:
    """Root attributes that make the file explain itself; the same for every run."""
    return {
        "stage": node.stage.name,
        "stage_title": node.stage.title,
        "key": node.key,
        "parts": node.parts(),
        "frame_convention": CONVENTION,
        "provenance": provenance(),
        **node.stage.attrs(node.params, info),
    }


def make(store: Store, node: Node, progress: Progress) -> tuple[int, dict[str, Any]]:
    """Make a node's file in one go; returns the rows made and the file's attributes."""
    if (known := store.receipt(node.slot)) is not None:  # another run was faster
        return 0, known.attrs
    wall, core = time.perf_counter(), time.process_time()
    with ExitStack() as stack:
        info = VideoInfo()
        if node.stage.is_root:
            blocks = iter([Block(0, BLOCK_ROWS, 0, {}, source_file(node))])
        else:
            info = read_info(store, node)
            inputs = Inputs(store, node, info, stack)
            blocks = blocks_of(inputs, node, (0, n_rows(node, info)))
        rows, shapes, attrs = _write(partial(store.writing, node.slot), node, info, blocks, progress)
    if VIDEO in node.arrays:  # not the frames alone: pose may look at the video once more
        _check_unchanged(node)
    run = run_facts(rows, time.process_time() - core, time.perf_counter() - wall)
    if node.stage.is_root:  # its name for those who look into the store: a fresh file has no note yet
        run["source"] = valid_text(str(node.source.path))
    store.seal(node.slot, node.stage.version, node.parts(), shapes, attrs, run)
    return rows, attrs


def _check_unchanged(node: Node) -> None:
    if content_digest(node.source.path, node.source.joints) != node.source.sha256:
        raise StageError(
            f"{node.video}: changed while it was read", "wait until it is copied completely, run again"
        )


def run_facts(rows: int, core_s: float, wall_s: float) -> dict[str, Any]:
    """What a run cost, for the receipt."""
    return {
        "rows": rows,
        "core_s": round(core_s, 4),
        "wall_s": round(wall_s, 4),
        "peak_mb": round(peak_memory_mb(), 1),
        "host": socket.gethostname(),
    }


def _write(
    writing: Callable[..., AbstractContextManager[FeatureWriter]],
    node: Node,
    info: VideoInfo,
    blocks: Iterator[Block],
    progress: Progress,
) -> tuple[int, dict[str, list[int]], dict[str, Any]]:
    outputs = iter(node.stage.compute(blocks, node.params, info))
    first = next(outputs, None)  # taken apart to see which of the optional arrays there are
    if first is None:
        raise StageError("the stage gave nothing", "please report it")
    found: dict[str, Any] = {}
    made = 0
    with writing(columns(node.stage, set(first)), file_attrs(node, info)) as writer:
        for out in itertools.chain([first], outputs):
            found |= out.attrs
            writer.append(out)
            rows = len(next(iter(out.values())))
            made += rows
            progress(node.stage.name, rows)
        shapes = writer.close(found)
    return made, shapes, found


# -- parts -----------------------------------------------------------------------------------


def part_path(store: Store, node: Node, rows: tuple[int, int]) -> Path:
    """Where a part lies until the whole is assembled."""
    return store.part_path(node.slot, rows)


def part_done(store: Store, node: Node, rows: tuple[int, int]) -> bool:
    """Whether a part of an earlier, unfinished run can be used."""
    path = part_path(store, node, rows)
    note = _part_note(store, path)
    try:
        return note is not None and note["key"] == node.key and note["size"] == path.stat().st_size
    except OSError:
        return False


def _part_note(store: Store, path: Path) -> dict[str, Any] | None:
    try:
        return store.note(path.with_suffix(".json"), "part note")
    except DamagedError:
        return None


def make_part(store: Store, node: Node, rows: tuple[int, int], progress: Progress) -> int:
    """Make one part of a node; returns the rows made (0 where an earlier run left it)."""
    info = read_info(store, node)
    if part_done(store, node, rows) or store.receipt(node.slot) is not None:
        progress(node.stage.name, rows[1] - rows[0])
        return 0
    path = part_path(store, node, rows)
    wall, core = time.perf_counter(), time.process_time()
    with ExitStack() as stack:
        inputs = Inputs(store, node, info, stack)
        writing = partial(store.writing_part, node.slot, rows)
        _write(writing, node, info, blocks_of(inputs, node, rows), progress)
    run = run_facts(rows[1] - rows[0], time.process_time() - core, time.perf_counter() - wall)
    note = {"key": node.key, "size": path.stat().st_size, "sha256": sha256_file(path), "run": run}
    store.publish(path.with_suffix(".json"), note)
    return rows[1] - rows[0]


def join(store: Store, node: Node) -> int:
    """Assemble a node's parts and remove them; returns the rows."""
    if store.receipt(node.slot) is not None:
        return 0
    wall, core = time.perf_counter(), time.process_time()
    info = read_info(store, node)
    ranges = part_ranges(node, info)
    facts: list[dict[str, Any]] = []
    with ExitStack() as stack:
        readers = []
        for rows in ranges:
            path = part_path(store, node, rows)
            note = _part_note(store, path)
            if note is None or not path.exists() or sha256_file(path) != note["sha256"]:
                store.discard(path)
                store.discard(path.with_suffix(".json"))
                raise DamagedError(f"{path}: the part is not what was published", path)
            facts.append(note["run"])
            readers.append(stack.enter_context(FeatureReader(path)))
        cols = columns(node.stage, set(readers[0].names))
        with store.writing(node.slot, cols, file_attrs(node, info)) as writer:
            for reader in readers:
                for col in cols:
                    writer.copy_rows(reader, col.name, 0, len(reader.dataset(col.name)))
            shapes = writer.close()
    run = run_facts(
        n_rows(node, info),
        time.process_time() - core + sum(f["core_s"] for f in facts),
        time.perf_counter() - wall + sum(f["wall_s"] for f in facts),
    )
    run["peak_mb"] = max([run["peak_mb"], *(f["peak_mb"] for f in facts)])
    store.seal(node.slot, node.stage.version, node.parts(), shapes, {}, run)
    for rows in ranges:
        path = part_path(store, node, rows)
        store.discard(path)  # first: its note tells that it is ours
        store.discard(path.with_suffix(".json"))
    return n_rows(node, info)

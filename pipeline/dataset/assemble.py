"""Assemble DATASET.h5 from the files of a store; docs/dataset-format.md describes the format.

The samples' pixels are written contiguously and uncompressed: a trainer's read (T frames from anywhere in a
sample) then costs little more than copying memory. A compact file, and whole videos, keep the store's
compressed chunks. Every file of the store is compared with its receipt's sha256 first, so that damage is not
handed on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from pipeline.annotations import SPLITS
from pipeline.annotations.parsing.focus import name_of
from pipeline.dataset.content import UNKNOWN, Content, Video, frame_labels
from pipeline.dataset.hdf5_writer import TEXT, Hdf5Writer, copy_chunks, writing
from pipeline.execution.layouts import SAMPLE_ROWS, UNTRIMMED_ROWS, column
from pipeline.planning.frame_times import CONSTANT, VARIABLE
from pipeline.planning.graph import Node
from pipeline.provenance import provenance
from stages.base import Array, ArraySpec
from stages.descriptor import JOINTS
from stages.registry import registry
from stages.statistics import STAGE as STATISTICS
from stages.statistics import summarise
from store import Column, DamagedError, FeatureReader, Store
from store.receipt import check_file

FORMAT = "ttprep-dataset"
FORMAT_VERSION = 1
#: rows read at a time; bounds memory
BLOCK_ROWS = 5 * SAMPLE_ROWS

_POSE = ArraySpec(
    "pose", "float32", ("frame", "joint", "xys"), "px", description="x, y, score of pose and 13 joints"
)
_ROI = ArraySpec("roi", "float32", ("frame", "xy"), "px", description="smoothed ROI centre in the frame")
_LABEL = ArraySpec("label", "int16", ("frame",), description="class of the frame, -1 where unknown")
#: called with the rows just written and the total
Progress = Callable[[int, int], None]


def _silent(rows: int, total: int) -> None:
    """Report nothing."""


#: arrays of pixels: the only ones that may keep the store's compressed chunks
_LARGE = ("rgb", "flow")


@dataclass(frozen=True)
class Place:
    """A video's rows in a group: ``first`` … ``first + rows``, then filler up to ``first + total``."""

    first: int
    rows: int
    total: int


class VerifiedReaders:
    """Readers of a store's files, each of which is compared with its receipt when it is opened."""

    def __init__(self, store: Store, stack: ExitStack) -> None:
        self._store, self._stack = store, stack

    def open(self, node: Node) -> FeatureReader:
        """Open a result after comparing the file with its receipt, sha256 included.

        Raises
        ------
        DamagedError
            The file is not what was published. It is marked as damaged, so that the next run makes it again.
        """
        receipt = self._store.receipt(node.slot)
        problem = (
            check_file(self._store.path(node.slot), receipt, read_data=True)
            if receipt
            else self._store.damage(node.slot) or "it is not there"
        )
        if problem:
            self._store.mark_damaged(node.slot, problem)
            path = self._store.path(node.slot)
            raise DamagedError(f"{path}: {problem}; run `ttprep run` to make it again, then export again")
        return self._stack.enter_context(self._store.reader(node.slot))


def assemble(
    path: Path,
    store: Store,
    content: Content,
    splits: Mapping[str, str],
    fingerprint: str,
    *,
    compact: bool,
    progress: Progress = _silent,
) -> str:
    """Write the dataset file, replacing ``path`` atomically.

    Parameters
    ----------
    path : Path
    store : Store
    content : Content
    splits : mapping of str to str
        Sample id → split.
    fingerprint : str
        Of the content, see :mod:`pipeline.dataset.fingerprint`.
    compact : bool
        Keep the store's compressed chunks: a tenth of the bytes, read at a fraction of the speed.
    progress : callable
        Called with the rows of ``/cuboids`` just written and their total number.

    Returns
    -------
    str
        sha256 of the file.

    Raises
    ------
    OSError
        The disk refused.
    DamagedError
        A file of the store is not what was published.
    """
    with writing(path) as out:
        _root(out, content, fingerprint)
        cuboids, where = _places(store, content)
        _samples(out, content, splits, where)
        _cuboids(out, store, content, cuboids, compact, progress)
        whole = _untrimmed(out, store, content) if content.untrimmed else {}
        _videos(out, content, whole)
        if "flow" in content.modalities:
            _statistics(out, store, content, splits)
    return out.sha256


def _root(out: Hdf5Writer, content: Content, fingerprint: str) -> None:
    info, params = content.frame, content.cuboids
    out.attrs(
        out.h5,
        {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "fingerprint": fingerprint,
            "modalities": list(content.modalities),
            "frame_size": (info.width, info.height),
            "crop": (min(params.crop_width, info.width), min(params.crop_height, info.height)),
            "window": params.window(info),
            "length": params.length,
            "augmentation": {
                "rotation": params.rotation, "translation": params.translation, "zoom": params.zoom
            },
            "taxonomy": content.view.name,
            "classes": list(content.view.names),
            "splits": list(SPLITS),
            "joints": ["pose", *JOINTS],
            "parameters": dict(content.parameters),
            "provenance": provenance(),
            "left_out": list(content.left_out),
        },
    )  # fmt: skip


def _places(
    store: Store, content: Content
) -> tuple[dict[int, Place], dict[tuple[int, int, int], tuple[int, int]]]:
    """Place the videos and samples in /cuboids.

    Returns
    -------
    places : dict
        Row of the video → its rows in /cuboids.
    where : dict
        (row of the video, begin, end) of a sample → its first row and its number of rows.
    """
    places: dict[int, Place] = {}
    where: dict[tuple[int, int, int], tuple[int, int]] = {}
    at = 0
    for row, video in enumerate(content.videos):
        if "cuboids" not in video.nodes:
            continue
        with ExitStack() as stack:
            reader = VerifiedReaders(store, stack).open(video.nodes["cuboids"])
            rows = len(reader.dataset("roi"))
            for begin, end, first, n, _ in reader.read("samples").tolist():
                where[row, begin, end] = at + first, n
        places[row] = Place(at, rows, rows)
        at += rows
    return places, where


def _samples(
    out: Hdf5Writer,
    content: Content,
    splits: Mapping[str, str],
    where: Mapping[tuple[int, int, int], tuple[int, int]],
) -> None:
    samples = content.samples
    rows = [where[row, s.begin, s.end] for row, s in samples]
    classes = {name: i for i, name in enumerate(content.view.names)}
    out.table(
        "samples",
        {
            "id": (TEXT, [s.id for _, s in samples]),
            "video": ("int32", [row for row, _ in samples]),
            "begin": ("int32", [s.begin for _, s in samples]),
            "end": ("int32", [s.end for _, s in samples]),
            "first": ("int64", [first for first, _ in rows]),
            "rows": ("int32", [n for _, n in rows]),
            "label": ("int16", [classes.get(content.view.class_of(s.label) or "", -1) for _, s in samples]),
            "label_name": (TEXT, [s.label or "" for _, s in samples]),
            "split": ("int8", [SPLITS.index(splits[s.id]) for _, s in samples]),
            "annotators": (TEXT, [";".join(a.replace(";", ",") for a in s.annotators) for _, s in samples]),
            "player": (TEXT, [s.player for _, s in samples]),
        },
    )
    for name, view in content.views.items():
        index = {c: i for i, c in enumerate(view.names)}
        labels = [index.get(view.class_of(s.label) or "", -1) for _, s in samples]
        out.table(f"taxonomies/{name}", {"label": ("int16", labels)})
        out.attrs(out.h5[f"taxonomies/{name}"], {"classes": list(view.names)})


def _present(stage: str, content: Content) -> Iterator[ArraySpec]:
    for spec in registry()[stage].outputs:
        if spec.name not in ("rgb", "flow", "pose") or spec.name in content.modalities:
            yield spec


def _create(
    out: Hdf5Writer, group: str, col: Column, shape: tuple[int, ...], *, chunked: bool
) -> h5py.Dataset:
    return out.create(f"{group}/{col.name}", shape, col.dtype, col.layout if chunked else None, col.attrs)


def _cuboids(
    out: Hdf5Writer,
    store: Store,
    content: Content,
    places: Mapping[int, Place],
    compact: bool,
    progress: Progress,
) -> None:
    total = sum(p.total for p in places.values())
    nodes = {row: content.videos[row].nodes["cuboids"] for row in places}
    specs = list(_present("cuboids", content))
    if nodes:
        with store.reader(next(iter(nodes.values())).slot) as reader:
            shapes = {spec.name: (total, *reader.dataset(spec.name).shape[1:]) for spec in specs}
    else:  # no video has a sample: the arrays are there, without rows
        shapes = {spec.name: (0, *content.row_shape(spec)) for spec in specs}
        compact = False
    small: list[tuple[str, h5py.Dataset]] = []
    chunked: list[tuple[str, h5py.Dataset]] = []
    for spec in specs:
        col, shape = column(spec), shapes[spec.name]
        if spec.name in _LARGE and not compact:
            rows = partial(_rows, store, nodes, spec.name, shape, progress)
            out.reserve(f"cuboids/{spec.name}", shape, col.dtype, col.attrs, rows)
            progress = _silent  # RGB and flow have the same rows: count them once
        elif spec.name in _LARGE:
            chunked.append((spec.name, _create(out, "cuboids", col, shape, chunked=True)))
        else:
            small.append((spec.name, _create(out, "cuboids", col, shape, chunked=False)))
    for row, place in places.items():
        with store.reader(nodes[row].slot) as reader:
            for name, target in small:
                target[place.first : place.first + place.rows] = reader.read(name)
            for name, target in chunked:
                copy_chunks(reader.dataset(name), target, place.first)
        out.raise_failure()
        if compact:
            progress(place.rows, total)


def _rows(
    store: Store, nodes: Mapping[int, Node], name: str, shape: tuple[int, ...], progress: Progress
) -> Iterator[Array]:
    """Yield all rows of one array of all cuboids, in the order of the file."""
    for node in nodes.values():
        with store.reader(node.slot) as reader:
            source = reader.dataset(name)
            if source.shape[1:] != shape[1:]:
                raise DamagedError(
                    f"{reader.path}: its windows differ in size from those of other videos; run `ttprep run`"
                )
            for start in range(0, len(source), BLOCK_ROWS):
                yield reader.read(name, start, min(start + BLOCK_ROWS, len(source)))
        progress(len(source), shape[0])


def _untrimmed(out: Hdf5Writer, store: Store, content: Content) -> dict[int, Place]:
    """Write /untrimmed and return: row of the video → its rows there."""
    places, at = {}, 0
    for row, video in enumerate(content.videos):
        n = video.info.n_frames
        places[row] = Place(at, n, -(-n // UNTRIMMED_ROWS) * UNTRIMMED_ROWS)
        at += places[row].total
    targets: dict[str, h5py.Dataset] = {}
    for row, place in places.items():
        with ExitStack() as stack:
            _one_untrimmed(
                out, VerifiedReaders(store, stack), content.videos[row], content, (place, at), targets
            )
        out.raise_failure()
    return places


def _one_untrimmed(
    out: Hdf5Writer,
    readers: VerifiedReaders,
    video: Video,
    content: Content,
    where: tuple[Place, int],
    targets: dict[str, h5py.Dataset],
) -> None:
    place, total = where
    reader = readers.open(video.nodes["untrimmed"])
    small: list[tuple[Column, Array]] = []
    for spec in _present("untrimmed", content):
        col = column(spec)
        if spec.name in _LARGE:
            source = reader.dataset(spec.name)
            if spec.name not in targets:
                shape = (total, *source.shape[1:])
                targets[spec.name] = _create(out, "untrimmed", col, shape, chunked=True)
            copy_chunks(source, targets[spec.name], place.first)
        else:
            small.append((col, reader.read(spec.name)))
    centre = readers.open(video.nodes["roi"]).read("centre")
    small.append((column(_ROI), centre.astype(np.float32)))
    if "pose" in content.modalities:
        joints = readers.open(video.nodes["descriptor"]).read("joints")
        small.append((column(_POSE), joints.astype(np.float32)))
    labels = frame_labels(place.rows, video.samples, video.actions, content.view)
    for col, values in (*small, (column(_LABEL), labels)):
        if col.name not in targets:
            targets[col.name] = _create(out, "untrimmed", col, (total, *values.shape[1:]), chunked=False)
        first, last = place.first + place.rows, place.first + place.total
        targets[col.name][place.first : first] = values
        # filler, which no video refers to
        targets[col.name][first:last] = UNKNOWN if col.name == "label" else 0


def _videos(out: Hdf5Writer, content: Content, whole: Mapping[int, Place]) -> None:
    videos = content.videos
    places = [whole.get(row, Place(-1, 0, 0)) for row in range(len(videos))]
    uneven = any(v.variable for v in videos)  # files without such a video are what they were before
    more = {"rate": (TEXT, [VARIABLE if v.variable else CONSTANT for v in videos])} if uneven else {}
    if any(v.source.group for v in videos):
        more["group"] = (TEXT, [v.source.group for v in videos])
    if any(v.source.focus for v in videos):
        more["focus"] = (TEXT, [name_of(v.source.focus) if v.source.focus else "" for v in videos])
    out.table(
        "videos",
        {
            "name": (TEXT, [v.name for v in videos]),
            "sha256": (TEXT, [v.source.sha256 for v in videos]),
            "n_frames": ("int32", [v.info.n_frames for v in videos]),
            "fps": ("float64", [float(v.info.fps) for v in videos]),
            "player": (TEXT, [v.source.player for v in videos]),
            "first": ("int64", [p.first for p in places]),
            "rows": ("int64", [p.rows for p in places]),
            **more,
        },
    )


def _statistics(out: Hdf5Writer, store: Store, content: Content, splits: Mapping[str, str]) -> None:
    maxima: dict[str, Array] = {}  # by key: players of one video share its flow
    training: set[str] = set()
    params = STATISTICS.typed(content.videos[0].nodes["statistics"].params)
    for video in content.videos:
        node = video.nodes["statistics"]
        if node.key not in maxima:
            with ExitStack() as stack:
                maxima[node.key] = VerifiedReaders(store, stack).open(node).read("flow_max")
        training |= {node.key for s in video.samples if splits[s.id] == SPLITS[0]}
    every = summarise(maxima.values(), params)
    train = summarise([m for key, m in maxima.items() if key in training], params)
    group = out.h5.create_group("statistics")
    out.attrs(
        group,
        {
            "flow_mean": tuple(every["mean"]),
            "flow_std": tuple(every["std"]),
            "flow_divisor": tuple(every["divisor"]),
            "flow_divisor_train": tuple(train["divisor"]),
            "fields": every["frames"],
            "fields_left_out": every["frames_left_out"],
            "fields_train": train["frames"],
        },
    )

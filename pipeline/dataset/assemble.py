"""Assemble DATASET.h5 from the files of a store; docs/dataset-format.md describes the format.

The samples' pixels are written contiguously and uncompressed: a trainer's read (T frames from anywhere in a
sample) then costs little more than copying memory. A compact file, and whole videos, keep the store's
compressed chunks. Every file of the store is compared with its receipt's sha256 first, so that damage is not
handed on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

import h5py
import numpy as np

from pipeline.annotations import SPLITS, Taxonomy
from pipeline.annotations.parsing.focus import name_of
from pipeline.dataset.content import UNKNOWN, Content, Video, frame_labels
from pipeline.dataset.hdf5_writer import TEXT, Hdf5Writer, writing
from pipeline.dataset.pixels.arrays import Large, Progress, Source, silent
from pipeline.dataset.pixels.pieces import Piece, Shards, family, mark_of
from pipeline.dataset.pixels.shard_files import Shard
from pipeline.dataset.pixels.sinks import InFile, InShards, Sink
from pipeline.execution.layouts import UNTRIMMED_ROWS, column
from pipeline.planning.frame_times import CONSTANT, VARIABLE
from pipeline.planning.graph import Node
from pipeline.provenance import provenance
from stages.base import Array, ArraySpec
from stages.descriptor import JOINTS
from stages.registry import registry
from stages.statistics import STAGE as STATISTICS
from stages.statistics import summarise
from store import Column, FeatureReader, Store

FORMAT = "ttprep-dataset"
FORMAT_VERSION = 1
_POSE = ArraySpec(
    "pose", "float32", ("frame", "joint", "xys"), "px", description="x, y, score of pose and 13 joints"
)
_ROI = ArraySpec("roi", "float32", ("frame", "xy"), "px", description="smoothed ROI centre in the frame")
_LABEL = ArraySpec("label", "int16", ("frame",), description="class of the frame, -1 where unknown")
#: arrays of pixels: the only ones that may keep the store's compressed chunks
_LARGE = ("rgb", "flow")


@dataclass(frozen=True)
class Place:
    """A video's rows in a group: ``first`` … ``first + rows``, then filler up to ``first + total``."""

    first: int
    rows: int
    total: int


@dataclass(frozen=True)
class Assembled:
    """What was written.

    Attributes
    ----------
    sha256 : str
        Of the dataset file.
    shards : tuple of Shard
        Empty where the pixels lie in the file.
    written : int
        How many of the shards are new.
    """

    sha256: str
    shards: tuple[Shard, ...] = ()
    written: int = 0


def assemble(
    path: Path,
    store: Store,
    content: Content,
    splits: Mapping[str, str],
    fingerprint: str,
    *,
    compact: bool,
    shards: Shards = None,
    sound: Mapping[str, Shard] = MappingProxyType({}),
    progress: Progress = silent,
) -> Assembled:
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
    shards : "auto", float or None
        Whether the pixels go into shards, and of which size.
    sound : mapping
        Shards known to be as they were written, by name.
    progress : callable
        Called with the rows of ``/cuboids`` just written and their total number.

    Returns
    -------
    Assembled

    Raises
    ------
    OSError
        The disk refused.
    DamagedError
        A file of the store is not what was published.
    """
    source = Source(store, progress)
    with writing(path) as out:
        sink = InFile(out, source) if shards is None else InShards(out, source, path, shards, sound)
        _root(out, content, fingerprint)
        pieces, where = _places(source, content, whole=sink.whole)
        _samples(out, content, splits, where)
        _cuboids(out, source, content, pieces, compact, sink)
        places = _untrimmed(out, source, content, sink) if content.untrimmed else {}
        _videos(out, content, places)
        if "flow" in content.modalities:
            _statistics(out, source, content, splits)
        sink.finish()
    if isinstance(sink, InShards):
        return Assembled(out.sha256, tuple(sink.shards), sink.written)
    return Assembled(out.sha256)


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
            "splits": list(SPLITS), "joints": ["pose", *JOINTS],
            "parameters": dict(content.parameters), "stage_versions": content.stage_versions,
            "provenance": provenance(),
            "left_out": list(content.left_out),
        },
    )  # fmt: skip


def _places(
    source: Source, content: Content, *, whole: bool
) -> tuple[dict[int, list[Piece]], dict[tuple[int, int, int], tuple[int, int]]]:
    """Place the samples in /cuboids.

    Returns
    -------
    pieces : dict
        Row of the video → its samples' pieces, one after another.
    where : dict
        (row of the video, begin, end) of a sample → its first row and its number of rows.
    """
    pieces: dict[int, list[Piece]] = {}
    where: dict[tuple[int, int, int], tuple[int, int]] = {}
    at = 0
    for row, video in enumerate(content.videos):
        if "cuboids" not in video.nodes:
            continue
        node = video.nodes["cuboids"]
        with ExitStack() as stack:
            table = source.readers(stack).open(node, whole=whole).read("samples").tolist()
        kin, pieces[row] = family(node), []
        for begin, end, first, n, total in table:
            where[row, begin, end] = at + first, n
            pieces[row].append(Piece(node, first, total, total, mark_of(kin, begin, end, n, total)))
        at += sum(p.total for p in pieces[row])
    return pieces, where


def _samples(
    out: Hdf5Writer,
    content: Content,
    splits: Mapping[str, str],
    where: Mapping[tuple[int, int, int], tuple[int, int]],
) -> None:
    samples = content.samples
    rows = [where[row, s.begin, s.end] for row, s in samples]
    names = {s.label for _, s in samples}
    classes = _indices(content.view, names)
    out.table(
        "samples",
        {
            "id": (TEXT, [s.id for _, s in samples]),
            "video": ("int32", [row for row, _ in samples]),
            "begin": ("int32", [s.begin for _, s in samples]),
            "end": ("int32", [s.end for _, s in samples]),
            "first": ("int64", [first for first, _ in rows]),
            "rows": ("int32", [n for _, n in rows]),
            "label": ("int16", [classes[s.label] for _, s in samples]),
            "label_name": (TEXT, [s.label or "" for _, s in samples]),
            "split": ("int8", [SPLITS.index(splits[s.id]) for _, s in samples]),
            "annotators": (TEXT, [";".join(a.replace(";", ",") for a in s.annotators) for _, s in samples]),
            "player": (TEXT, [s.player for _, s in samples]),
        },
    )
    for name, view in content.views.items():
        index = _indices(view, names)
        labels = [index[s.label] for _, s in samples]
        out.table(f"taxonomies/{name}", {"label": ("int16", labels)})
        out.attrs(out.h5[f"taxonomies/{name}"], {"classes": list(view.names)})


def _indices(view: Taxonomy, labels: Iterable[str | None]) -> dict[str | None, int]:
    """Return the class index of each label, :data:`UNKNOWN` for none."""
    index = {name: i for i, name in enumerate(view.names)}
    return {label: index.get(view.class_of(label) or "", UNKNOWN) for label in labels}


def _present(stage: str, content: Content) -> Iterator[ArraySpec]:
    for spec in registry()[stage].outputs:
        if spec.name not in ("rgb", "flow", "pose") or spec.name in content.modalities:
            yield spec


def _create(out: Hdf5Writer, group: str, col: Column, shape: tuple[int, ...]) -> h5py.Dataset:
    return out.create(f"{group}/{col.name}", shape, col.dtype, None, col.attrs)


def _cuboids(
    out: Hdf5Writer,
    source: Source,
    content: Content,
    pieces: Mapping[int, Sequence[Piece]],
    compact: bool,
    sink: Sink,
) -> None:
    every = [p for of_video in pieces.values() for p in of_video]
    total = sum(p.total for p in every)
    specs = list(_present("cuboids", content))
    if every:
        with ExitStack() as stack:
            reader = source.readers(stack).open(every[0].node, whole=False)
            rows = {spec.name: tuple(reader.dataset(spec.name).shape[1:]) for spec in specs}
    else:  # no video has a sample: the arrays are there, without rows
        rows = {spec.name: content.row_shape(spec) for spec in specs}
    chunked = compact and bool(every)
    small = {
        spec.name: _create(out, "cuboids", column(spec), (total, *rows[spec.name]))
        for spec in specs
        if spec.name not in _LARGE
    }
    large = [Large(column(spec), rows[spec.name], chunked) for spec in specs if spec.name in _LARGE]
    sink.put("cuboids", large, every)
    at = 0
    for of_video in pieces.values():
        n = sum(p.total for p in of_video)
        if not n:
            continue
        with ExitStack() as stack:
            reader = source.readers(stack).open(of_video[0].node, whole=False)
            for name, target in small.items():
                target[at : at + n] = reader.read(name)
        out.raise_failure()
        at += n


def _untrimmed(out: Hdf5Writer, source: Source, content: Content, sink: Sink) -> dict[int, Place]:
    """Write /untrimmed and return: row of the video → its rows there."""
    places: dict[int, Place] = {}
    pieces, at = [], 0
    for row, video in enumerate(content.videos):
        n, node = video.info.n_frames, video.nodes["untrimmed"]
        places[row] = Place(at, n, -(-n // UNTRIMMED_ROWS) * UNTRIMMED_ROWS)
        pieces.append(Piece(node, 0, n, places[row].total, mark_of(node.key)))
        at += places[row].total
    specs = list(_present("untrimmed", content))
    if content.videos:
        with ExitStack() as stack:
            reader = source.readers(stack).open(content.videos[0].nodes["untrimmed"], whole=False)
            large = [
                Large(column(spec), tuple(reader.dataset(spec.name).shape[1:]), True)
                for spec in specs
                if spec.name in _LARGE
            ]
        sink.put("untrimmed", large, pieces)
    targets: dict[str, h5py.Dataset] = {}
    for row, place in places.items():
        with ExitStack() as stack:
            readers = partial(source.readers(stack).open, whole=sink.whole)
            small = _small_untrimmed(readers, content.videos[row], content, place.rows)
        for col, values in small:
            if col.name not in targets:
                targets[col.name] = _create(out, "untrimmed", col, (at, *values.shape[1:]))
            first, last = place.first + place.rows, place.first + place.total
            targets[col.name][place.first : first] = values
            # filler, which no video refers to
            targets[col.name][first:last] = UNKNOWN if col.name == "label" else 0
        out.raise_failure()
    return places


def _small_untrimmed(
    opened: Callable[[Node], FeatureReader], video: Video, content: Content, n: int
) -> list[tuple[Column, Array]]:
    """Return the arrays of a whole video that hold no pixels."""
    specs = [spec for spec in _present("untrimmed", content) if spec.name not in _LARGE]
    reader = opened(video.nodes["untrimmed"]) if specs else None
    small = [(column(spec), reader.read(spec.name)) for spec in specs if reader is not None]
    centre = opened(video.nodes["roi"]).read("centre")
    small.append((column(_ROI), centre.astype(np.float32)))
    if "pose" in content.modalities:
        joints = opened(video.nodes["descriptor"]).read("joints")
        small.append((column(_POSE), joints.astype(np.float32)))
    labels = frame_labels(n, video.samples, video.actions, content.view)
    return [*small, (column(_LABEL), labels)]


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


def _statistics(out: Hdf5Writer, source: Source, content: Content, splits: Mapping[str, str]) -> None:
    maxima: dict[str, Array] = {}  # by key: players of one video share its flow
    training: set[str] = set()
    params = STATISTICS.typed(content.videos[0].nodes["statistics"].params)
    for video in content.videos:
        node = video.nodes["statistics"]
        if node.key not in maxima:
            with ExitStack() as stack:
                maxima[node.key] = source.readers(stack).open(node).read("flow_max")
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

"""Writes dataset files as docs/dataset-format.md describes them, with plain h5py: moving blobs to learn.

A bright blob moves up, down or across (which a mirror does not change) during a stroke and rests in
between; RGB, flow and pose all show it. Filler rows between samples hold rubbish, so that reading them
is noticed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

CLASSES = ("Up", "Down", "Across", "Negative")
VIEWS = {"strokes": CLASSES, "detection": ("Negative", "Stroke")}
JOINTS = (
    "pose", "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip",
)  # fmt: skip
SCALE = 1 / 64
CHUNK = 8
BLOB = 4  # half side, px


def _video(
    rng: np.random.Generator, strokes: int, frame: tuple[int, int], length: int
) -> tuple[dict[str, Array], list[tuple[int, int, int]]]:
    """One video: pixels, flow, pose, ROI and the intervals in it."""
    width, height = frame
    neutral = np.array([width / 2, height / 2]) + rng.uniform(-3, 3, 2)
    places: list[Array] = []
    intervals: list[tuple[int, int, int]] = []
    for label in rng.permutation(np.resize(np.arange(3), strokes)):
        for n, kind in (
            (int(rng.integers(length, length + 6)), 3),
            (int(rng.integers(length, length + 8)), label),
        ):
            begin = len(places)
            way = {0: (0, -1), 1: (0, 1), 2: (rng.choice((-1, 1)), 0), 3: (0, 0)}[int(kind)]
            travel = np.linspace(-7, 7, n)[:, None] * np.array(way) + neutral
            places += list(travel + rng.normal(0, 0.1, (n, 2)) * (kind == 3))
            intervals.append((begin, begin + n, int(kind)))
    position = np.array(places)
    n = len(position)
    y, x = np.mgrid[:height, :width]
    inside = (np.abs(x - position[:, None, None, 0]) <= BLOB) & (
        np.abs(y - position[:, None, None, 1]) <= BLOB
    )
    background = rng.integers(60, 100, (height, width, 3))
    rgb = np.where(inside[..., None], rng.integers(180, 250, 3), background).astype(np.uint8)
    step = np.diff(position, axis=0, append=position[-1:])
    step[np.abs(step).max(axis=1) > 3] = 0  # the jump back to the start
    flow = np.rint(inside[..., None] * step[:, None, None] / SCALE).astype(np.int16)
    offsets = np.stack([np.linspace(-4, 4, 14), np.resize([-2, 2], 14)], axis=1)
    pose = np.concatenate([position[:, None] + offsets, np.full((n, 14, 1), 0.9)], axis=2).astype(np.float32)
    roi = (neutral + 0.3 * (position - neutral)).astype(np.float32)
    return {"rgb": rgb, "flow": flow, "pose": pose, "roi": roi}, intervals


def _origin(roi: Array, window: tuple[int, int], frame: tuple[int, int]) -> Array:
    corner = np.floor(roi.astype(np.float64) - np.array(window) / 2 + 0.5)
    return np.clip(corner, 0, np.array(frame) - window).astype(np.int16)


def _cut(pixels: Array, origin: Array, window: tuple[int, int]) -> Array:
    return np.stack(
        [p[y : y + window[1], x : x + window[0]] for p, (x, y) in zip(pixels, origin, strict=True)]
    )


def write_dataset(
    path: Path,
    *,
    seed: int = 0,
    videos: int = 3,
    strokes: int = 9,
    frame: tuple[int, int] = (64, 48),
    crop: tuple[int, int] = (24, 24),
    window: tuple[int, int] = (38, 38),
    length: int = 16,
    modalities: tuple[str, ...] = ("rgb", "flow", "pose"),
    untrimmed: bool = True,
    splits: tuple[str, ...] = ("train", "validation", "test"),
    groups: tuple[str, ...] = (),
) -> Path:
    """Write a dataset file of ``videos`` × ``strokes`` strokes and as many negatives."""
    rng = np.random.default_rng(seed)
    made = [_video(rng, strokes, frame, length) for _ in range(videos)]
    cuboids: dict[str, list[Array]] = {name: [] for name in (*modalities, "roi", "window", "frame")}
    samples: dict[str, list[int]] = {
        k: [] for k in ("video", "begin", "end", "first", "rows", "label", "split")
    }
    whole: dict[str, list[Array]] = {name: [] for name in (*modalities, "roi", "window", "label")}
    video_first, at, seen = [], 0, np.zeros(len(CLASSES), int)
    for v, (arrays, intervals) in enumerate(made):
        n = len(arrays["roi"])
        origin = _origin(arrays["roi"], window, frame)
        small = _origin(arrays["roi"], crop, frame)
        labels = np.full(n, 3, np.int16)
        for begin, end, kind in intervals:
            labels[begin:end] = kind
            rows = np.arange(begin, end)
            for name in modalities:
                part = arrays[name][rows]
                cuboids[name].append(part if name == "pose" else _cut(part, origin[rows], window))
            cuboids["roi"].append(arrays["roi"][rows])
            cuboids["window"].append(origin[rows])
            cuboids["frame"].append(rows.astype(np.int32))
            values = (v, begin, end, at, len(rows), kind, (0, 0, 0, 1, 2)[seen[kind] % 5])
            for name, value in zip(samples, values, strict=True):
                samples[name].append(value)
            seen[kind] += 1
            filler = -len(rows) % CHUNK
            if filler:
                for parts in cuboids.values():
                    parts.append(np.full((filler, *parts[-1].shape[1:]), 111, parts[-1].dtype))
            at += len(rows) + filler
        video_first.append(sum(map(len, whole["roi"])) if untrimmed else -1)
        for name in modalities:
            whole[name].append(arrays[name] if name == "pose" else _cut(arrays[name], small, crop))
        whole["roi"].append(arrays["roi"])
        whole["window"].append(small)
        whole["label"].append(labels)
    with h5py.File(path, "w") as file:
        _attributes(file, frame, crop, window, length, modalities, splits)
        _samples(file, samples)
        _pixels(file.create_group("cuboids"), cuboids)
        group = file.create_group("videos")
        group["name"] = [f"video_{v}.mp4" for v in range(videos)]
        group["sha256"] = [hashlib.sha256(f"{seed} {v}".encode()).hexdigest() for v in range(videos)]
        group["n_frames"] = np.array([len(a["roi"]) for a, _ in made], np.int32)
        group["rows"] = np.array([len(a["roi"]) if untrimmed else 0 for a, _ in made], np.int64)
        group["first"] = np.array(video_first, np.int64)
        group["fps"] = np.full(videos, 120.0)
        group["player"] = [""] * videos
        if groups:
            group["group"] = list(groups)
        if untrimmed:
            _pixels(file.create_group("untrimmed"), whole)
        statistics = file.create_group("statistics").attrs
        statistics["flow_mean"], statistics["flow_std"] = [0.5, 0.5], [0.1, 0.1]
        statistics["flow_divisor"], statistics["flow_divisor_train"] = [0.8, 0.9], [1.0, 1.1]
    return path


def _attributes(
    file: h5py.File, frame: tuple[int, int], crop: tuple[int, int], window: tuple[int, int], length: int,
    modalities: tuple[str, ...], splits: tuple[str, ...],
) -> None:  # fmt: skip
    file.attrs["format"], file.attrs["format_version"] = "ttprep-dataset", 1
    file.attrs["modalities"] = json.dumps(modalities)
    file.attrs["frame_size"], file.attrs["crop"], file.attrs["window"] = frame, crop, window
    file.attrs["length"] = length
    file.attrs["augmentation"] = json.dumps({"rotation": 10.0, "translation": 0.1, "zoom": 0.1})
    file.attrs["taxonomy"], file.attrs["classes"] = "strokes", json.dumps(CLASSES)
    file.attrs["splits"], file.attrs["joints"] = json.dumps(splits), json.dumps(JOINTS)
    file.attrs["parameters"], file.attrs["provenance"] = "{}", "{}"


def _samples(file: h5py.File, samples: dict[str, list[int]]) -> None:
    group = file.create_group("samples")
    types = {"first": np.int64, "label": np.int16, "split": np.int8}
    for name, values in samples.items():
        group[name] = np.array(values, types.get(name, np.int32))
    keys = zip(samples["video"], samples["begin"], samples["label"], strict=True)
    group["id"] = [f"video_{v}-{b}-{CLASSES[k]}" for v, b, k in keys]
    group["label_name"] = [CLASSES[k] for k in samples["label"]]
    group["annotators"] = ["a;b"] * len(samples["label"])
    group["player"] = [""] * len(samples["label"])
    label = np.array(samples["label"])
    for name, classes in VIEWS.items():
        view = file.create_group(f"taxonomies/{name}")
        view.attrs["classes"] = json.dumps(classes)
        view["label"] = (label if name == "strokes" else (label != 3)).astype(np.int16)


def _pixels(group: h5py.Group, parts: dict[str, list[Array]]) -> None:
    for name, arrays in parts.items():
        values = np.concatenate(arrays)
        packed = {"chunks": (CHUNK, *values.shape[1:]), **hdf5plugin.Blosc2()} if values.ndim == 4 else {}
        dataset = group.create_dataset(name, data=values, **packed)
        dataset.attrs["scale"] = SCALE if name == "flow" else 1.0
        dataset.attrs["units"] = "px" if name != "rgb" else "1"

"""Writes dataset files of trials, as `ttprep demo --task outcome` makes them, without rendering.

A bright square moves along one of nine ways; the way shows in frames 10 to 30 of the trial alone. Every frame
carries its number as the grey of its upper left pixels.
"""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  (dataset files are read with it)
import numpy as np
from numpy.typing import NDArray

WAYS = [(x, y) for y in (-1, 0, 1) for x in (-1, 0, 1)]


def trial(
    rng: np.random.Generator, label: int, frame: tuple[int, int], rows: int, number: bool = True
) -> NDArray[np.uint8]:
    """(rows, h, w, 3) uint8."""
    width, height = frame
    out = rng.integers(60, 90, (rows, height, width, 3)).astype(np.uint8)
    middle = np.array([width, height]) / 2 + rng.uniform(-2, 2, 2)
    for t in range(rows):
        x, y = middle + np.clip((t - 10) / 20, 0, 1) * 0.3 * min(frame) * np.array(WAYS[label])
        half = max(2, min(frame) // 10)
        x, y = round(float(x)), round(float(y))
        out[t, max(y - half, 0) : y + half, max(x - half, 0) : x + half] = 220
        if number:
            out[t, :2, :2] = t
    return out


def write_trials(
    path: Path,
    *,
    seed: int = 0,
    each: int = 5,
    frame: tuple[int, int] = (32, 24),
    rows: int = 44,
    classes: int = 9,
    every: int = 1,
    modalities: tuple[str, ...] = ("rgb",),
    number: bool = True,
) -> Path:
    """Write ``each`` trials of every class: the last is test, the one before validation."""
    rng = np.random.default_rng(seed)
    labels = np.tile(np.arange(classes), each)
    lengths = rng.integers(rows, rows + 6, len(labels))
    pixels = [
        np.repeat(trial(rng, k, frame, n, number), every, axis=0)
        for k, n in zip(labels, lengths, strict=True)
    ]
    lengths = lengths * every
    split = np.repeat(np.arange(each), classes)
    split = np.where(split == each - 1, 2, np.where(split == each - 2, 1, 0))
    names = [f"Target {k + 1}" for k in range(classes)]
    with h5py.File(path, "w") as file:
        a = file.attrs
        a["format"], a["format_version"], a["modalities"] = "ttprep-dataset", 1, json.dumps(modalities)
        a["frame_size"] = a["crop"] = a["window"] = frame
        a["length"] = 40 * every
        a["augmentation"] = json.dumps({"rotation": 0.0, "translation": 0.0, "zoom": 0.0})
        a["taxonomy"], a["classes"] = "targets", json.dumps(names)
        a["splits"], a["joints"] = json.dumps(["train", "validation", "test"]), json.dumps([])
        group = file.create_group("samples")
        group["id"] = [f"trial_{i}" for i in range(len(labels))]
        group["video"] = np.arange(len(labels), dtype=np.int32)
        group["begin"], group["end"] = np.zeros(len(labels), np.int32), lengths.astype(np.int32)
        group["first"] = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
        group["rows"] = lengths.astype(np.int32)
        group["label"], group["split"] = labels.astype(np.int16), split.astype(np.int8)
        group["label_name"] = [names[k] for k in labels]
        group = file.create_group("cuboids")
        every_frame = np.concatenate(pixels)
        group["rgb"] = every_frame
        group["roi"] = np.tile(np.array(frame, np.float32) / 2, (len(every_frame), 1))
        group["window"] = np.zeros((len(every_frame), 2), np.int16)
        group = file.create_group("videos")
        group["name"] = [f"trial_{i}" for i in range(len(labels))]
        group["sha256"] = [f"{seed}-{i}" for i in range(len(labels))]
        group["n_frames"] = group["rows"] = lengths.astype(np.int32)
        group["first"] = np.full(len(labels), -1, np.int64)
        group["fps"] = np.full(len(labels), 30.0 * every)
        file.create_group("statistics")
    return path

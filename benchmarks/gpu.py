"""At whose speed a training goes, the network's or its data's: steps, feeding, and both together.

    PYTHONPATH=. python benchmarks/gpu.py [--device cuda] [--minutes 8] > table.md

Makes its own dataset file (random pixels; windows 186×180, T = 100, as ttprep exports them) and needs nothing
but torch, h5py and this project. Prints Markdown tables with the name of the device. What the time given does
not suffice for is left out, and said.

* Steps: forward, backward and optimiser at 120×120×100 on inputs that lie on the device; as one graph, as
  `tttrain fit` takes them, kernel by kernel, and compiled.
* Feeding: batches on the device, without a network, beside torch's own DataLoader with page-locked memory.
* Training: epochs of `tttrain fit`; waiting is the share of the time in which the next batch was not there,
  on the GPU's clock.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import nn

from tttrain.data.dataset_file import DatasetInfo, read_info
from tttrain.data.prepare import Preparer
from tttrain.data.samples import Clip, StrokeDataset
from tttrain.data.view import make_view
from tttrain.errors import TrainError
from tttrain.feeding.feed import Feed
from tttrain.feeding.loader import EpochBatches, batches, loader
from tttrain.models import InputShape, build
from tttrain.training.config import RunConfig
from tttrain.training.device import autocast, choose_device, choose_precision, place, set_precision
from tttrain.training.loss import sum_of_losses
from tttrain.training.optimizer import make_optimizer, take_step
from tttrain.training.run_folder import make_record, open_run
from tttrain.training.step_graph import StepGraph
from tttrain.training.train import Runtime, Trainer

CLASSES = 21
WINDOW, FRAME, CROP, LENGTH = (186, 180), (320, 180), (120, 120), 100
NETWORKS: tuple[tuple[str, dict[str, int]], ...] = (
    ("three-stream", {}),
    ("three-stream", {"attention": 3, "pose_attention": 3}),
    ("twin", {}),
    ("twin", {"attention": 3}),
)


def make_file(path: Path, samples: int) -> None:
    """Write a dataset file of random pixels; two thirds of the samples are for training."""
    rng = np.random.default_rng(0)
    rows, n = LENGTH + 20, samples * (LENGTH + 20)
    table = {
        "video": np.zeros(samples, np.int32),
        "begin": np.arange(samples, dtype=np.int32) * rows,
        "end": (np.arange(samples, dtype=np.int32) + 1) * rows,
        "first": np.arange(samples, dtype=np.int64) * rows,
        "rows": np.full(samples, rows, np.int32),
        "label": (np.arange(samples) % CLASSES).astype(np.int16),
        "split": (np.arange(samples) % 3 == 2).astype(np.int8),
    }
    names = [f"class {i}" for i in range(CLASSES)]
    with h5py.File(path, "w") as file:
        file.attrs.update(
            format="ttprep-dataset", format_version=1, modalities='["rgb", "flow", "pose"]', frame_size=FRAME,
            crop=CROP, window=WINDOW, length=LENGTH, taxonomy="all", splits='["train", "validation"]',
            augmentation='{"rotation": 10.0, "translation": 0.1, "zoom": 0.1}', parameters="{}",
            provenance="{}", classes=str(names).replace("'", '"'),
            joints=str([f"joint {i}" for i in range(14)]).replace("'", '"'),
        )  # fmt: skip
        for name, values in table.items():
            file[f"samples/{name}"] = values
        file["samples/id"] = [f"v-{i}" for i in range(samples)]
        file["samples/label_name"] = [names[i] for i in table["label"]]
        file["samples/annotators"] = file["samples/player"] = [""] * samples
        file["taxonomies/all/label"] = table["label"]
        file["taxonomies/all"].attrs["classes"] = file.attrs["classes"]
        shapes = {"rgb": (np.uint8, (180, 186, 3)), "flow": (np.int16, (180, 186, 2))}
        for name, (kind, shape) in shapes.items():
            data = file.create_dataset(f"cuboids/{name}", (n, *shape), kind)
            data.attrs["scale"], data.attrs["units"] = 1 / 64 if name == "flow" else 1.0, "px"
            for i in range(samples):
                data[i * rows : (i + 1) * rows] = rng.integers(0, 200, (rows, *shape), kind)
        pose = rng.uniform(0, 180, (n, 14, 3)).astype(np.float32)
        still = {
            "pose": pose,
            "roi": np.full((n, 2), (160, 90), np.float32),
            "window": np.full((n, 2), (67, 0), np.int16),
            "frame": np.arange(n, dtype=np.int32),
        }
        for name, values in still.items():
            file[f"cuboids/{name}"] = values
            file[f"cuboids/{name}"].attrs["scale"] = 1.0
        one: dict[str, Any] = {
            "name": ["v"],
            "sha256": ["0" * 64],
            "n_frames": np.array([n], np.int32),
            "rows": np.array([0], np.int64),
            "first": np.array([-1], np.int64),
            "fps": [120.0],
            "player": [""],
        }
        for name, value in one.items():
            file[f"videos/{name}"] = value
        file.create_group("statistics").attrs.update(
            flow_mean=[0.5, 0.5], flow_std=[0.1, 0.1], flow_divisor=[0.8, 0.9], flow_divisor_train=[0.8, 0.9]
        )


def wait(device: torch.device) -> None:
    """Return when the device has finished."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def named(name: str, options: dict[str, int]) -> str:
    """Name a network in a table."""
    return f"{name}, attention {options['attention']}" if options else name


def step_of(
    name: str, options: dict[str, int], device: torch.device, compiled: bool, graphs: bool
) -> Callable[[Any, Any], None]:
    """Make a network and what takes one step with it."""
    torch.manual_seed(0)
    network = place(build(name, InputShape(), CLASSES, options), device).train()
    model: nn.Module = torch.compile(network) if compiled else network  # type: ignore[assignment]
    optimizer = make_optimizer(RunConfig(model=name), network.parameters())
    precision = choose_precision(device, "auto")

    def gradients(inputs: Any, labels: Any, size: int) -> torch.Tensor:
        with autocast(device, precision):
            logits = model(inputs)
        loss = sum_of_losses(logits, labels)
        (loss / size).backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    # as tttrain fit does
    graph = StepGraph(gradients) if graphs else gradients

    def step(inputs: Any, labels: Any) -> None:
        optimizer.zero_grad(set_to_none=not graphs)
        graph(inputs, labels, len(labels))
        take_step(optimizer, 1.0)

    return step


def steps(device: torch.device, batch: int, repeats: int, left: Callable[[], float]) -> None:
    """Print samples per second of the networks alone."""
    volume = InputShape().volume
    inputs = {
        "rgb": torch.rand(batch, 3, *volume, device=device),
        "flow": torch.rand(batch, 2, *volume, device=device),
        "pose": torch.rand(batch, 42, LENGTH, device=device),
    }
    inputs = {
        k: v.contiguous(memory_format=torch.channels_last_3d) if v.dim() == 5 else v
        for k, v in inputs.items()
    }
    labels = torch.arange(batch, device=device) % CLASSES
    print("| network | launched | until the fourth step, s | step, ms | samples/s |\n|---|---|---|---|---|")
    ways = [("graph", False, True), ("kernel by kernel", False, False), ("compiled", True, False)]
    for way, compiled, graphs in ways if device.type == "cuda" else ways[1:2]:
        for name, options in NETWORKS:
            if left() < (100 if compiled else 20):
                print(f"| {named(name, options)} | {way} | left out: no time | | |", flush=True)
                continue
            step = step_of(name, options, device, compiled, graphs)
            began = time.perf_counter()
            for _ in range(4 if device.type == "cuda" else 1):  # kernels are chosen, graphs captured
                step(inputs, labels)
            wait(device)
            first = time.perf_counter() - began
            times = []
            for _ in range(3):
                began = time.perf_counter()
                for _ in range(repeats):
                    step(inputs, labels)
                wait(device)
                times.append((time.perf_counter() - began) / repeats)
            took = statistics.median(times)
            print(
                f"| {named(name, options)} | {way} | {first:.1f} | {1000 * took:.1f} | {batch / took:.2f} |",
                flush=True,
            )


def feeds(info: DatasetInfo, device: torch.device, batch: int, left: Callable[[], float]) -> None:
    """Print samples per second of the ways to bring batches to the device."""
    rows, view = info.rows_of("train"), make_view(info)
    most = len(os.sched_getaffinity(0))
    several = sorted({w for w in (2, 4, 12) if w <= most})
    prepare = Preparer(info, view, device)

    def rate(source: Callable[[], Iterator[Clip]], order: EpochBatches) -> tuple[float, float]:
        rates = []
        for epoch in range(3):
            order.epoch = epoch
            began = time.perf_counter()
            for clip in source():
                for values in clip.values():
                    values.to(device, non_blocking=True)
            wait(device)
            rates.append(len(rows) / (time.perf_counter() - began))
        return statistics.median(rates), rates[0]

    print("| windows | workers | samples/s | first epoch |\n|---|---|---|---|")
    ways = [("torch's DataLoader", w) for w in [0, *several]] + [("file", w) for w in [0, *several]]
    ways += [("memory", 0)] + ([("gpu", 0)] if device.type == "cuda" else [])
    for way, workers in ways:
        if left() < 15:
            print(f"| {way} | {workers} | left out: no time | |", flush=True)
            continue
        data = StrokeDataset(info, rows, view, info.modalities, "train")
        order = EpochBatches(len(rows), batch)
        if way in ("memory", "gpu"):
            data.keep(way, device)  # type: ignore[arg-type]
        if way == "torch's DataLoader":
            plain = loader(data, order, workers=workers, pin=device.type == "cuda")
            got, first = rate(lambda plain=plain: batches(plain), order)  # type: ignore[misc]
        else:
            feed = Feed(data, order, device, workers=workers)
            got, first = rate(lambda feed=feed: iter(feed), order)  # type: ignore[misc]
        print(f"| {way} | {workers} | {got:.1f} | {first:.1f} |", flush=True)
    data = StrokeDataset(info, rows, view, info.modalities, "train")
    clip = next(iter(Feed(data, EpochBatches(len(rows), batch), device)))
    prepare(clip)
    wait(device)
    began = time.perf_counter()
    for _ in range(10):
        prepare(clip)
    wait(device)
    print(f"\nAugmentation and normalisation of a batch: {100 * (time.perf_counter() - began):.1f} ms.")


class _Quiet:
    def begin(self, done: int, epochs: int) -> None:
        """Do nothing."""

    def keep(self, done: int, needed: int, place: str) -> None:
        """Do nothing."""

    def step(self, epoch: int, done: int, steps: int) -> None:
        """Do nothing."""

    def end_of_epoch(self, history: list[dict[str, Any]]) -> None:
        """Do nothing."""


def trainings(
    info: DatasetInfo, device: torch.device, batch: int, epochs: int, folder: Path, left: Callable[[], float]
) -> None:
    """Print what `tttrain fit` makes of it."""
    most = len(os.sched_getaffinity(0))
    ways = [("none", 0), ("none", min(most, 12)), ("memory", 0)] + (
        [("gpu", 0)] if device.type == "cuda" else []
    )
    networks = NETWORKS[:2] if device.type == "cuda" else NETWORKS[2:3]
    print("| network | cache | workers | samples/s | waiting |\n|---|---|---|---|---|")
    for name, options in networks:
        for cache, workers in ways:
            if left() < 30:
                print(f"| {named(name, options)} | {cache} | {workers} | left out: no time | |", flush=True)
                continue
            config = RunConfig(
                model=name, options=options, batch=batch, epochs=epochs, validation_split="none",
                precision=choose_precision(device, "auto"), lr=0.001, schedule="constant",
            )  # fmt: skip
            record = make_record(config, info)
            place = folder / f"{name}-{len(options)}-{cache}-{workers}"
            run = open_run(place, record, force=True)
            runtime = Runtime(workers=workers, save_every=epochs, cache=cache)  # type: ignore[arg-type]
            try:
                trainer = Trainer(
                    run, info, folder / f"{name}-{len(options)}-{cache}-{workers}", device, runtime
                )
                history = trainer.run(_Quiet())
            except TrainError as error:
                print(f"| {named(name, options)} | {cache} | {workers} | {error} | |", flush=True)
                continue
            # the first epoch warms up, the last one writes the checkpoint
            middle = history[1:-1] or history
            rate = len(info.rows_of("train")) / statistics.median(e["seconds"] for e in middle)
            waiting = statistics.median(e["waiting"] for e in middle)
            print(
                f"| {named(name, options)} | {cache} | {workers} | {rate:.2f} | {waiting:.1%} |", flush=True
            )


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", help="default: a GPU where there is one")
    parser.add_argument("--minutes", type=float, default=8.0, help="leave out what would take longer")
    parser.add_argument("--samples", type=int, help="default: 90 on a GPU, 15 on the CPU")
    parser.add_argument("--batch", type=int, default=5)
    parser.add_argument("--threads", type=int, help="of torch on the CPU")
    parser.add_argument("--scratch", help="folder for the dataset file")
    parser.add_argument("--only", choices=["steps", "feeds", "trainings"], help="print one table")
    args = parser.parse_args()
    began = time.perf_counter()

    def left() -> float:
        return 60 * float(args.minutes) - (time.perf_counter() - began)

    if args.threads:
        torch.set_num_threads(args.threads)
    device = choose_device(args.device)
    set_precision(device, choose_precision(device, "auto"))
    on_gpu = device.type == "cuda"
    card = torch.cuda.get_device_name(device) if on_gpu else f"CPU, {torch.get_num_threads()} threads"
    print(
        f"{card}; {len(os.sched_getaffinity(0))} cores; torch {torch.__version__}; batch {args.batch}; "
        f"{choose_precision(device, 'auto')}; T = {LENGTH}, 120×120\n", flush=True,
    )  # fmt: skip
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        path = Path(folder) / "d.h5"
        make_file(path, args.samples or (90 if on_gpu else 15))
        info = read_info(path)
        if args.only in (None, "steps"):
            steps(device, args.batch, 20 if on_gpu else 1, left)
            print()
        if args.only in (None, "trainings"):
            trainings(info, device, args.batch, 5 if on_gpu else 1, Path(folder), left)
            print()
        if args.only in (None, "feeds"):
            feeds(info, device, args.batch, left)
    print(f"\n{time.perf_counter() - began:.0f} s in all.")


if __name__ == "__main__":
    main()

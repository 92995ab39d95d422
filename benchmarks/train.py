"""Time and memory of training steps, and how long they wait for data.

    python benchmarks/train.py steps [--model NAME ...] [--batch 5 --batch 10] [--device cuda]
    python benchmarks/train.py data DATASET.h5 [--workers 4] [--device cuda]

``steps`` runs forward, backward and optimiser at 120×120×100 on random inputs, each model in a process
of its own; core-s, the processor time of a step, says what it costs where other jobs run too. ``data``
trains one model from the dataset file and from the same samples as a folder of one PNG and one npy a frame.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import tempfile
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from tttrain.data.dataset_file import read_info
from tttrain.data.prepare import Preparer
from tttrain.data.samples import StrokeDataset
from tttrain.data.view import make_view
from tttrain.feeding.loader import EpochBatches, batches, loader
from tttrain.models import InputShape, build, specs
from tttrain.training.device import autocast, choose_device, choose_precision, place, set_precision
from tttrain.training.loss import sum_of_losses

#: a step is given up before the machine has less than this left, bytes
RESERVE = 1.5e9


def _available() -> float:
    text = Path("/proc/meminfo").read_text()
    return float(text.split("MemAvailable:")[1].split()[0]) * 1024


def _watch(limit: float) -> None:
    while True:
        if _available() < limit:
            os._exit(77)
        time.sleep(0.05)


class Steps:
    """A model, its optimiser and how long a step takes."""

    def __init__(
        self, name: str, options: dict, shape: InputShape, classes: int, device: torch.device
    ) -> None:
        self.device = device
        self.precision = choose_precision(device, "auto")
        set_precision(device, self.precision)
        torch.manual_seed(0)
        self.model = place(build(name, shape, classes, options), device).train()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01, momentum=0.5, nesterov=True)

    def __call__(self, inputs: dict, labels: torch.Tensor) -> tuple[float, float]:
        """One step; seconds until the device has finished it, and seconds of processor time."""
        began, busy = time.perf_counter(), time.process_time()
        self.optimizer.zero_grad(set_to_none=True)
        with autocast(self.device, self.precision):
            logits = self.model(inputs)
        (sum_of_losses(logits, labels) / len(labels)).backward()
        self.optimizer.step()
        self.wait()
        return time.perf_counter() - began, time.process_time() - busy

    def wait(self) -> None:
        """Until the device has finished."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def _one(
    name: str, options: dict, batch: int, device_name: str, threads: int, repeats: int, out: str
) -> None:
    torch.set_num_threads(threads)
    device = choose_device(device_name)
    threading.Thread(target=_watch, args=(RESERVE,), daemon=True).start()
    shape = InputShape()
    step = Steps(name, options, shape, 21, device)
    inputs = {
        "rgb": torch.rand(batch, 3, *shape.volume, device=device),
        "flow": torch.rand(batch, 2, *shape.volume, device=device),
        "pose": torch.rand(batch, 42, shape.length, device=device),
    }
    inputs = {k: v for k, v in inputs.items() if k in specs()[name].inputs}
    inputs = {
        k: v.contiguous(memory_format=torch.channels_last_3d) if v.dim() == 5 else v
        for k, v in inputs.items()
    }
    labels = torch.arange(batch, device=device)
    first = step(inputs, labels)
    times = [step(inputs, labels) for _ in range(repeats)] or [first]
    if device.type == "cuda":
        memory = torch.cuda.max_memory_allocated()
    else:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    seconds, busy = (statistics.median(column) for column in zip(*times, strict=True))
    Path(out).write_text(json.dumps({"seconds": seconds, "core": busy, "bytes": memory}))


def steps(args: argparse.Namespace) -> None:
    """Table of seconds a step and peak memory."""
    spawn = multiprocessing.get_context("spawn")
    print(f"{'model':<14}{'attention':>10}{'batch':>7}{'s/step':>9}{'core-s/step':>13}{'GiB':>7}")
    for name, spec in specs().items():
        if args.model and name not in args.model:
            continue
        attentive = [f for f in spec.options.model_fields if f.endswith("attention")]
        for options in ({}, dict.fromkeys(attentive, 3)) if attentive else ({},):
            for batch in args.batch:
                with tempfile.TemporaryDirectory() as folder:
                    out = f"{folder}/result"
                    work = (name, options, batch, args.device, args.threads, args.repeats, out)
                    child = spawn.Process(target=_one, args=work)
                    child.start()
                    child.join()
                    head = f"{name:<14}{options.get('attention', 0) if attentive else '':>10}{batch:>7}"
                    if child.exitcode:
                        why = "memory" if child.exitcode == 77 else f"exit code {child.exitcode}"
                        print(f"{head}  given up: {why}", flush=True)
                        continue
                    got = json.loads(Path(out).read_text())
                seconds, memory = got["seconds"], got["bytes"] / 2**30
                print(f"{head}{seconds:>9.2f}{got['core']:>13.2f}{memory:>7.1f}", flush=True)


class Files(StrokeDataset):
    """The same windows from a folder: ``<row>/<n>.png`` and ``<row>/<n>.npy`` (float32 flow)."""

    def __init__(self, folder: Path, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.folder = folder

    def write(self) -> None:
        """Lay the samples out."""
        for row in self.rows:
            stored = StrokeDataset._stored(self, int(row), 0, None)
            place = self.folder / str(row)
            place.mkdir(parents=True)
            for n, (rgb, flow) in enumerate(zip(stored["rgb"], stored["flow"], strict=True)):
                cv2.imwrite(str(place / f"{n}.png"), rgb[..., ::-1])
                np.save(place / f"{n}.npy", flow.astype(np.float32))

    def _stored(self, row: int, start: int, count: int | None) -> dict:
        small = self.modalities
        self.modalities = tuple(m for m in small if m == "pose")
        out = super()._stored(row, start, count)
        self.modalities = small
        frames = [self.folder / str(row) / str(start + i) for i in range(len(out["roi"]))]
        out["rgb"] = np.stack([cv2.imread(f"{f}.png")[..., ::-1] for f in frames])
        out["flow"] = np.stack([np.load(f"{f}.npy") for f in frames])
        return out


def data(args: argparse.Namespace) -> None:
    """Samples a second and share of the time spent waiting, by layout."""
    cv2.setNumThreads(1)
    info = read_info(args.dataset)
    view = make_view(info)
    rows = info.rows_of("train")[: args.samples]
    device = choose_device(args.device)
    name = args.model[0] if args.model else "twin"
    inputs = specs()[name].inputs
    shape = InputShape(view.size, view.length, len(info.joints))
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        files = Files(Path(folder), info, rows, view, inputs, "train")
        files.write()
        for layout, source in (
            ("dataset file", StrokeDataset(info, rows, view, inputs, "train")),
            ("PNG + npy", files),
        ):
            order = EpochBatches(len(rows), args.batch[0])
            feed = loader(source, order, workers=args.workers, pin=device.type == "cuda")
            list(batches(feed))  # starts workers and warms caches
            rates = []
            for epoch in range(3):
                order.epoch = epoch
                began = time.perf_counter()
                for _ in batches(feed):
                    pass
                rates.append(len(rows) / (time.perf_counter() - began))
            rate = statistics.median(rates)
            print(f"{layout:<13} {args.workers} workers, reading alone: {rate:.1f} samples/s", flush=True)
            if not args.epochs:
                continue
            step = Steps(name, {}, shape, len(info.classes), device)
            prepare = Preparer(info, view, device)
            waited = spent = 0.0
            for epoch in range(args.epochs):
                order.epoch = epoch
                iterator = batches(feed)
                began = time.perf_counter()
                for _ in range(len(order)):
                    asked = time.perf_counter()
                    clip = next(iterator)
                    waited += time.perf_counter() - asked
                    step(prepare(clip), clip["label"].to(device))
                list(iterator)
                spent += time.perf_counter() - began
            print(
                f"{'':<13} training {name}, batch {args.batch[0]}: "
                f"{len(rows) * args.epochs / spent:.2f} samples/s, {waited / spent:.1%} of the time waiting",
                flush=True,
            )


def main() -> None:
    """Run one of the benchmarks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["steps", "data"])
    parser.add_argument("dataset", nargs="?")
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--batch", action="append", type=int, default=[])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=3, help="0: read only")
    parser.add_argument("--scratch", help="folder for the PNG + npy copy")
    args = parser.parse_args()
    if args.what == "steps":
        args.batch = args.batch or [5, 10]
        steps(args)
    elif not args.dataset:
        parser.error("data: name a dataset file")
    else:
        args.batch = args.batch or [10]
        data(args)


if __name__ == "__main__":
    main()

"""From a video to the strokes in it: processing time and delay against the video's length, by stage.

    python benchmarks/predicting/delay.py CLIP [--seconds 30 60 120 180] [--features all|rgb]

The quantities of [LSTM] §4.4 (figure 4): a video of each length is made from CLIP, played forwards and
backwards over and over so that no frame jumps, re-encoded at CLIP's size and rate. Then, on one worker, it
goes through `ttprep run` (with ``untrimmed``: the ROI crop of every frame) and through a stroke model, whose
windows follow each other without overlap.

*Processing time* is the core time of all stages and of the model; *delay* is the wall time from the call of
the run to the last window's scores, start-up of the worker, planning and hashing included. Weights are
random: time does not depend on them. ``--features rgb`` leaves out what only other networks read (pose, exact
flow): the ROI then follows from DIS flow.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from rich.console import Console

from pipeline.inputs.manifest import Manifest
from pipeline.planning.request import Request, Where
from pipeline.run import run
from stages.registry import registry
from store import Store
from tttrain.models import InputShape, build, specs

#: [LSTM] §4.4: seconds of video → processing time and delay, s
PRINTED = {30: (0.75, 0.85), 60: (1.20, 1.30), 120: (2.40, 2.50), 180: (3.60, 3.70)}
CLASSES = 21
CROP = 120
#: largest flow that is not clipped, px; any positive number costs the same
FLOW_DIVISOR = 10.0


def make_video(clip: Path, target: Path, seconds: int) -> tuple[int, Fraction, tuple[int, int]]:
    """Write a video of that length; returns its frames, rate and size."""
    with av.open(str(clip)) as source:
        rate = Fraction(source.streams.video[0].average_rate)
        pictures = [f.reformat(format="yuv420p") for f in source.decode(video=0)]
    width, height = pictures[0].width, pictures[0].height
    n = round(seconds * rate)
    with av.open(str(target), "w") as out:
        options = {"crf": "20", "preset": "veryfast"}
        stream: Any = out.add_stream("libx264", rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for t, picture in enumerate(islice(cycle([*pictures, *pictures[-2:0:-1]]), n)):
            picture.pts, picture.time_base = t, 1 / rate
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return n, rate, (width, height)


def manifest_of(features: str) -> Manifest:
    """What is computed: everything, or what an RGB network needs."""
    if features == "all":
        return Manifest(untrimmed=True, dataset=None)
    return Manifest(untrimmed=True, dataset=None, modalities=("rgb",), stages={"flow": {"method": "dis"}})


def windows(reader: Any, names: tuple[str, ...], length: int, n: int) -> Iterator[dict[str, torch.Tensor]]:
    """Inputs of the model, window after window; behind the last frame it repeats."""
    for first in range(0, n, length):
        out = {}
        for name in names:
            values = reader.read(name, first, min(first + length, n))
            values = np.concatenate([values, np.repeat(values[-1:], length - len(values), axis=0)])
            pixels = torch.from_numpy(values).permute(3, 0, 1, 2).float()[None]
            out[name] = pixels / 255 if name == "rgb" else (pixels / 64 / FLOW_DIVISOR).clamp(-1, 1)
        yield out


def forward(store: Store, plan: Any, model: Any, names: tuple[str, ...], length: int, n: int) -> float:
    """Core seconds that the model takes for the whole video, reading its crops included."""
    slot = next(p.node.slot for p in plan if p.node.stage.name == "untrimmed")
    began = time.process_time()
    with store.reader(slot) as reader, torch.inference_mode():
        for inputs in windows(reader, names, length, n):
            model(inputs)
    return time.process_time() - began


def measure(clip: Path, seconds: int, args: argparse.Namespace) -> dict[str, Any]:
    """One line of the table."""
    spec = specs()[args.model]
    names = spec.inputs
    torch.manual_seed(0)
    model = build(args.model, InputShape((CROP, CROP), args.length), CLASSES, {}).eval()
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        video = Path(folder) / "video.mp4"
        n, rate, size = make_video(clip, video, seconds)
        manifest, root = manifest_of(args.features), Path(folder) / "store"
        request = Request(manifest, root, (video,), where=Where(1), pose_weights=args.pose_weights)
        began = time.perf_counter()
        result = run(request, Console(stderr=True, quiet=True))
        if result.code:
            sys.exit("\n".join([*result.overview.problems, *(o.reason for o in result.jobs if o.reason)]))
        store = Store.open(root)
        (source,) = result.overview.sources
        plan = result.overview.plans[source.sha256]
        network = forward(store, plan, model, names, args.length, n)
        delay = time.perf_counter() - began
        costs = {r.stage: float(r.run["core_s"]) for r in store.receipts(source.sha256)}
    stages = {name: costs[name] for name in registry() if name in costs}
    total = sum(stages.values()) + network
    return {
        "seconds": seconds, "frames": n, "fps": float(rate), "size": size, "stages": stages,
        "network": network, "processing": total, "delay": delay,
    }  # fmt: skip


def table(lines: list[dict[str, Any]]) -> str:
    """Markdown: a row a length."""
    names = list(lines[0]["stages"])
    head = ["length, s", *names, "network", "processing, s", "delay, s", "of the length", "printed"]
    out = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for line in lines:
        printed = PRINTED.get(line["seconds"])
        cells = [
            str(line["seconds"]),
            *(f"{line['stages'][name]:.2f}" for name in names),
            *(f"{line[name]:.2f}" for name in ("network", "processing", "delay")),
            f"{line['delay'] / line['seconds']:.2f}",
            f"{printed[0]:.2f} / {printed[1]:.2f}" if printed else "",
        ]
        out.append(f"| {' | '.join(cells)} |")
    return "\n".join(out)


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", type=Path)
    parser.add_argument("--seconds", type=int, nargs="+", default=list(PRINTED))
    parser.add_argument("--features", choices=["all", "rgb"], default="all")
    on_crops = [spec.name for spec in specs().values() if set(spec.inputs) <= {"rgb", "flow"}]
    parser.add_argument("--model", choices=on_crops, default="cnn-lstm")
    parser.add_argument("--length", type=int, default=60, help="frames of a window")
    parser.add_argument("--threads", type=int, default=1, help="of the model")
    parser.add_argument("--pose-weights", type=Path)
    parser.add_argument("--scratch", help="folder for videos and stores")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    lines = []
    for seconds in args.seconds:
        lines.append(measure(args.clip, seconds, args))
        print(f"{seconds} s: delay {lines[-1]['delay']:.1f} s", file=sys.stderr, flush=True)
    first = lines[0]
    width, height = first["size"]
    print(f"**{args.clip.name}**, {width}×{height}, {first['fps']:g} frames/s, one worker; ", end="")
    print(f"features: {args.features}; {args.model}, windows of {args.length} frames\n")
    print(table(lines))
    if args.json:
        args.json.write_text(json.dumps(lines, indent=2) + "\n")


if __name__ == "__main__":
    main()

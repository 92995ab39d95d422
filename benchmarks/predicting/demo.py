"""From a trained demo network to unannotated demo videos in one command: what is found, and how exactly.

``python benchmarks/predicting/demo.py FOLDER`` renders thirteen clips of twelve strokes, trains a twin
network on ten of them at reduced size, takes the annotations of the other three away and predicts these. What
is there of an earlier call is kept. A stroke counts as found where a prediction of its class begins and ends
within 15 frames of it at 120/s. ``--rate 240`` renders the unannotated clips once more at another frame rate.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.predicting.network import RULES, Span, find_strokes, windows_at
from ttdemo import make_demo

LEARNT, UNSEEN, SEED = 10, 3, 5
#: s: the greatest distance of begin and end, 15 frames at 120 frames/s
NEAR_S = 15 / 120
MANIFEST = """\
version: 1
store: store
videos: [clips]
annotations: [clips]
modalities: [rgb, flow]
untrimmed: true
compact: true
stages:
  flow: {method: dis}
splits: {train: 0.8, validation: 0.2, test: 0, by: video}
"""
FIT = (
    "--model twin --sampling frames --size 24x24 --length 16 --every 6 --optimizer adam --lr 0.0005 "
    "--weight-decay 0 --drop 0 --epochs 20"
)


def call(words: Sequence[object], cwd: Path) -> str:
    """Run a command of this checkout and return what it prints on stdout."""
    print("$", *words, flush=True)
    module = {"ttprep": "pipeline.cli", "tttrain": "tttrain.cli"}[str(words[0])]
    command = [sys.executable, "-m", module, *map(str, words[1:])]
    done = subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def render(folder: Path, clips: int, fps: int) -> None:
    """Render the clips."""
    make_demo(
        folder, clips=clips, strokes_per_clip=12, seed=SEED, size=(640, 360), fps=Fraction(fps),
        duration=(1.1, 1.7), gap=(0.6, 0.8), workers=os.cpu_count() or 1,
    )  # fmt: skip


def prepare(folder: Path) -> None:
    """Render the clips, and take the annotations of the last three away."""
    learn = folder / "learn"
    if not (folder / "truth").is_dir():
        render(learn / "clips", LEARNT + UNSEEN, 120)
        (folder / "unseen").mkdir(exist_ok=True)
        (folder / "truth").mkdir()
        for n in range(LEARNT + 1, LEARNT + UNSEEN + 1):
            (learn / "clips" / f"demo_{n:02d}.mp4").rename(folder / "unseen" / f"demo_{n:02d}.mp4")
            (learn / "clips" / f"demo_{n:02d}.xml").rename(folder / "truth" / f"demo_{n:02d}.xml")
    (learn / "data_manifest.yaml").write_text(MANIFEST)
    if not (learn / "twin" / "checkpoint.json").exists():
        call(["ttprep", "run"], learn)
        call(["tttrain", "fit", "dataset.h5", "twin", *FIT.split()], learn)


def at_rate(folder: Path, rate: int) -> Path:
    """Render the unannotated clips at another frame rate."""
    other = folder / f"unseen-{rate}"
    if not other.is_dir():
        render(folder / f"all-{rate}", LEARNT + UNSEEN, rate)
        other.mkdir()
        for n in range(LEARNT + 1, LEARNT + UNSEEN + 1):
            for end in (".mp4", ".xml"):
                name = f"demo_{n:02d}{end}"
                (folder / f"all-{rate}" / name).rename(other / (f"{name}.txt" if end == ".xml" else name))
    return other


def truth(folder: Path, unseen: Path, stem: str) -> list[tuple[int, int, str]]:
    """Return the strokes of a clip: begin, end, class."""
    from xml.etree import ElementTree

    beside = unseen / f"{stem}.xml.txt"
    root = ElementTree.parse(beside if beside.exists() else folder / "truth" / f"{stem}.xml").getroot()
    return [(int(a.get("begin", "")), int(a.get("end", "")), a.get("move", "")) for a in root]


def judge(true: Sequence[tuple[int, int, str]], found: Sequence[tuple[int, int, str]], near: float) -> Any:
    """Return how many strokes were found, errors of begin and end of these, and what is too much."""
    hits, begins, ends, used = 0, [], [], set()
    for begin, end, move in true:
        over = [(min(end, e) - max(begin, b), n) for n, (b, e, _) in enumerate(found)]
        best = max(over, default=(0, -1))
        if best[0] <= 0:
            continue
        b, e, label = found[best[1]]
        begins.append(b - begin)
        ends.append(e - end)
        used.add(best[1])
        hits += label == move and abs(b - begin) <= near and abs(e - end) <= near
    return hits, begins, ends, len(found) - len(used)


def main() -> None:
    """Render, train, predict, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rate", type=int, default=120)
    parser.add_argument("--step", type=int, default=1)
    args = parser.parse_args()
    folder = args.folder.resolve()
    prepare(folder)
    unseen = folder / "unseen" if args.rate == 120 else at_rate(folder, args.rate)
    begun = time.perf_counter()
    words = ["ttprep", "predict", "learn/twin", unseen.name, "--store", "new", "--step", args.step]
    told = json.loads(call([*words, "--output", f"found-{args.rate}", "--json"], folder))
    print(f"{time.perf_counter() - begun:.0f} s; {told['times_real_time']:.2f} times real time"
          if told["times_real_time"] else "kept")  # fmt: skip
    near = NEAR_S * args.rate
    rules = {rule: [0, [], [], 0] for rule in RULES}
    total = 0
    for video in told["videos"]:
        place = folder / video["folder"]
        true = truth(folder, unseen, place.name)
        total += len(true)
        record = json.loads((place / f"{place.name}.predict.json").read_text())
        with np.load(place / f"{place.name}.scores.npz") as file:
            scores, pictures = file["scores"][0].astype(np.float64), [*file["picture"], record["frames"]]
        for rule in RULES:
            spans: list[Span] = find_strokes(
                scores, rule, windows_at(record["rate"]), len(record["classes"]) - 1
            )
            found = [
                (int(pictures[s.begin]), int(pictures[s.end]), record["classes"][s.label]) for s in spans
            ]
            for n, value in enumerate(judge(true, found, near)):
                rules[rule][n] += value
    for rule, (hits, begins, ends, extra) in rules.items():
        away = [
            f"{np.median(x):+.0f}, 90 % within {np.percentile(np.abs(x), 90):.0f}" for x in (begins, ends)
        ]
        print(f"{rule}: {hits} of {total} found ({hits / total:.1%}), {extra} that are none; "
              f"begin {away[0]}, end {away[1]} frames")  # fmt: skip


if __name__ == "__main__":
    main()

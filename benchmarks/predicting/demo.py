"""From a trained demo network to unannotated demo videos in one command: what is found, and how exactly.

``python benchmarks/predicting/demo.py FOLDER`` renders thirteen clips of twelve strokes, trains a twin
network on ten of them at reduced size, takes the annotations of the other three away and predicts these. What
is there of an earlier call is kept. Two of the ten validate; what is chosen (span, epochs, windows) is chosen
on them. A stroke counts as found where a prediction of its class begins and ends within 15 frames of it at
120/s. ``--rate 240`` renders the unannotated clips once more at another frame rate.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from pipeline.predicting.network import RULES, find_strokes, windows_at
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
  cuboids: {length: 192}   # the longest window that a network may see
splits: {train: 0.8, validation: 0.2, test: 0, by: video}
"""
FIT = (
    "--model twin --sampling frames --size 24x24 --length 24 --every 8 --no-flip --optimizer adam "
    "--lr 0.0005 --weight-decay 0 --drop 0 --epochs 16"
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
    """Render the clips, and take the annotations of the last clips away."""
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


@dataclass
class Tally:
    """How strokes were met by the predictions that overlap them most.

    Attributes
    ----------
    strokes : int
        True ones.
    right, begun, ended, placed, found : int
        Of these: with the right class; begin, end, both within the distance; both and the right class.
    extra : int
        Predictions that are none of these.
    begins, ends : list of int
        Errors, frames of the video.
    """

    strokes: int = 0
    right: int = 0
    begun: int = 0
    ended: int = 0
    placed: int = 0
    found: int = 0
    extra: int = 0
    begins: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def add(
        self, true: Sequence[tuple[int, int, str]], told: Sequence[tuple[int, int, str]], near: float
    ) -> None:
        """Count the strokes of one video."""
        used = set()
        for begin, end, move in true:
            self.strokes += 1
            over, n = max(
                ((min(end, e) - max(begin, b), n) for n, (b, e, _) in enumerate(told)), default=(0, -1)
            )
            if over <= 0:
                continue
            b, e, label = told[n]
            used.add(n)
            self.begins.append(b - begin)
            self.ends.append(e - end)
            begun, ended, right = abs(b - begin) <= near, abs(e - end) <= near, label == move
            self.begun += begun
            self.ended += ended
            self.right += right
            self.placed += begun and ended
            self.found += begun and ended and right
        self.extra += len(told) - len(used)

    def __str__(self) -> str:
        away = [
            f"{np.median(x):+.0f} (90 % within {np.percentile(np.abs(x), 90):.0f})" if x else "none"
            for x in (self.begins, self.ends)
        ]
        return (
            f"{self.found} of {self.strokes} found ({self.found / max(self.strokes, 1):.0%}); "
            f"overlapped {len(self.begins)}, class {self.right}, begin {self.begun}, end {self.ended}, "
            f"both {self.placed}; {self.extra} that are none; begin {away[0]}, end {away[1]} frames"
        )


def main() -> None:
    """Render, train, predict, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rate", type=int, default=120)
    parser.add_argument("--step", type=int, default=2)
    args = parser.parse_args()
    folder = args.folder.resolve()
    prepare(folder)
    unseen = folder / "unseen" if args.rate == 120 else at_rate(folder, args.rate)
    begun = time.perf_counter()
    words = ["ttprep", "predict", "learn/twin", unseen.name, "--store", "new", "--borders", "--step"]
    told = json.loads(call([*words, args.step, "--output", f"found-{args.rate}", "--json"], folder))
    print(f"{time.perf_counter() - begun:.0f} s; {told['times_real_time']:.2f} times real time"
          if told["times_real_time"] else "kept")  # fmt: skip
    near = NEAR_S * args.rate
    tallies = {rule: Tally() for rule in RULES}
    for video in told["videos"]:
        place = folder / video["folder"]
        record = json.loads((place / f"{place.name}.predict.json").read_text())
        with np.load(place / f"{place.name}.scores.npz") as file:
            scores, pictures = file["scores"][0].astype(np.float64), [*file["picture"], record["frames"]]
        for rule, tally in tallies.items():
            spans = find_strokes(scores, rule, windows_at(record["rate"]), len(record["classes"]) - 1)
            found = [
                (int(pictures[s.begin]), int(pictures[s.end]), record["classes"][s.label]) for s in spans
            ]
            tally.add(truth(folder, unseen, place.name), found, near)
    for rule, tally in tallies.items():
        print(f"{rule}: {tally}")


if __name__ == "__main__":
    main()

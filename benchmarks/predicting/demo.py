"""From a trained demo network to unannotated demo videos in one command: what is found, and how exactly.

``python benchmarks/predicting/demo.py FOLDER`` renders ten clips of twelve strokes and trains a twin network
on them at reduced size; two of the ten validate. Then ``ttprep predict`` is called once on each set of clips:

* ``validation``: the two. What is chosen (span, epochs, windows) is chosen on them;
* ``unseen``: three more clips of that seed, without their annotations. The network's faults were studied on
  them, so they are no test any more;
* ``fresh``: five clips of another seed, without their annotations, at which nobody looked before.

A stroke counts as found where a prediction of its class begins and ends within 15 frames of it at 120/s. What
is there of an earlier call is kept. ``--rate 240 --clips 2`` renders two of the fresh clips once more at
another frame rate, and judges these alone.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from pipeline.predicting.ends import with_still_ends
from pipeline.predicting.network import RULES, find_strokes, windows_at
from ttdemo import make_demo

LEARNT, UNSEEN, SEED = 10, 3, 5
FRESH, FRESH_SEED = 5, 6
#: s: the greatest distance of begin and end, 15 frames at 120 frames/s
NEAR_S = 15 / 120
#: frames at 120/s, vote and average, Gaussian, shortest. The shortest pause lasts 72 frames, and a vote over
#: more than twice that swallows it
SHORTER = (101, 151, 30)
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
    "--lr 0.0005 --weight-decay 0 --drop 0 --epochs 30"
)


def call(words: Sequence[object], cwd: Path) -> str:
    """Run a command of this checkout and return what it prints on stdout."""
    print("$", *words, flush=True)
    module = {"ttprep": "pipeline.cli", "tttrain": "tttrain.cli"}[str(words[0])]
    command = [sys.executable, "-m", module, *map(str, words[1:])]
    done = subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def render(folder: Path, clips: int, seed: int, fps: int = 120) -> None:
    """Render clips with annotations beside them."""
    make_demo(
        folder, clips=clips, strokes_per_clip=12, seed=seed, size=(640, 360), fps=Fraction(fps),
        duration=(1.1, 1.7), gap=(0.6, 0.8), workers=os.cpu_count() or 1,
    )  # fmt: skip


def set_apart(clips: Path, names: Sequence[str], folder: Path, into: str) -> None:
    """Move clips to a folder of their own, and their annotations to where no command looks."""
    (folder / into).mkdir(parents=True, exist_ok=True)
    (folder / "truth" / into).mkdir(parents=True)
    for name in names:
        (clips / f"{name}.mp4").rename(folder / into / f"{name}.mp4")
        (clips / f"{name}.xml").rename(folder / "truth" / into / f"{name}.xml")


def learn(folder: Path) -> None:
    """Render what is learned and what is not, and train."""
    place = folder / "learn"
    if not (folder / "truth" / "unseen").is_dir():
        render(place / "clips", LEARNT + UNSEEN, SEED)
        names = [f"demo_{n:02d}" for n in range(LEARNT + 1, LEARNT + UNSEEN + 1)]
        set_apart(place / "clips", names, folder, "unseen")
    (place / "data_manifest.yaml").write_text(MANIFEST)
    if not (place / "twin" / "checkpoint.json").exists():
        call(["ttprep", "run"], place)
    # kept where it has all its epochs, else gone on with
    call(["tttrain", "fit", "dataset.h5", "twin", *FIT.split()], place)


def new_clips(folder: Path, clips: int, rate: int) -> str:
    """Render the clips of the other seed at a rate; return the name of their folder."""
    name = "fresh" if rate == 120 else f"fresh-{rate}"
    if not (folder / "truth" / name).is_dir():
        render(folder / f"{name}.part", clips, FRESH_SEED, rate)
        set_apart(folder / f"{name}.part", [f"demo_{n + 1:02d}" for n in range(clips)], folder, name)
    return name


def validating(folder: Path) -> list[Path]:
    """Return the clips that validated the network."""
    with (folder / "learn" / "dataset.samples.csv").open(newline="") as file:
        names = {row["video"] for row in csv.DictReader(file) if row["split"] == "validation"}
    return [folder / "learn" / "clips" / name for name in sorted(names)]


def truth(path: Path) -> list[tuple[int, int, str]]:
    """Return the strokes of a clip: begin, end, class."""
    root = ElementTree.parse(path).getroot()
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


def judge(folder: Path, name: str, answers: Path, rate: int) -> None:
    """Print what each rule finds in the clips of a set, by their scores."""
    places = sorted(path.parent for path in (folder / "found" / name).glob("*/*.predict.json"))
    for windows in (None, SHORTER):
        for rule in RULES:
            for ends in ("scores", "still"):
                tally = Tally()
                for place in places:
                    record = json.loads((place / f"{place.name}.predict.json").read_text())
                    with np.load(place / f"{place.name}.scores.npz") as file:
                        scores, motion = (file[array][0].astype(np.float64) for array in ("scores", "motion"))
                        pictures = [*file["picture"], record["frames"]]
                    used = windows or windows_at(record["rate"])
                    spans = find_strokes(scores, rule, used, len(record["classes"]) - 1)
                    if ends == "still":
                        spans = with_still_ends(spans, motion, record["rate"], scores)
                    told = [
                        (int(pictures[s.begin]), int(pictures[s.end]), record["classes"][s.label])
                        for s in spans
                    ]
                    tally.add(truth(answers / f"{place.name}.xml"), told, NEAR_S * rate)
                print(f"{name}, {rule} over {used[rule == 'gaussian']}, ends by {ends}: {tally}")


def main() -> None:
    """Render, train, predict, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rate", type=int, default=120)
    parser.add_argument("--clips", type=int, default=FRESH)
    parser.add_argument("--step", type=int, default=2)
    args = parser.parse_args()
    folder = args.folder.resolve()
    learn(folder)
    fresh = new_clips(folder, args.clips, args.rate)
    answers = folder / "truth"
    sets: dict[str, tuple[list[Path], str, Path]] = {fresh: ([folder / fresh], "new", answers / fresh)}
    if args.rate == 120:
        known = folder / "learn"
        sets |= {
            "unseen": ([folder / "unseen"], "new", answers / "unseen"),
            "validation": (validating(folder), "learn/store", known / "clips"),
        }
    for name, (videos, store, where) in sets.items():
        begun = time.perf_counter()
        words = ["--store", store, "--borders", "--ends", "still", "--step", args.step, "--no-overlay"]
        told = call(
            ["ttprep", "predict", "learn/twin", *videos, *words, "-o", f"found/{name}", "--json"], folder
        )
        speed = json.loads(told)["times_real_time"]
        print(f"{time.perf_counter() - begun:.0f} s" + (f"; {speed:.2f} times real time" if speed else ""))
        judge(folder, name, where, args.rate if name == fresh else 120)


if __name__ == "__main__":
    main()

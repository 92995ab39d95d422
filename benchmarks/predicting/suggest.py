"""Whether stretches of a class that nobody labelled are suggested before others.

``python benchmarks/predicting/suggest.py FOLDER`` renders demo clips of two classes, trains a small network
on them, and asks `ttprep suggest` for stretches of two clips that have a third class too: once for each of
two classes as the third. A stretch shows a class where a stroke of it fills more than half of the stretch.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

from ttdemo import make_demo

CLASSES = ("Serve Backhand Topspin", "Offensive Forehand Loop", "Defensive Backhand Push")
THIRD = CLASSES[1:]
FIRST = 16
MANIFEST = """\
videos: [clips]
annotations: [clips]
modalities: [rgb, flow]
untrimmed: true
splits: {train: 0.8, validation: 0.2, test: 0, by: video}
cleaning: {negatives: {min_frames: 24, overlap: 2, min_actions: 5}}
stages:
  frames: {width: 160, height: 90}
  flow: {method: dis}
  roi: {crop_width: 60, crop_height: 60}
  untrimmed: {crop_width: 60, crop_height: 60}
  cuboids: {crop_width: 60, crop_height: 60, length: 24}
"""
FIT = (
    "--model twin --sampling frames --size 20x20 --length 8 --every 3 --optimizer adam --lr 0.001 "
    "--weight-decay 0 --drop 0 --epochs 15"
)


def call(module: str, words: Sequence[object], cwd: Path) -> str:
    command = [sys.executable, "-m", module, *map(str, words)]
    return subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.PIPE, text=True).stdout


def render(folder: Path, classes: Sequence[str], clips: int, seed: int) -> None:
    make_demo(
        folder, clips=clips, strokes_per_clip=12, classes=classes, size=(320, 180), fps=Fraction(30),
        workers=1, duration=(1.1, 1.7), gap=(0.8, 1.0), seed=seed,
    )  # fmt: skip


def true_strokes(folder: Path) -> dict[str, list[tuple[int, int, str]]]:
    found = {}
    for path in sorted(folder.glob("*.xml")):
        actions = ElementTree.parse(path).getroot()
        found[path.stem] = [
            (int(a.get("begin", 0)), int(a.get("end", 0)), a.get("move", "")) for a in actions
        ]
    return found


def shows(begin: int, end: int, strokes: Sequence[tuple[int, int, str]], move: str) -> bool:
    return any(2 * (min(end, e) - max(begin, b)) > end - begin for b, e, m in strokes if m == move)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    render(folder / "new", CLASSES, 2, 1)
    truth = true_strokes(folder / "new")
    for path in (folder / "new").glob("*.xml"):
        path.unlink()
    for third in THIRD:
        here = folder / third.split()[-1].lower()
        render(here / "clips", [c for c in CLASSES if c != third], 5, 9)
        (here / "data_manifest.yaml").write_text(MANIFEST)
        call("pipeline.cli", ["run", "-q"], here)
        call("tttrain.cli", ["fit", "dataset.h5", "run", *FIT.split()], here)
        text = call("pipeline.cli", ["suggest", "run", "../new", "-n", 500, "--step", 2, "--json"], here)
        suggestions = json.loads(text)["suggestions"]
        hits = [shows(s["begin"], s["end"], truth[Path(s["video"]).stem], third) for s in suggestions]
        new = [hit for hit, s in zip(hits[:FIRST], suggestions, strict=False) if s["why"] == "new"]
        first = f"{sum(hits[:FIRST])} of the first {FIRST}, {sum(new)} of the {len(new)} chosen as new"
        print(f"{third}: {first}; {sum(hits) / len(hits):.0%} of all {len(hits)}", flush=True)


if __name__ == "__main__":
    main()

"""From rendered clips to detections, as the README shows it, at a smaller scale and on unseen videos."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

torch = pytest.importorskip("torch", reason="tttrain needs the extra `train`")

from click.testing import CliRunner  # noqa: E402

from tests.support.command_line import ttprep  # noqa: E402
from ttdemo import make_demo  # noqa: E402
from ttdemo.world.script import Stroke  # noqa: E402
from tttrain.cli.main import main  # noqa: E402

torch.set_num_threads(1)

#: a quarter of the papers' frame rate, so a quarter of their windows; small pictures, a quick flow, no pose
MANIFEST = """\
videos: [clips]
annotations: [clips]
modalities: [rgb, flow]
untrimmed: true
splits: {train: 0.6, validation: 0.2, test: 0.2, by: video}
cleaning: {negatives: {min_frames: 24, overlap: 2}}
stages:
  frames: {width: 160, height: 90}
  flow: {method: dis}
  roi: {crop_width: 60, crop_height: 60}
  untrimmed: {crop_width: 60, crop_height: 60}
  cuboids: {crop_width: 60, crop_height: 60, length: 24}
"""
CLASSES = ("Serve Backhand Topspin", "Offensive Forehand Loop")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("learn")
    make_demo(
        folder / "clips", clips=5, strokes_per_clip=12, classes=CLASSES, size=(320, 180), fps=Fraction(30),
        workers=2, duration=(1.1, 1.7), gap=(0.8, 1.0),
    )  # fmt: skip
    (folder / "data_manifest.yaml").write_text(MANIFEST)
    done = ttprep("run", "--workers", "2", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "dataset.h5"


def call(*args: object) -> Any:
    result = CliRunner().invoke(main, [str(a) for a in (*args, "--json")])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def network(dataset: Path) -> Path:
    run = dataset.parent / "twin"
    call(
        "fit", dataset, run, "--model", "twin", "--sampling", "frames", "--size", "20x20", "--length", "8",
        "--every", "3", "--optimizer", "adam", "--lr", "0.001", "--weight-decay", "0", "--drop", "0",
        "--epochs", "20",
    )  # fmt: skip
    return run


@pytest.mark.slow
def test_demo_clips_train_a_network_that_knows_strokes_of_unseen_videos(
    network: Path,
) -> None:
    run = network
    samples = call("evaluate", run)
    assert samples["majority"] < 0.5
    assert samples["decisions"]["centre"]["accuracy"] > samples["majority"] + 0.3
    rules = ["--window", "37", "--gauss-window", "51", "--shortest", "8"]
    frames = call("detect", run, "--split", "test", *rules)
    assert not frames["videos"][0]["trained_on"]
    for rule in ("vote", "average", "gauss"):
        found = frames["rules"][rule]
        majority = max(map(sum, found["confusion"])) / sum(map(sum, found["confusion"]))
        assert found["accuracy"] > majority + 0.2, rule
        assert found["intervals"]["iou"] > 0.5, rule


@pytest.mark.slow
def test_predictions_that_a_person_corrects_are_the_next_training_set(network: Path, tmp_path: Path) -> None:
    """A network, a match without annotations, files for two tools, corrections, samples."""
    demo = make_demo(
        tmp_path / "new", clips=2, strokes_per_clip=6, classes=CLASSES, size=(320, 180), fps=Fraction(30),
        workers=2, duration=(1.1, 1.7), gap=(0.8, 1.0), seed=9,
    )  # fmt: skip
    for video in demo.videos:
        video.with_suffix(".xml").unlink()
    (tmp_path / "data_manifest.yaml").write_text("videos: [new]\nannotations: [corrected]\n")
    done = ttprep("predict", network, "new", "-o", "found", "--workers", "0", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [v["state"] for v in told["videos"]] == ["done", "done"]
    assert told["times_real_time"] > 0
    by_name = {v["video"]: v["strokes"] for v in told["videos"]}
    for clip in demo.clips:
        found = by_name[f"new/{clip.video.name}"]
        near = [
            any(abs(f["begin"] - s.begin) <= 12 and abs(f["end"] - s.end) <= 12 for f in found)
            for s in clip.strokes
        ]
        assert sum(near) >= len(near) / 2
    _check_still_ends(network, tmp_path, [c.strokes for c in demo.clips])
    one, two = (Path(v["folder"]) for v in told["videos"])
    (tmp_path / "corrected").mkdir()
    expected = {
        f"new/{one.name}.mp4": _correct_in_label_studio(
            tmp_path / one / f"{one.name}.label-studio.json", tmp_path
        ),
        f"new/{two.name}.mp4": _correct_in_cvat(tmp_path / two / f"{two.name}.cvat.xml", tmp_path),
    }
    text = MANIFEST.replace("videos: [clips]", "videos: [new]").replace("[clips]", "[corrected]")
    text = text.replace("cleaning: {", "cleaning: {min_seconds: 0.1, ")
    (tmp_path / "data_manifest.yaml").write_text(text + "dataset: next.h5\n")
    done = ttprep("run", "--workers", "0", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / "next.samples.csv").open() as table:
        rows = [r for r in csv.DictReader(table) if r["label_name"] != "Negative"]
    for name, strokes in expected.items():
        read = [(int(r["begin"]), int(r["end"]), r["label_name"]) for r in rows if r["video"] == name]
        assert sorted(read) == sorted(strokes)
        assert len(read) == len(by_name[name])


def _check_still_ends(network: Path, folder: Path, truth: Sequence[Sequence[Stroke]]) -> None:
    """Where the player is stillest, strokes of the same scores begin and end nearer to where they do."""
    words = ("--ends", "still", "--no-overlay", "--no-report", "--workers", "0", "--json")
    done = ttprep("predict", network, "new", "-o", "still", *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    videos = json.loads(done.stdout)["videos"]
    away: dict[str, list[int]] = {"found": [], "still": []}
    for video, strokes in zip(videos, truth, strict=True):
        for output, errors in away.items():
            stem = Path(video["folder"]).name
            told = json.loads((folder / output / stem / f"{stem}.predict.json").read_text())
            for s in strokes:
                same = [f for f in told["strokes"] if f["begin"] < s.contact < f["end"]]
                errors += [e for f in same for e in (abs(f["begin"] - s.begin), abs(f["end"] - s.end))]
    assert len(away["still"]) == len(away["found"]) > 0
    assert sum(away["still"]) < sum(away["found"])


def _correct_in_label_studio(path: Path, folder: Path) -> list[tuple[int, int, str]]:
    """Take over the predictions as annotations, as submitting the task does, with the first one changed."""
    (task,) = json.loads(path.read_text())
    result = task.pop("predictions")[0]["result"]
    first = result[0]["value"]
    other = next(c for c in CLASSES if c != first["timelinelabels"][0])
    first["timelinelabels"] = [other]
    first["ranges"][0]["start"] += 2
    task["annotations"] = [{"id": 1, "result": result, "completed_by": {"email": "ann@example.org"}}]
    (folder / "corrected" / "task.json").write_text(json.dumps([task]))
    values = [r["value"] for r in result]
    return [(v["ranges"][0]["start"] - 1, v["ranges"][0]["end"], v["timelinelabels"][0]) for v in values]


def _correct_in_cvat(path: Path, folder: Path) -> list[tuple[int, int, str]]:
    """Change the label of the first track and where it ends; confirm the others."""
    tree = ElementTree.parse(path)
    strokes = []
    for number, track in enumerate(tree.getroot().findall("track")):
        boxes = track.findall("box")
        if number == 0:
            track.set("label", next(c for c in CLASSES if c != track.get("label")))
            for box in boxes[1:]:
                box.set("frame", str(int(box.get("frame", "")) - 2))
        track.set("source", "manual")
        inside = [int(b.get("frame", "")) for b in boxes if b.get("outside") == "0"]
        strokes.append((inside[0], inside[-1] + 1, track.get("label", "")))
    tree.write(folder / "corrected" / path.name, encoding="unicode")
    return strokes

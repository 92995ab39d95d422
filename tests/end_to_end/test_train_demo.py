"""From rendered clips to detections, as the README shows it, at a smaller scale and on unseen videos."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="tttrain needs the extra `train`")

from click.testing import CliRunner  # noqa: E402

from tests.support.command_line import ttprep  # noqa: E402
from ttdemo import make_demo  # noqa: E402
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


@pytest.mark.slow
def test_demo_clips_train_a_network_that_knows_strokes_of_unseen_videos(
    dataset: Path, tmp_path: Path
) -> None:
    run = tmp_path / "twin"
    call(
        "fit", dataset, run, "--model", "twin", "--sampling", "frames", "--size", "20x20", "--length", "8",
        "--every", "3", "--optimizer", "adam", "--lr", "0.001", "--weight-decay", "0", "--drop", "0",
        "--epochs", "20",
    )  # fmt: skip
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

"""A network on videos that nobody annotated: what it reads, at which rate, what is written and kept."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="tttrain needs the extra `train`")


from pipeline.annotations import VideoFacts  # noqa: E402
from pipeline.errors import UserError  # noqa: E402
from pipeline.predicting.clock import Clock  # noqa: E402
from pipeline.predicting.network import read_needs  # noqa: E402
from pipeline.predicting.rates import LEAST, steps_for  # noqa: E402
from tests.pipeline.predicting.calls import Predict, digests, told  # noqa: E402
from tests.remedies.following import Says  # noqa: E402
from tests.support.projects import write_video  # noqa: E402
from tests.support.trainings import call  # noqa: E402
from tttrain import atomic  # noqa: E402
from tttrain.data.dataset_file import Array, Reader  # noqa: E402
from tttrain.evaluation.along_time.new_video import is_usual, trained_rates  # noqa: E402
from tttrain.evaluation.along_time.sliding_window import window_scores  # noqa: E402
from tttrain.evaluation.trained_network import load_network  # noqa: E402
from tttrain.training.run_folder import read_run  # noqa: E402


def test_scores_are_those_of_detect_and_nothing_is_made_twice(
    trained: Path, place: Path, predict: Predict
) -> None:
    before = sorted(p.name for p in (place / "store").rglob("*.h5"))
    shutil.copytree(trained / "videos", place / "videos")
    done = told(predict("videos/a.mp4", "--json"))
    (video,) = done["videos"]
    assert sorted(p.name for p in (place / "store").rglob("*.h5")) == before
    own = np.load(place / "run" / "predict" / "a" / "a.scores.npz")["scores"]
    np.testing.assert_array_equal(own[0], np.load(trained / "run" / "detect" / "a.npz")["scores"])
    report = json.loads((trained / "run" / "detect" / "report.json").read_text())
    (known,) = [v for v in report["videos"] if v["video"] == "videos/a.mp4"]
    assert [(s["begin"], s["end"], s["class"]) for s in video["strokes"]] == [
        (s["begin"], s["end"], s["class"]) for s in known["strokes"]["gauss"]
    ]


def test_with_borders_each_frame_has_a_window_of_its_own(
    trained: Path, place: Path, predict: Predict
) -> None:
    shutil.copytree(trained / "videos", place / "videos")
    told(predict("videos/a.mp4", "--borders", "--json"))
    folder = place / "run" / "predict" / "a"
    own = np.load(folder / "a.scores.npz")["scores"][0]
    known = np.load(trained / "run" / "detect" / "a.npz")["scores"]
    half = 8
    np.testing.assert_allclose(own[half:-half], known[half:-half], atol=1e-5)
    assert np.abs(own[:half] - known[:half]).max() > 1e-4

    network = load_network(place / "run", trained / "d.h5", torch.device("cpu"))
    video = [str(name) for name in network.info.videos.name].index("videos/a.mp4")
    first, n = int(network.info.videos.first[video]), int(network.info.videos.rows[video])
    rows = Reader(network.info.path)

    def padded(name: str, begin: int, count: int) -> Array:
        at = np.clip(np.arange(begin, begin + count) - half, 0, n - 1)
        return rows.rows(f"untrimmed/{name}", first, n)[at]

    expected = window_scores(network, padded, n + 2 * half)[half:-half]
    np.testing.assert_allclose(own, expected, atol=1e-5)
    record = json.loads((folder / "a.predict.json").read_text())
    assert record["borders"] is True
    assert [v["state"] for v in told(predict("videos/a.mp4", "--json"))["videos"]] == ["done"]


def test_a_second_call_keeps_what_is_there_and_another_rule_replaces_it(
    place: Path, predict: Predict
) -> None:
    first = told(predict("new", "--json"))
    folder = place / "run" / "predict" / "c"
    assert [v["state"] for v in first["videos"]] == ["done"]
    ends = {name.removeprefix("c.") for name in digests(folder)}
    assert ends >= {
        "csv", "json", "mediaeval.xml", "label-studio.json", "cvat.xml", "eaf", "scores.npz", "predict.json",
    }  # fmt: skip
    before = digests(folder)
    again = told(predict("new", "--json"))
    assert [v["state"] for v in again["videos"]] == ["kept"]
    assert again["times_real_time"] is None
    assert digests(folder) == before
    (folder / "c.eaf").unlink()
    assert [v["state"] for v in told(predict("new", "--json"))["videos"]] == ["done"]
    assert digests(folder) == before
    other = told(predict("new", "--rule", "vote", "--json"))
    assert [v["state"] for v in other["videos"]] == ["done"]
    assert json.loads((folder / "c.predict.json").read_text())["rule"] == "vote"


def test_a_file_that_a_person_corrected_is_not_replaced(place: Path, predict: Predict) -> None:
    predict("new")
    path = place / "run" / "predict" / "c" / "c.cvat.xml"
    path.write_text(path.read_text() + "<!-- mine -->")
    mine = path.read_text()
    predict("new")  # kept
    done = predict("new", "--rule", "average", code=1)
    assert "c.cvat.xml: was not written by ttprep, or changed since" in done.stderr
    assert path.read_text() == mine


def test_a_broken_video_is_one_line_and_the_others_go_on(place: Path, predict: Predict) -> None:
    whole = (place / "new" / "c.mp4").read_bytes()
    (place / "new" / "b.mp4").write_bytes(whole[: len(whole) // 2])
    done = predict("new", code=3)
    assert sum("b.mp4" in line for line in done.stderr.splitlines()) == 1
    assert "Traceback" not in done.output
    assert (place / "run" / "predict" / "c" / "c.csv").exists()
    assert "c.mp4" in done.stdout


def test_a_video_shorter_than_a_window(place: Path, predict: Predict) -> None:
    write_video(place / "short.mp4", 5, seed=3)
    (video,) = told(predict("short.mp4", "--json"))["videos"]
    assert video["frames"] == 5


@pytest.mark.parametrize("fps", [240, 100])
def test_another_rate_is_resampled_and_counted_in_the_videos_own_frames(
    place: Path, predict: Predict, fps: int
) -> None:
    write_video(place / "fast.mp4", fps // 2, seed=7, fps=fps)
    done = told(predict("fast.mp4", "--shortest", "1", "--gauss-window", "3", "--json"))
    (video,) = done["videos"]
    assert video["resampled"]
    assert video["frames"] == fps // 2
    assert any(f"{fps} frames/s are taken at 120/s" in note for note in done["notes"])
    with np.load(place / "run" / "predict" / "fast" / "fast.scores.npz") as file:
        pictures = file["picture"]
    nearest = np.minimum(np.arange(60) * fps / 120, fps // 2 - 1)
    np.testing.assert_allclose(pictures, nearest, atol=0.51)
    for stroke in video["strokes"]:
        assert 0 <= stroke["begin"] < stroke["end"] <= fps // 2
        assert stroke["begin_seconds"] == pytest.approx(stroke["begin"] / fps, abs=1e-5)


def test_far_fewer_frames_a_second_are_refused_with_the_limit(place: Path, predict: Predict) -> None:
    write_video(place / "slow.mp4", 30, fps=30)
    done = predict("slow.mp4", "new", code=3)
    (rate, other) = Says(
        "nothing moves between a picture and its repetition; film at {} frames/s or more, or train a network "
        "on videos of {}"
    ).of(done.stderr)
    assert (rate, other) == ("96", "30")
    write_video(place / "slow.mp4", 48, fps=int(rate))
    predict("slow.mp4", "new")


def test_an_output_that_is_a_file(place: Path, predict: Predict) -> None:
    (place / "out").write_text("mine")
    done = predict("new", "-o", "out", code=1)
    Says("{}: is a file; name a folder for the predictions").of(done.stderr)
    predict("new", "-o", "folder")
    assert (place / "folder" / "predictions.csv").exists()


@pytest.mark.parametrize(
    ("stage", "says"),
    [
        ("frames", Says("; install the ttprep that made its dataset, or export that again and train on it")),
        ("cuboids", Says("says no length of cuboids; export its dataset again and train on it")),
    ],
)
def test_a_record_that_no_stage_takes(
    trained: Path, place: Path, predict: Predict, stage: str, says: Says
) -> None:
    def odd(data: dict[str, Any]) -> None:
        data["stages"][stage] = {"nonsense": 1}

    change(place / "run", odd)
    says.of(predict("new", code=1).stderr)
    shutil.rmtree(place / "run")
    shutil.copytree(trained / "run", place / "run")  # trained again on a new export
    predict("new")


def test_parameters_are_the_runs_own_not_todays(place: Path, predict: Predict) -> None:
    (place / "data_manifest.yaml").write_text(
        "stages: {frames: {width: 32, height: 32}}\nmodalities: [rgb]\n"
    )
    (video,) = told(predict("new", "--json"))["videos"]
    assert video["state"] == "done"
    record = read_run(place / "run")
    assert record.data.stages["frames"]["width"] == 64
    assert record.data.stage_versions["frames"] >= 3


def test_a_changed_stage_is_said(place: Path, predict: Predict) -> None:
    def older(data: dict[str, Any]) -> None:
        data["stage_versions"]["flow"] = 99

    change(place / "run", older)
    done = predict("new")
    assert "stages have changed since run was trained (flow 99 →" in done.stderr


def change(run: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """Rewrite run.json."""
    value = dict(atomic.read_checked_json(run / "run.json"))
    edit(value["data"])
    atomic.write_checked_json(run / "run.json", value)


def forget(data: dict[str, Any]) -> None:
    """Leave out what runs of earlier versions do not have."""
    for name in ("stages", "stage_versions", "rates"):
        data.pop(name)


def test_an_old_run_is_read_from_its_dataset_and_says_when_that_is_gone(
    trained: Path, place: Path, predict: Predict
) -> None:
    new = read_needs(place / "run")
    change(place / "run", forget)
    old = read_needs(place / "run")
    assert (old.stages, old.rates, old.length) == (new.stages, new.rates, new.length)
    assert new.rates == (120.0,)

    def gone(data: dict[str, Any]) -> None:
        data["path"] = str(place / "gone.h5")

    change(place / "run", gone)
    assert trained_rates(read_run(place / "run")) == ()
    done = predict("new", code=1)
    assert "did not record how its dataset was made, and" in done.stderr
    advice = Says(
        "put that file back, or train again on a new export: `tttrain fit DATASET.h5 {}-new --model {}`"
    )
    assert advice.of(done.stderr) == ("run", "twin")
    shutil.copy(trained / "d.h5", place / "gone.h5")
    predict("new")


def test_detect_says_that_a_video_has_another_rate(trained: Path, place: Path) -> None:
    def slower(data: dict[str, Any]) -> None:
        data["rates"] = [25.0]

    change(place / "run", slower)
    done = call("detect", place / "run", "--dataset", trained / "d.h5", "--threads", "1")
    (line,) = [line for line in done.stderr.splitlines() if "was trained at 25" in line]
    assert "videos/a.mp4 has 120 frames/s (and 1 more videos)" in line


def test_rates(trained: Path) -> None:
    needs = read_needs(trained / "run")
    assert is_usual(119.88, (120.0,))
    assert is_usual(50.0, ())
    assert not is_usual(60.0, (120.0,))
    assert steps_for("v", 119.88, False, needs) is None
    assert steps_for("v", 119.88, True, needs) == 120
    assert steps_for("v", 0.0, False, needs) is None
    two = replace(needs, rates=(30.0, 60.0))
    assert steps_for("v", 50.0, False, two) == 30
    assert steps_for("v", 25.0, False, two) == 30
    assert steps_for("v", 240.0, False, two) == 60
    with pytest.raises(UserError, match="film at 24 frames/s or more"):
        steps_for("v", 30 * LEAST - 0.1, False, two)


def test_intervals_of_rows_are_frames_of_the_source() -> None:
    facts = VideoFacts(10, Fraction(50))
    slower = Clock(np.array([0, 2, 4, 6, 8]), 25.0, facts)
    assert slower.resampled
    assert slower.interval(1, 3) == (2, 6)
    assert slower.interval(3, 5) == (6, 10)
    faster = Clock(np.array([0, 0, 1, 1, 2]), 100.0, VideoFacts(3, Fraction(50)))
    assert faster.interval(0, 1) == (0, 1)
    assert not Clock(np.arange(10), 50.0, facts).resampled


def test_without_torch_a_line_says_what_to_install(place: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; from pipeline.cli.main import main; "
        "main(['predict', 'run', 'new'])"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=place, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == (
        'error: predict needs torch, which is not here; `pip install "ttprep[train]"` installs it\n'
    )

"""Flags as a user meets them: in `status`, in `run`, in the card, and in what `export` leaves out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.inputs.manifest import Manifest
from tests.conftest import encode, scene
from tests.pipeline.cli.conftest import Ttprep
from tests.support.command_line import stage_files
from tests.support.projects import export_here, manifest_in, run_here, write_actions

SIZE = (192, 108)
N = 45
STAGES = {"frames": {"width": SIZE[0], "height": SIZE[1]}, "quality": {"crop_width": 24, "crop_height": 24}}
CLEANING = {"min_seconds": 0.05, "max_seconds": 10, "negatives": {"min_actions": 9}}
TWO = [(2, 20, "Up"), (24, 44, "Down")]
ACTIONS = {"fine": TWO, "half": TWO, "twin": [(2, 20, "Up")]}


def hall(n: int, seed: int = 0, speed: float = 1.0) -> Iterator[NDArray[np.uint8]]:
    """Shapes that wander over a background that is sharp, and one that swings."""
    coarse = np.random.default_rng(seed).integers(-30, 30, (SIZE[1] // 2, SIZE[0] // 2, 1))
    grain = np.kron(coarse, np.ones((2, 2, 1)))
    for t, frame in enumerate(scene(n, SIZE, seed=seed, noise=1, speed=speed)):
        x, y = 90 + 60 * np.sin((seed + 1) * t * speed / 19) ** 3, 55 + 30 * np.cos(t * speed / (5 + seed))
        cv2.circle(frame, (int(x), int(y)), 10, (250, 90, 30), -1)
        yield np.clip(frame + grain, 0, 255).astype(np.uint8)


def shaken(frames: Iterator[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    for t, frame in enumerate(frames):
        move = np.array([[1, 0, 3 * np.sin(t)], [0, 1, 2 * np.cos(1.7 * t)]])
        yield np.asarray(cv2.warpAffine(frame, move, SIZE, borderMode=cv2.BORDER_REFLECT), np.uint8)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("quality")
    (folder / "videos").mkdir()

    def write(name: str, frames: Any, **options: Any) -> None:
        encode(folder / "videos" / f"{name}.mp4", frames, **{"fps": 30, "options": {"crf": "18"}, **options})

    fine = list(hall(N))
    write("fine", fine)
    write("twin", [np.asarray(cv2.resize(f, (160, 90)), np.uint8) for f in fine[4:]], options={"crf": "30"})
    write("other", hall(N, 5))
    write("black", [np.zeros_like(fine[0])] * N)
    write("shaken", shaken(hall(N, 2)))
    write("slow", [f for f in hall(15, 3, 3) for _ in range(3)])
    write("half", fine[:22] + [f // 6 for f in hall(N - 22, 4)])
    for name, found in ACTIONS.items():
        write_actions(folder / "annotations" / f"{name}.xml", found)
    manifest = manifest_in(folder, stages=STAGES, cleaning=CLEANING, dataset="dataset.h5")
    assert run_here(manifest).code == 0
    return manifest


def flags(ttprep: Ttprep, folder: Path) -> dict[str, list[str]]:
    found = json.loads(ttprep("status", "--json", folder=folder).stdout)["flags"]["videos"]
    return {Path(name).stem: [f["flag"] for f in own] for name, own in found.items()}


def test_each_video_is_flagged_for_what_is_wrong_with_it(made: Manifest, ttprep: Ttprep) -> None:
    assert flags(ttprep, made.folder) == {
        "fine": [],
        "other": [],
        "black": ["black"],
        "shaken": ["camera-moves"],
        "slow": ["repeated-pictures"],
        "half": [],  # light is a median; its samples tell
        "twin": ["copy-of"],
    }


def test_status_says_what_is_seen_and_what_to_do(made: Manifest, ttprep: Ttprep) -> None:
    out = ttprep("status", folder=made.folder).stdout
    assert "flag: videos/shaken.mp4: camera-moves: the camera moves in " in out
    assert "put it on a tripod" in out
    assert "flag: videos/twin.mp4: copy-of: it shows what videos/fine.mp4 shows (correlation " in out
    assert "`ttprep export --without-flagged` leaves them out" in out


def test_a_sample_is_judged_by_its_own_frames(made: Manifest, ttprep: Ttprep) -> None:
    found = json.loads(ttprep("status", "--json", folder=made.folder).stdout)["flags"]["samples"]
    by_name = {(Path(s["video"]).stem, s["begin"]): [f["flag"] for f in s["flags"]] for s in found}
    assert "dark" in by_name["half", 24]
    assert "dark" not in by_name.get(("half", 2), [])
    assert by_name["twin", 2] == ["copy-of"]
    assert not any(name == "fine" for name, _ in by_name)


def test_a_limit_computes_nothing(made: Manifest, ttprep: Ttprep, tmp_path: Path) -> None:
    shutil.copytree(made.folder, tmp_path / "p", copy_function=shutil.copy2)
    manifest_in(
        tmp_path / "p",
        stages=STAGES,
        cleaning=CLEANING,
        quality={"camera_moves": None, "copy_of": None, "dark": 200},
    )
    assert ttprep("plan", folder=tmp_path / "p").exit_code == 0
    found = flags(ttprep, tmp_path / "p")
    assert found["shaken"] == found["fine"] == ["dark"]


def test_export_leaves_out_what_is_flagged_and_says_so(
    made: Manifest, ttprep: Ttprep, tmp_path: Path
) -> None:
    kept = ttprep("export", tmp_path / "all.h5", folder=made.folder)
    assert "5 samples, " in kept.stdout
    assert " flagged (" in kept.stdout
    less = ttprep("export", tmp_path / "less.h5", "--without-flagged")
    value = json.loads(ttprep("export", tmp_path / "less.h5", "--without-flagged", "--json").stdout)
    out = 5 - value["samples"]
    assert 2 <= out <= 3
    assert f"{out} left out for their flags (" in less.stdout
    assert not value["made"]
    card = (tmp_path / "less.md").read_text()
    assert f"{out} samples were left out:" in card
    assert "- videos/shaken.mp4: camera-moves: " in card
    assert "- dark (1): videos/half.mp4 24–44" in card
    assert "samples in this dataset are flagged:" in (tmp_path / "all.md").read_text()


def test_the_manifest_may_leave_flagged_samples_out(made: Manifest, tmp_path: Path) -> None:
    changed = made.model_copy(update={"quality": made.quality.model_copy(update={"without_flagged": True})})
    less = export_here(changed, tmp_path / "less.h5").samples
    assert less < export_here(changed, tmp_path / "all.h5", without_flagged=False).samples == 5


def test_where_all_is_flagged_nothing_is_exported(made: Manifest, ttprep: Ttprep, tmp_path: Path) -> None:
    shutil.copytree(made.folder, tmp_path / "p", copy_function=shutil.copy2)
    manifest_in(tmp_path / "p", stages=STAGES, cleaning=CLEANING, quality={"dark": 255})
    done = ttprep("export", "x.h5", "--without-flagged", folder=tmp_path / "p")
    assert done.exit_code == 1
    assert "no sample to export: 5 left out for their flags (5 dark" in done.stderr
    assert ttprep("export", "x.h5", folder=tmp_path / "p").exit_code == 0


def test_a_store_without_quality_is_measured_and_nothing_else_is_touched(
    made: Manifest, ttprep: Ttprep, tmp_path: Path
) -> None:
    """A dataset file does not change because quality is known; its card does where something is flagged."""
    folder = tmp_path / "p"
    shutil.copytree(made.folder, folder, copy_function=shutil.copy2)
    for name in ("dataset.h5", "dataset.md", "dataset.receipt.json"):
        (folder / name).unlink()
    for path in (folder / "store").rglob("quality-*"):
        path.unlink()
    manifest_in(folder, stages=STAGES, cleaning=CLEANING, dataset="dataset.h5", quality=False)
    assert ttprep("plan", folder=folder).exit_code == 0
    assert ttprep("run", "--workers", "0", folder=folder).exit_code == 0
    before, files = (folder / "dataset.h5").stat(), stage_files(folder / "store")
    card = (folder / "dataset.md").read_text()
    assert "## Quality" not in card
    assert ttprep("status", folder=folder).stdout.count("flag: ") == 0

    manifest_in(folder, stages=STAGES, cleaning=CLEANING, dataset="dataset.h5")
    assert ttprep("export", "other.h5", folder=folder).exit_code == 0  # it does not wait for quality
    to_do = json.loads(ttprep("plan", "--json", folder=folder).stdout)["to_do"]
    assert {(p["stage"], p["reasons"][0]["kind"]) for p in to_do} == {("quality", "new")}
    assert len(to_do) == 7
    assert ttprep("run", "--workers", "0", folder=folder).exit_code == 0
    now = stage_files(folder / "store")
    assert files.items() <= now.items()
    assert {Path(p).name.split("-")[0] for p in now.keys() - files.keys()} == {"quality"}
    after = (folder / "dataset.h5").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert "## Quality" in (folder / "dataset.md").read_text()


def test_the_report_shows_flags(made: Manifest, ttprep: Ttprep, tmp_path: Path) -> None:
    assert ttprep("report", "-o", tmp_path / "r", "--film-frames", "0", folder=made.folder).exit_code == 0
    index = (tmp_path / "r" / "index.html").read_text()
    assert "<b>camera-moves</b>: the camera moves in " in index
    assert "Samples: " in index
    pages = [p.read_text() for p in (tmp_path / "r" / "videos").glob("*.html")]
    assert sum("<h2>Flags</h2>" in page for page in pages) == 4

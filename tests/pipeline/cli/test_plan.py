"""`ttprep plan`: a summary by stage and reason, what it costs, which T suits the frame rate."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from pipeline.inputs.manifest import Manifest
from tests.pipeline.cli.conftest import NAMES, Ttprep
from tests.support.projects import TINY, manifest_in, write_video


def test_a_parameter_is_one_line_a_stage(made: Manifest, ttprep: Ttprep, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(made.folder, folder)
    manifest_in(folder, stages={"flow": {"n_outer": 2, "n_sor": 2, "min_width": 20}})
    done = ttprep("plan", folder=folder)
    assert done.exit_code == 4
    lines = [line for line in done.stdout.splitlines() if "flow.n_outer: 1 → 2" in line]
    assert [line.split("│")[1].strip() for line in lines] == [
        "flow",
        "statistics",
        "roi",
        "cuboids",
        "quality",
    ]
    assert [int(line.split("│")[2]) for line in lines] == [3, 3, 3, 1, 3]
    assert all(name not in done.stdout for name in NAMES[:1])
    assert NAMES[0] in ttprep("plan", "--verbose", folder=folder).stdout

    expected = json.loads(ttprep("plan", "--json", folder=folder).stdout)["estimate"]
    assert [s["stage"] for s in expected["stages"]] == ["flow", "statistics", "roi", "cuboids", "quality"]
    assert expected["unknown"] == []
    # as much as the results that are there have cost: same videos, same lengths
    receipts = [json.loads(p.read_text()) for p in (folder / "store/videos").rglob("*.json")]
    core = {
        r["key"]: r["run"]["core_s"]
        for r in receipts
        if r.get("stage") in ("flow", "roi", "statistics", "quality")
    }
    made_before = sum(s["core_s"] for s in expected["stages"] if s["stage"] != "cuboids")
    assert 0.9 * sum(core.values()) < made_before < 1.1 * sum(core.values())
    assert "core-seconds" in done.stdout
    assert "MB of disk" in done.stdout


def test_what_nothing_tells_is_unknown(made: Manifest, ttprep: Ttprep) -> None:
    done = ttprep("plan", "--store", "nowhere", folder=made.folder)
    assert "expected time and disk: unknown" in done.stdout


def test_an_uncounted_video_is_estimated_by_its_container(
    made: Manifest, ttprep: Ttprep, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(made.folder, folder)
    write_video(folder / "videos" / "new.mp4", 80, 9).rename(folder / "videos" / "new:1.mp4")
    found = json.loads(ttprep("plan", "--json", folder=folder).stdout)["estimate"]
    frames = next(s for s in found["stages"] if s["stage"] == "frames")
    before = json.loads(ttprep("status", "--json", folder=folder).stdout)["videos"]
    size = sum(v["results"]["frames"]["bytes"] for v in before if v["frames"])
    assert abs(frames["size"] - size * 80 / 120) < 2


def test_few_frames_a_second_call_for_a_shorter_window(ttprep: Ttprep, tmp_path: Path) -> None:
    write_video(tmp_path / "videos" / "phone.mp4", 12, fps=30)
    stages = {**TINY["stages"], "cuboids": {"crop_width": 24, "crop_height": 24, "length": 100}}
    manifest_in(tmp_path, stages=stages, annotations=[])
    note = ttprep("plan", folder=tmp_path).stderr
    assert "T = 100 frames last 3.3 s at 30 frames/s (videos/phone.mp4)" in note
    assert "`stages: {cuboids: {length: 25}}`" in note
    stages["cuboids"]["length"] = 25
    manifest_in(tmp_path, stages=stages, annotations=[])
    assert "T =" not in ttprep("plan", folder=tmp_path).stderr

"""`ttprep path` and `ttprep table`: where a result lies, and tracks as CSV, equal to what the store holds."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  (registers the filters)
import numpy as np
import pytest

from pipeline.inputs.manifest import Manifest
from tests.pipeline.cli.conftest import NAMES, Ttprep
from tests.support.projects import manifest_in


def test_path_by_path_name_and_id(made: Manifest, ttprep: Ttprep) -> None:
    first = ttprep("path", "videos/b.mp4", "roi", folder=made.folder)
    assert first.exit_code == 0
    place = Path(first.stdout.strip())
    with h5py.File(place) as file:
        assert file["centre"].shape == (40, 2)
    told = json.loads(ttprep("path", "b", "roi", "--json", folder=made.folder).stdout)
    assert Path(told["path"]) == place
    for word in ("b.mp4", "b", told["sha256"][:16]):
        assert Path(ttprep("path", word, "roi").stdout.strip()) == place


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("d.mp4", "roi"), "did you mean c.mp4 or b.mp4?"),
        (("b", "roy"), "roy"),
        (("b", "untrimmed"), "`ttprep run --stage untrimmed` makes it"),
    ],
)
def test_what_has_no_path_is_one_line(
    made: Manifest, ttprep: Ttprep, words: tuple[str, str], said: str
) -> None:
    done = ttprep("path", *words, folder=made.folder)
    assert done.exit_code in (1, 2)
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_track_is_what_the_store_holds(made: Manifest, ttprep: Ttprep) -> None:
    table = read(ttprep("table", "roi", "b", folder=made.folder).stdout)
    with h5py.File(ttprep("path", "b", "roi").stdout.strip()) as file:
        held = np.hstack([file["centre"][()], file["raw"][()]])
    names = ("centre_x_px", "centre_y_px", "raw_x_px", "raw_y_px")
    told = np.array([[row[n] for n in names] for row in table], np.float32)
    assert (told == held).all()
    with h5py.File(ttprep("path", "b", "frames").stdout.strip()) as file:
        assert np.allclose([float(row["time_s"]) for row in table], file["time"][()], atol=1e-6)
    assert [int(row["frame"]) for row in table] == list(range(40))
    assert {row["video"] for row in table} == {"videos/b.mp4"}


def test_all_videos_go_into_one_file(made: Manifest, ttprep: Ttprep, tmp_path: Path) -> None:
    done = ttprep("table", "statistics", "-o", tmp_path / "s.csv", folder=made.folder)
    assert done.stdout.strip() == str(tmp_path / "s.csv")
    table = read((tmp_path / "s.csv").read_text())
    assert [row["video"] for row in table] == [f"videos/{n}.mp4" for n in NAMES for _ in range(39)]
    assert max(float(row["flow_max_x_px"]) for row in table) > 0


def test_a_missing_track_is_named_and_the_others_written(
    made: Manifest, ttprep: Ttprep, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(made.folder, folder)
    Path(ttprep("path", "b", "roi", folder=folder).stdout.strip()).unlink()
    done = ttprep("table", "roi", folder=folder)
    assert done.exit_code == 3
    assert "left out: videos/b.mp4: roi is" in done.stderr
    assert {Path(r["video"]).stem for r in read(done.stdout)} == {NAMES[0], "c"}
    assert ttprep("table", "descriptor", folder=folder).exit_code == 1
    assert "choose one of these suffixes" in ttprep("table", "roi", "-o", "x.xlsx", folder=folder).stderr


def test_parquet_has_types_or_says_what_it_needs(made: Manifest, ttprep: Ttprep, tmp_path: Path) -> None:
    done = ttprep("table", "roi", "-o", tmp_path / "r.parquet", folder=made.folder)
    try:
        import pyarrow.parquet
    except ImportError:
        assert (done.exit_code, "pip install pyarrow" in done.stderr) == (2, True)
        assert list(tmp_path.iterdir()) == []
        return
    table = pyarrow.parquet.read_table(tmp_path / "r.parquet")
    assert (table.num_rows, str(table.schema.field("frame").type)) == (120, "int32")
    assert str(table.schema.field("centre_x_px").type) == "double"


def test_joints_have_units_and_people_rows(
    pose_weights: Path, ttprep: Ttprep, tmp_path: Path, shared: Path
) -> None:
    clip = next(iter(sorted((shared / "videos").glob("*.mp4"))), None)
    if clip is None:
        pytest.skip("TTPREP_SHARED holds no videos")
    import av

    from tests.conftest import encode

    with av.open(str(clip)) as film:
        frames = [f.to_ndarray(format="rgb24") for f, _ in zip(film.decode(video=0), range(3), strict=False)]
    (tmp_path / "videos").mkdir()
    encode(tmp_path / "videos" / "v.mp4", [f[: len(f) // 2 * 2, : f.shape[1] // 2 * 2] for f in frames])
    manifest_in(tmp_path, modalities=["rgb", "pose"], annotations=[], stages={"frames": {}})
    assert ttprep("run", "--workers", 0, "--stage", "descriptor", folder=tmp_path).exit_code == 0
    joints = read(ttprep("table", "descriptor").stdout)
    assert len(joints) == 3
    assert {"pose_x_px", "right_wrist_score", "roi_distance_px"} <= joints[0].keys()
    people = read(ttprep("table", "pose").stdout)
    assert sum(int(row["n_poses"]) for row in joints) == len(people)


def test_gc_names_the_videos(made: Manifest, ttprep: Ttprep, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(made.folder, folder)
    import os

    for video in (folder / "videos").iterdir():  # younger files are hashed each time, and not noted
        os.utime(video, (0, video.stat().st_mtime - 100))
    manifest_in(folder, stages={"flow": {"n_outer": 2, "n_sor": 2, "min_width": 20}})
    found = json.loads(ttprep("gc", "--dry-run", "--json", folder=folder).stdout)["files"]
    assert {Path(f["video"]).stem for f in found} == set(NAMES)
    text = ttprep("gc", "--dry-run", folder=folder).stdout
    assert "b.mp4" in text

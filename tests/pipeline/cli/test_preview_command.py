"""`ttprep preview` on one video and on a folder of them."""

from __future__ import annotations

from pathlib import Path

from pipeline.inputs.manifest import Manifest
from tests.pipeline.cli.conftest import NAMES, Ttprep


def test_a_folder_gives_a_picture_of_each_video(made: Manifest, ttprep: Ttprep, tmp_path: Path) -> None:
    done = ttprep("preview", "videos", "-o", tmp_path / "out", "--width", 400, folder=made.folder)
    assert done.exit_code == 0
    assert {p.stem for p in (tmp_path / "out").iterdir()} == set(NAMES)
    assert done.stdout.count(".png") == 3


def test_one_file_for_several_videos_is_refused(made: Manifest, ttprep: Ttprep, tmp_path: Path) -> None:
    done = ttprep("preview", "videos", "-o", tmp_path / "a.png", folder=made.folder)
    assert (done.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert "holds 3 videos; name one of them, or give -o a folder" in done.stderr

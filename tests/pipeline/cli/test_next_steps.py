"""What to do next is said once, on stderr, and works as it is written."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from pipeline.inputs.manifest import read_manifest
from tests.pipeline.cli.conftest import Ttprep
from tests.support.projects import manifest_in, write_video


def test_after_init_run_and_export(ttprep: Ttprep, tmp_path: Path) -> None:
    said = ttprep("init", "my files.yaml", folder=tmp_path).stderr
    assert "`ttprep plan --manifest 'my files.yaml'`" in said
    assert read_manifest(tmp_path / "my files.yaml")
    assert "`ttprep plan` and `ttprep run`" in ttprep("init").stderr

    video = write_video(tmp_path / "videos" / "a clip.mp4", 30)
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "a clip.csv").write_text("begin,end,label\n5,20,Up\n")
    manifest_in(tmp_path, annotations=[])
    words = ("run", "--workers", "0")
    (line,) = [s for s in ttprep(*words).stderr.splitlines() if s.startswith("next: ")]
    command = re.findall(r"`(.*?)`", line)[0]
    assert ttprep(*shlex.split(command)[1:]).exit_code == 0
    assert (tmp_path / "preview.png").exists()
    assert "next:" not in ttprep(*words, "--quiet").output
    assert "next:" not in ttprep(*words, "--json").output

    manifest_in(tmp_path, dataset="data set.h5")
    assert "tttrain fit" in ttprep(*words).stderr
    assert "`tttrain fit 'd 1.h5' RUN --model NAME`" in ttprep("export", "d 1.h5").stderr
    assert "next:" not in ttprep("export", "d 1.h5", "--json").output

    (tmp_path / "videos" / "bad.mp4").write_bytes(b"?")
    assert "next: mend what failed and run again" in ttprep(*words).stderr
    assert video.exists()

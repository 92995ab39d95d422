"""What is said where quality leaves nothing, followed as it is written."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.main import main
from tests.remedies.following import Case, Says, call, check, manifest
from tests.support.projects import TINY, write_actions, write_video


def limits(**quality: Any) -> None:
    Path("annotations").mkdir(exist_ok=True)
    manifest(**{**TINY, "quality": quality})


def test_limits_that_leave_no_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(Path("videos/a.mp4"), 30)
    write_actions(Path("annotations/a.xml"), [(2, 20, "Up")])
    limits(dark=255)
    assert call(main, "run", "--workers", "0")[0] == 0
    words = ("export", "d.h5", "--without-flagged")
    says = Says(
        "`ttprep status` says what is wrong with the videos, and `quality:` in the manifest sets the limits"
    )
    check(main, Case(words, says, follow=partial(limits, dark=30)))
    assert "flag: " not in call(main, "status")[1]


def test_a_copy_is_taken_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("a", "b")):
        write_video(Path(f"videos/{name}.mp4"), 40, seed)
    data = Path("videos/a.mp4").read_bytes()
    Path("videos/c.mp4").write_bytes(data + b"\0\0\0\x08free")  # an empty box: the same pictures
    limits()
    code, text = call(main, "run", "--workers", "0")
    assert code == 0, text
    says = Says("keep one of them: in training and in test the same strokes tell nothing")
    says.of(call(main, "status")[1])
    assert "videos/c.mp4: copy-of: it shows what videos/a.mp4 shows" in call(main, "status")[1]
    Path("videos/c.mp4").unlink()
    assert "copy-of" not in call(main, "status")[1]

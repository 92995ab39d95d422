"""A project of forehand and backhand loops with true joints, one of them with the hand held higher."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipeline.comparing.trials import FPS, plan_of, write_project
from ttdemo import Change

FORE, BACK = "Offensive Forehand Loop", "Offensive Backhand Loop"
#: trials fore1 … fore7, the last with a fault, and back1 … back4
FAULTY = "fore7"


@pytest.fixture(scope="session")
def loops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not yet processed; what a test makes the others use again."""
    folder = tmp_path_factory.mktemp("loops")
    fore = plan_of([FORE] * 7, 3, [Change()] * 6 + [Change(hand=0.25)], fps=FPS)
    clips = {"fore": fore, "back": plan_of([BACK] * 4, 3, fps=FPS)}
    write_project(folder, clips, {"fore": "Left", "back": "Right"})
    return folder

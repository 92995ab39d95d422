"""What is said where strokes cannot be compared, followed as it is written."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest
import yaml

from pipeline.cli.main import main
from tests.pipeline.comparing.trials import plan_of, write_project
from tests.remedies.following import Case, Says, call, check

NO_PAGE = ("--no-page", "--workers", "0")
OUTLIERS = ("outliers", "--workers", "0")


def relabelled(**labels: str) -> None:
    """Write the labels of some trials alone: ``fore1="Left"``."""
    rows = [f"{trial},{label}," for trial, label in labels.items()]
    Path("labels.csv").write_text("\n".join(["file,label,player", *rows]) + "\n")


def restored() -> None:
    shutil.copy("all.csv", "labels.csv")


def ask(*_: object) -> None:
    _code, text = call(main, "plan", "--verbose")
    assert "Up" in text, text
    restored()


def namesake() -> None:
    """Give another source a trial of the same name."""
    shutil.copytree("trials/fore2", "more/fore1")
    Path("more.csv").write_text("file,label\nfore1,Left\n")
    value = yaml.safe_load(Path("data_manifest.yaml").read_text())
    value["sources"].append({**value["sources"][0], "path": "more", "labels": "more.csv"})
    shutil.rmtree("trials/fore2")
    Path("data_manifest.yaml").write_text(yaml.safe_dump(value))
    relabelled(fore1="Left", fore3="Left", fore4="Left")


CASES = {
    "a name that is like no other": Case(
        ("compare", "zzz", "--with", "fore1", *NO_PAGE),
        Says("name one as VIDEO:BEGIN-END, e.g. {}"),
        lambda name: ("compare", name, "--with", "fore1", *NO_PAGE),
    ),
    "a name that is like another": Case(
        ("compare", "fore1x", "--with", "fore3", *NO_PAGE),
        Says("did you mean {}?"),
        lambda names: ("compare", names.split(" or ")[0], "--with", "fore3", *NO_PAGE),
    ),
    "a name of two": Case(
        ("compare", "fore1", "--with", "fore3", *NO_PAGE),
        Says("{} strokes are called so; choose one of {}"),
        lambda _, names: ("compare", names.split(", ")[0], "--with", "fore3", *NO_PAGE),
        prepare=namesake,
    ),
    "the only one of its class": Case(
        ("compare", "back1", *NO_PAGE),
        Says("to compare it with; name references by --with VIDEO:BEGIN-END or {} class:NAME"),
        lambda option: ("compare", "back1", option, "class:Left", *NO_PAGE),
    ),
    "nobody was seen": Case(
        ("compare", "blind1", "--with", "fore1", *NO_PAGE),
        Says("no joint was seen, so nothing can be compared; choose another stroke"),
        ("compare", "fore2", "--with", "fore1", *NO_PAGE),
    ),
    "nobody was seen in the references": Case(
        ("compare", "fore1", "--with", "blind1", *NO_PAGE),
        Says("in none of the references a joint was seen; choose others by --with"),
        ("compare", "fore1", "--with", "fore2", *NO_PAGE),
    ),
    "no stroke": Case(
        OUTLIERS,
        Says("there is no stroke to compare: no label of these videos was kept; `ttprep plan --verbose` says "
             "what became of them"),
        follow=ask,
        prepare=partial(relabelled, fore1="Up", fore2="Up", fore3="Up", fore4="Up", back1="Up", blind1="Up"),
    ),
    "too few of each class": Case(
        OUTLIERS,
        Says("no class has {} strokes in which somebody was seen; name more videos in the manifest"),
        follow=lambda *_: restored(),
        prepare=partial(relabelled, fore1="Left", fore2="Left", back1="Right"),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four forehands, a backhand, and a trial in which nobody is seen; processed."""
    folder = tmp_path_factory.mktemp("played")
    loops = {
        "fore": "Offensive Forehand Loop",
        "back": "Offensive Backhand Loop",
        "blind": "Offensive Forehand Loop",
    }
    clips = {name: plan_of([move] * (4 if name == "fore" else 1), 3, fps=25) for name, move in loops.items()}
    write_project(folder, clips, {"fore": "Left", "back": "Right", "blind": "Left"}, blind=("blind",))
    shutil.copy(folder / "labels.csv", folder / "all.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        code, text = call(main, "outliers", "--workers", "0")
        assert code == 0, text
    return folder


@pytest.mark.parametrize("name", CASES)
def test_remedies(name: str, played: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(played, tmp_path, dirs_exist_ok=True, copy_function=shutil.copy2)
    check(main, CASES[name])

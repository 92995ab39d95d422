"""What the README shows can be typed: every command line of it is one that the programs understand."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any

import click
import pytest

from tests.support import ROOT

README = ROOT / "README.md"


def lines(program: str) -> list[list[str]]:
    """Command lines of a program in the README's shell blocks, without what goes before them."""
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    text = "\n".join(blocks).replace("\\\n", " ")
    found = re.findall(rf"^(?:.*&& )?(?:\S*/)?{program} (.*)$", text, re.MULTILINE)
    return [shlex.split(line, comments=True) for line in found]


def understood(main: click.Group, words: Sequence[str]) -> dict[str, Any]:
    command = main.get_command(click.Context(main), words[0])
    assert command is not None, words
    with command.make_context(words[0], list(words[1:])) as context:
        return context.params


def test_the_commands_of_ttprep() -> None:
    from pipeline.cli.main import main

    shown = lines("ttprep")
    assert len(shown) > 8
    for words in shown:
        understood(main, words)


def test_the_commands_of_tttrain() -> None:
    pytest.importorskip("torch", reason="tttrain needs the extra `train`")
    from tttrain.cli.main import main

    shown = [words[0] for words in lines("tttrain")]
    assert shown == ["fit", "evaluate"]
    for words in lines("tttrain"):
        understood(main, words)


def test_it_is_short() -> None:
    """It had 1172 words when the site took over what else there is to say."""
    assert len(README.read_text(encoding="utf-8").split()) <= 1172 / 2


def test_its_two_commands() -> None:
    """One line each: install and do the main job, install and pass the tests."""
    begin = "python3 -m venv .venv && .venv/bin/pip install "
    shown = [line for line in README.read_text(encoding="utf-8").split("\n") if line.startswith(begin)]
    assert [line.removeprefix(begin) for line in shown] == [
        ". && .venv/bin/ttprep demo",
        '-e ".[test]" && .venv/bin/pytest',
    ]


def test_the_command_of_each_paper() -> None:
    pytest.importorskip("torch", reason="tttrain needs the extra `train`")
    from tttrain.cli.main import main

    papers = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
    commands = re.findall(r"\| `tttrain (fit [^`]*)` \|", papers)
    assert len(commands) == 5
    for command in commands:
        understood(main, shlex.split(command))


def test_its_pictures_and_pages_are_there() -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", README.read_text(encoding="utf-8"))
    assert len(targets) > 10
    missing = [t for t in targets if "://" not in t and not (README.parent / t).exists()]
    assert not missing

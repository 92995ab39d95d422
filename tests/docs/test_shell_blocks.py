"""What a page shows in its shell blocks is understood by the programs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from tests.support import ROOT

PAGES = [
    path
    for path in sorted((ROOT / "docs").rglob("*.md"))
    if re.search(r"^ttprep |^tttrain ", path.read_text(encoding="utf-8"), re.MULTILINE)
]


def commands(page: Path) -> list[list[str]]:
    """Command lines of our programs in a page's shell blocks, without what the shell makes of the rest."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    text = "\n".join(block for language, block in blocks if language in ("", "sh", "console"))
    lines = text.replace("\\\n", " ").split("\n")
    ours = [line for line in lines if re.match(r"(ttprep|tttrain) (?!\W*$|\[)", line)]
    return [shlex.split(re.split(r" (?:\|\||&&|\||>) ", line)[0], comments=True) for line in ours]


def test_pages_are_found() -> None:
    assert len(PAGES) > 8
    assert sum(len(commands(page)) for page in PAGES) > 60


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_is_understood(page: Path) -> None:
    pytest.importorskip("torch", reason="tttrain needs the extra `train`")
    from pipeline.cli.main import main as ttprep
    from tttrain.cli.main import main as tttrain

    programs: dict[str, click.Group] = {"ttprep": ttprep, "tttrain": tttrain}
    for program, name, *words in commands(page):
        command = programs[program].get_command(click.Context(programs[program]), name)
        assert command is not None, name
        with command.make_context(name, words) as context:
            assert context.command is command

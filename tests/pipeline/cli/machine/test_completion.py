"""Completion in a shell: the lines of the documentation, in real shells where they are installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

PAGE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8").split("<!-- completion", 1)[1]
COMMANDS = {"ttprep": "_TTPREP_COMPLETE", "tttrain": "_TTTRAIN_COMPLETE"}
LINES = {
    shell: [f'eval "$({variable}={shell}_source {command})"' for command, variable in COMMANDS.items()]
    for shell in ("bash", "zsh")
}
#: the commands lie beside the interpreter
PLACES = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


@pytest.mark.parametrize("shell", LINES)
def test_the_documentation_says_so(shell: str) -> None:
    assert re.findall(rf"^eval .*{shell}_source.*$", PAGE, re.MULTILINE) == LINES[shell]


def completed(line: str, shell: str = "bash") -> list[str]:
    """What a command offers for the last word of a line, as its script asks it."""
    words = line.split(" ")
    variables = {
        f"_{words[0].upper()}_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    done = subprocess.run(
        [words[0]], env={**PLACES, **variables}, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.splitlines()


def test_commands_options_and_stages_are_completed() -> None:
    assert completed("ttprep ver") == ["plain,verify"]
    assert completed("ttprep run --stage fo") == ["plain,foreground"]
    assert completed("ttprep path a.mp4 ro") == ["plain,roi"]
    assert "plain,--quiet" in completed("ttprep plan --q")
    assert completed("tttrain eval", "zsh")[:2] == ["plain", "evaluate"]


def test_zsh_gets_a_script_of_its_own() -> None:
    env = {**PLACES, "_TTPREP_COMPLETE": "zsh_source"}
    done = subprocess.run(["ttprep"], env=env, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("#compdef ttprep")


@pytest.mark.parametrize("shell", LINES)
def test_a_real_shell_takes_the_lines(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    ask = {
        "bash": "complete -p ttprep tttrain",
        "zsh": "print $_comps[ttprep] $_comps[tttrain]",
    }[shell]
    start = "autoload -U compinit; compinit -u -D; " if shell == "zsh" else ""
    done = subprocess.run(
        [shell, "-c", f"{start}{'; '.join(LINES[shell])}; {ask}"],
        env=PLACES, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "_ttprep_completion" in done.stdout
    assert "_tttrain_completion" in done.stdout

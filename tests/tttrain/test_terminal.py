"""What tttrain prints: names as they are, in every locale, one line each."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

from tests.support.dataset_writer import write_dataset
from tests.support.trainings import call
from tttrain.cli.table import print_table

COMMAND = str(Path(sys.executable).with_name("tttrain"))
NAMES = ("[dQw4w9WgXcQ] – é", "w[:car:\n2")
LOCALES: dict[str, dict[str, str]] = {
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "strict": {"PYTHONIOENCODING": "ascii:strict"},
    "C": {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "UTF-8": {"PYTHONIOENCODING": "utf-8:strict"},
}


def tttrain(*words: object, cwd: Path, env: dict[str, str]) -> Any:
    done = subprocess.run(
        [COMMAND, *map(str, words)], capture_output=True, cwd=cwd, timeout=120, check=False,
        env={**os.environ, "COLUMNS": "200", "OMP_NUM_THREADS": "1", **env},
    )  # fmt: skip
    encoding = env.get("PYTHONIOENCODING", "ascii").partition(":")[0]
    out, err = done.stdout.decode(encoding), done.stderr.decode(encoding)
    assert "Traceback" not in out + err, err
    return subprocess.CompletedProcess(done.args, done.returncode, out, err)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("terminal")
    data = write_dataset(folder / "[d].h5", videos=3, strokes=9)
    options = ["--model", "twin", "--size", "12x12", "--length", "8", "--epochs", "1", "--batch", "5"]
    for name in NAMES:
        call("fit", data, folder / name, *options)
    return folder


@pytest.mark.parametrize("locale", LOCALES)
def test_names_are_printed_as_they_are(folder: Path, locale: str) -> None:
    env = LOCALES[locale]
    name = NAMES[0]
    done = tttrain("evaluate", name, cwd=folder, env=env)
    assert done.returncode == 0, done.stderr
    expected = name if locale == "UTF-8" else name.replace("–", "-")
    if locale == "strict":
        expected = expected.replace("é", "e")
    if locale == "C":  # there Python takes no byte beyond ASCII for text
        expected = "[dQw4w9WgXcQ] \\xe2\\x80\\x93 \\xc3\\xa9"
    assert done.stdout.splitlines()[-1] == f"{expected}/evaluate-test"
    value = tttrain("evaluate", name, "--json", cwd=folder, env=env)
    assert json.loads(value.stdout)["samples"] > 0
    wrong = tttrain("evaluate", "no [/such] – folder\x1b[31m\n", cwd=folder, env=env)
    assert wrong.returncode == 1
    assert wrong.stderr.count("\n") == 1
    dash = {"UTF-8": "–", "C": "\\xe2\\x80\\x93"}.get(locale, "-")
    assert f"error: no [/such] {dash} folder\\x1b[31m\\n: no run there" in wrong.stderr


def test_a_line_feed_in_a_name_is_an_escape(folder: Path) -> None:
    done = tttrain("evaluate", NAMES[1], cwd=folder, env=LOCALES["UTF-8"])
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "w[:car:\\n2/evaluate-test"


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_tables_fit(width: int) -> None:
    out = io.StringIO()
    rows = [("[a] :car:", "97.5%", "0.91 / 0.90 / 0.90", "long words of a description"), ("b", "–", "", "x")]
    titles = ("run", "accuracy without negative", "macro P / R / F", "what")
    print_table(titles, rows, Console(file=out, width=width))
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= width
    for word in ("[a] :car:", "97.5%", "0.91 / 0.90 / 0.90", "accuracy", "macro"):
        assert word in " ".join(text.split())

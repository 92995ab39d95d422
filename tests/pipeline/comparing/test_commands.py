"""``ttprep compare`` and ``ttprep outliers``, on trials with joints and on a rendered clip."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pipeline.cli.main import main
from tests.pipeline.comparing.conftest import FAULTY

Call = Callable[..., Result]


@pytest.fixture
def call(loops: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """``call(*words)`` in the project's folder."""
    monkeypatch.chdir(loops)

    def run(*words: object) -> Result:
        done = CliRunner().invoke(main, [*map(str, words), "--workers", "0"], env={"COLUMNS": "1000"})
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    return run


def told(done: Result) -> dict[str, Any]:
    assert done.exit_code == 0, done.output
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def test_the_default_is_the_class_of_the_stroke(call: Call) -> None:
    found = told(call("compare", FAULTY, "--no-page", "--json"))
    assert found["stroke"]["name"].startswith(f"trials/{FAULTY}:0-")
    names = [r["name"].split(":")[0] for r in found["references"]]
    assert names == [f"trials/fore{n}" for n in range(1, 7)]
    assert found["band"]
    assert found["score"] > max(found["scores_of_references"])
    first = found["findings"][0]
    assert (first["joint"], first["beyond"], first["of"]) == ("right wrist", 6, 6)
    assert re.fullmatch(
        r"right wrist 0\.\d\d body lengths higher (in|at) the [a-z -]+ than all 6 references", first["text"]
    )
    assert found["page"] is None
    assert found["not_compared"] == {}
    assert found["distances"]["right wrist"]["stroke"]["distance"] > 0


def test_references_by_name_class_and_player(call: Call) -> None:
    def names(*words: str) -> list[str]:
        found = told(call("compare", "back1", "--no-page", "--json", *words))
        return [r["name"].split(":")[0].removeprefix("trials/") for r in found["references"]]

    assert names("--with", "fore1", "--with", "fore2:0") == ["fore1", "fore2"]
    assert names("--with", "class:right") == ["back2", "back3", "back4"]
    assert len(names("--with", "player:anna")) == 10
    assert len(names("--with", "class:Left,player:Anna")) == 7


def test_one_reference_says_so(call: Call) -> None:
    done = call("compare", FAULTY, "--with", "fore1", "--no-page")
    assert done.exit_code == 0, done.output
    assert "differences only: one reference cannot say how much is usual" in done.stdout
    assert "than the reference" in done.stdout
    assert "spreads" not in done.stdout


def test_another_class_is_said(call: Call) -> None:
    done = call("compare", "fore1", "--with", "class:Right", "--no-page")
    assert "note: the stroke is a Left, no reference is" in done.stderr


def test_the_page_is_part_of_the_report(call: Call, loops: Path) -> None:
    done = call("compare", FAULTY)
    assert done.exit_code == 0, done.output
    page = Path(done.stdout.splitlines()[-1])
    assert page.is_file()
    assert page.parent == loops / "store-report" / "comparisons"
    text = page.read_text(encoding="utf-8")
    assert "right wrist" in text
    assert "http" not in re.sub(r"data:image/jpeg;base64,[^\"]*", "", text).replace("http-equiv", "")
    assert call("compare", FAULTY).stdout.splitlines()[-1] == str(page)
    assert len([*page.parent.glob("*.html")]) == 1
    report = CliRunner().invoke(main, ["report", "--film-frames", "0"])
    assert report.exit_code == 0, report.output
    index = (page.parent.parent / "index.html").read_text(encoding="utf-8")
    assert f'href="comparisons/{page.name}"' in index
    assert page.is_file()


def test_outliers(call: Call) -> None:
    found = told(call("outliers", "--all", "--json"))["outliers"]
    assert len(found) == 11
    own = [o for o in found if o["class"] == "Left"]
    assert own[0]["name"].startswith(f"trials/{FAULTY}:")
    assert all(o["nearest_class"] == o["class"] for o in found)
    text = call("outliers", "Left").stdout
    assert "Right" not in text


def test_a_wrong_label_is_first(
    call: Call, loops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = (loops / "labels.csv").read_text().replace("fore2,Left", "fore2,Right")
    (tmp_path / "labels.csv").write_text(labels)
    manifest = (loops / "data_manifest.yaml").read_text()
    manifest = manifest.replace("path: trials", f"path: {loops / 'trials'}").replace(
        "store: store", f"store: {loops / 'store'}"
    )
    (tmp_path / "data_manifest.yaml").write_text(manifest)
    call("outliers")  # everything is made
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["outliers", "--workers", "0"], env={"COLUMNS": "1000"})
    assert done.exit_code == 0, done.output
    first = done.stdout.splitlines()[0]
    assert "fore2:" in first
    assert "nearer to Left than to Right" in first
    assert "wrong label?" in first


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("compare", "fore9"), "fore9: no stroke is called so; did you mean"),
        (("compare", "fore1:7-9"), "fore1:7-9: no stroke is called so; did you mean trials/fore1:0-"),
        (("compare", "fore1", "--with", "class:Up"), "class:Up: no stroke is so; the classes are Left"),
        (("compare", "fore1", "--with", "player:bob"), "player:bob: no stroke is so; the players are anna"),
        (("compare", "fore1", "--with", "fore1"), "there is no other stroke to compare it with; name "),
        (("outliers", "Up"), "Up: no stroke is of this class; the classes are Left, Right"),
    ],
)  # fmt: skip
def test_wrong_words(call: Call, words: tuple[str, ...], part: str) -> None:
    done = call(*words)
    assert done.exit_code == 2
    assert part in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_without_dtaidistance(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "dtaidistance", None)
    done = call("compare", "fore1", "--no-page")
    assert done.exit_code == 2
    assert (
        "comparing strokes needs dtaidistance, which is not installed; `pip install dtaidistance`"
        in done.stderr
    )

"""The documents agree with one another and with the code: links, citations, versions."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from ttprep_docs.pages import REFERENCE, ROOT_PAGES

from tests import slow_list
from tests.support import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "tests").rglob("*.md")])
CODE = ("pipeline", "stages", "store", "tttrain", "ttdemo", "docs")
#: pages that are there on the site alone
MADE = {ROOT / "docs" / name for name in (*REFERENCE, *ROOT_PAGES)}
#: a tag of a paper before a section, table, figure or equation
TAG = re.compile(r"\[([A-Z0-9]{2,5})\]? (?:§|Table|Fig|Eq)")


def anchor(heading: str) -> str:
    """The address of a heading, as the usual renderers form it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    lost = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, wanted = target.partition("#")
        path = page.parent / name if name else page
        if path.resolve() in MADE:  # the strict build of the site looks at its headings
            continue
        if not path.exists():
            lost.append(target)
        elif wanted:
            headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            lost += [] if wanted in map(anchor, headings) else [target]
    assert not lost


def test_every_paper_that_is_cited_is_in_the_bibliography() -> None:
    known = set(re.findall(r"^\*\*\[(\w+)\]\*\*", (ROOT / "docs/bibliography.md").read_text(), re.MULTILINE))
    cited: dict[str, str] = {}
    for folder in CODE:
        for path in (p for p in (ROOT / folder).rglob("*") if p.suffix in (".py", ".md")):
            cited |= dict.fromkeys(TAG.findall(path.read_text(encoding="utf-8")), str(path))
    assert set(cited) >= {"3S", "SSTC", "ATT", "GRU", "LSTM"}
    assert not {tag: path for tag, path in cited.items() if tag not in known}


def test_no_word_stands_twice_in_the_glossary() -> None:
    text = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
    words = [
        w
        for line in re.findall(r"^(\*\*.*) — ", text, re.MULTILINE)
        for w in re.findall(r"\*\*(.+?)\*\*", line)
    ]
    assert len(words) > 80
    assert not {w for w in words if words.count(w) > 1}


def test_the_citation_file_names_this_version() -> None:
    found = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert found["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(found)
    about = project()["project"]
    assert (found["version"], found["license"]) == (about["version"], about["license"])
    assert found["repository-code"] == about["urls"]["Homepage"]
    assert all(set(ref) >= {"type", "title", "authors", "year"} for ref in found["references"])


def test_the_changelog_has_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (?:\[?)([^\s\]]+)", text, re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert project()["project"]["version"] in headings
    kinds = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_list_of_slow_tests_names_tests() -> None:
    for entry in slow_list.read():
        path, _, name = entry.partition("::")
        text = (ROOT / path).read_text(encoding="utf-8")
        assert not name or re.search(rf"\b{name.split('::')[0]}\b", text), entry


def test_durations_add_up_over_parameters() -> None:
    lines = [
        "1.50s call     tests/a/test_b.py::test_c[x y]",
        "2.00s setup    tests/a/test_b.py::test_c[z]",
        "3 passed",
    ]
    assert slow_list.totals(lines) == {"tests/a/test_b.py::test_c": 3.5}


def test_tests_of_training_are_skipped_without_torch() -> None:
    """The README's test command installs none, and a module that cannot be imported fails it."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        found = re.search(r"^(?:import|from) torch\b", text, re.MULTILINE)
        assert found is None or 'importorskip("torch"' in text[: found.start()], path

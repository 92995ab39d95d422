"""The site is built without a warning, can be searched, and fetches nothing from elsewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

import ttprep
from tests.pipeline.report.browser import browser, complaints, wait_for
from tests.support import ROOT

pytest.importorskip("mkdocs", reason="the site needs the extra `docs`: pip install -e '.[docs]'")
pytest.importorskip("torch", reason="the site shows tttrain, which needs the extra `train`")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site: every warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    nowhere = "http://127.0.0.1:9"  # who tries to reach the network is refused
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "http_proxy": nowhere, "https_proxy": nowhere}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stderr[-3000:]
    return folder


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.findall(
            r"<(?:script|img|iframe|source|video)[^>]+src=[\"']?(?:https?:)?//[^\"' >]*", text
        ), page
        links = [tag for tag in re.findall(r"<link[^>]+>", text) if "canonical" not in tag]
        assert not [tag for tag in links if re.search(r"href=[\"']?(?:https?:)?//", tag)], page
    for sheet in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import )[\"']?https?:", sheet.read_text(encoding="utf-8")), sheet


def test_it_can_be_searched(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    texts = {doc["location"]: unescape(doc["title"] + " " + doc["text"]) for doc in index["docs"]}

    def pages(word: str) -> set[str]:
        return {at.partition("#")[0] for at, text in texts.items() if word in text}

    assert "reference/manifest.html" in pages("stages.flow.alpha")
    assert "reference/commands.html" in pages("--pose-weights")
    assert "api/stages.html" in pages("ArraySpec")
    assert "glossary.html" in pages("foreground")
    assert (site / "search" / "search_index.js").exists()  # for pages that are opened from the disk


def test_every_public_name_is_described(site: Path) -> None:
    text = (site / "api" / "ttprep.html").read_text(encoding="utf-8")
    assert not [name for name in ttprep.__all__ if not re.search(rf'id="[a-z.]+\.{name}"', text)]
    assert ":class:" not in text


def test_sources_are_not_part_of_it(site: Path) -> None:
    assert not [p for p in site.rglob("*") if p.suffix in (".py", ".md", ".ipynb", ".pyc")]
    assert "store/names.py" in (site / "store-format.html").read_text(encoding="utf-8")


def test_the_search_works_where_pages_are_opened_from_the_disk(site: Path) -> None:
    with browser() as driver:
        driver.get((site / "index.html").as_uri())
        field = driver.find_element("css selector", "input.md-search__input")
        field.click()
        field.send_keys("stages.flow.alpha")
        found = wait_for(
            lambda: [e.text for e in driver.find_elements("css selector", ".md-search-result__item")],
            "a result of the search",
        )
        assert "Manifest" in found[0]
        assert not complaints(driver)

"""Hooks of mkdocs: add the generated pages, and make links out of ``docs`` links to the repository.

``mkdocs.yml`` names this file. What it adds is never written to the disk of the checkout.
"""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

DOCS = Path(__file__).resolve().parent.parent

LINK = re.compile(r"(?<=\]\()(?![a-z+]+:|#)([^)\s#]+)((?:#[^)\s]*)?)(?=\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made from the code and from files outside of ``docs``."""
    sys.path[:0] = [str(DOCS.parent), str(DOCS)]  # here, since mkdocs takes back what a hook's module adds
    from ttprep_docs.pages import made

    for name, text in made().items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to what is a page of the site there, and to other files of the repository to its address."""
    from ttprep_docs.pages import ROOT_PAGES

    here = page.file.src_uri
    folder = "" if here in ROOT_PAGES else posixpath.dirname(f"docs/{here}")

    def lead(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, match[1]))
        shown = next((name for name, source in ROOT_PAGES.items() if source == target), None)
        if shown is None and target.startswith("docs/"):
            shown = target.removeprefix("docs/").replace(".ipynb", ".md")
        if shown is not None and files.get_file_from_path(shown) is not None:
            return posixpath.relpath(shown, posixpath.dirname(here) or ".") + match[2]
        if not (DOCS.parent / target).exists():
            return match[0]  # mkdocs says that it leads nowhere
        kind = "tree" if (DOCS.parent / target).is_dir() else "blob"
        return f"{config.extra['repository']}/{kind}/main/{target}{match[2]}"

    return LINK.sub(lead, markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Take the roles off names in docstrings: ``:class:`Store``` is meant as ``Store``."""
    return re.sub(r":(?:attr|class|data|func|meth|mod):<code>~?\.?", "<code>", html)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> Any:
    """Fail on a page that would fetch something from elsewhere."""
    fetched = re.findall(r"<(?:script|img|iframe|source)[^>]+src=[\"']?(https?:)?//", output)
    fetched += re.findall(r"<link[^>]+rel=[\"']?(?:stylesheet|preload|preconnect|icon)[^>]+//", output)
    if fetched:
        raise SystemExit(f"{page.file.src_uri}: fetches from elsewhere; the site must work without a network")
    return output

"""Which pages of the site are made while it is built."""

from __future__ import annotations

from pathlib import Path

from ttprep_docs import commands, manifest, notebooks

DOCS = Path(__file__).resolve().parent.parent
#: page of the site → the file of the repository's root that it shows
ROOT_PAGES = {"contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
#: page of the site → what writes it from the code
REFERENCE = {"reference/commands.md": commands.page, "reference/manifest.md": manifest.page}


def made() -> dict[str, str]:
    """Return the text of every page that is no file of ``docs``, by its name on the site."""
    found = {name: write() for name, write in REFERENCE.items()}
    for name, source in ROOT_PAGES.items():
        found[name] = (DOCS.parent / source).read_text(encoding="utf-8")
    for path in sorted((DOCS / "notebooks").glob("*.ipynb")):
        found[f"notebooks/{path.stem}.md"] = notebooks.page(path)
    return found

"""Notebooks as pages: their text and their code, without results."""

from __future__ import annotations

import json
from pathlib import Path


def page(path: Path) -> str:
    """Return the cells of a notebook as Markdown, with a line that says where the notebook lies."""
    blocks = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        blocks.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    blocks.insert(1, f"This page is the notebook `docs/notebooks/{path.name}` ([how to run it](index.md)).")
    return "\n\n".join(blocks) + "\n"

"""The notebooks are committed without results, and run from the first cell to the last."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from rich.console import Console

import ttprep
from pipeline.demos.strokes import render_strokes
from tests.support import ROOT

nbformat = pytest.importorskip("nbformat", reason="notebooks need the extra `docs`")
nbclient = pytest.importorskip("nbclient", reason="notebooks need the extra `docs`")
pytest.importorskip("ipykernel", reason="notebooks need the extra `docs`")
pytest.importorskip("torch", reason="a notebook reads the dataset in PyTorch")

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))

#: as `ttprep demo` writes it, but for a length that fits 30 frames a second, and no need of weights
MANIFEST = """\
version: 1
store: store
videos: [clips]
annotations: [clips]
modalities: [rgb, flow]
compact: true
splits: {train: 0.5, validation: 0, test: 0.5, by: video}
stages:
  cuboids: {length: 20}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a small ``ttprep-demo`` in it."""
    folder = tmp_path_factory.mktemp("notebooks")
    demo = folder / "ttprep-demo"
    render_strokes(
        demo, clips=2, strokes=2, size=(320, 180), seed=0, workers=1, pose_weights=None,
        stderr=Console(quiet=True), fps=30, duration=(0.7, 0.9),
    )  # fmt: skip
    (demo / "data_manifest.yaml").write_text(MANIFEST)
    result = ttprep.run(manifest=demo / "data_manifest.yaml", workers=0)
    assert result.ok, result.problems
    return folder


def test_there_are_three() -> None:
    assert len(NOTEBOOKS) == 3


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_results_are_not_committed(path: Path) -> None:
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert len(code) > 3
    assert not any(cell.outputs or cell.execution_count for cell in code)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("MPLBACKEND", "agg")
    book = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(book, timeout=120, resources={"metadata": {"path": str(folder)}})
    client.execute()  # raises what a cell raises
    shown = [out for cell in book.cells for out in cell.get("outputs", [])]
    assert len(shown) > 3
    warned = [o["text"] for o in shown if o.get("name") == "stderr" and "Warning" in o["text"]]
    assert not warned

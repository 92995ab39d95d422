"""Kinds of file of a dataset and of a run folder, as :mod:`tests.support.bitflips` flips them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.dataset.seal import read_seal
from tests.support.bitflips import Kind, Project, Range, whole

#: settings of the run that is flipped: the smallest network
FIT = (
    "--model", "flow-stcnn", "--size", "8x8", "--length", "8", "--batch", "6", "--lr", "0.05",
    "--device", "cpu", "--schedule", "constant", "--validation", "none", "--allow-absent",
)  # fmt: skip
EVALUATE = (
    "tttrain", "evaluate", "run", "--split", "all", "--dataset", "dataset.h5", "--device", "cpu",
)  # fmt: skip
VERIFY = ("ttprep", "verify", "dataset.h5", "--store", "nowhere")
#: one epoch more than the run has
GO_ON = ("tttrain", "fit", "dataset.h5", "run", *FIT, "--epochs", "2")
FINISHED = (*GO_ON[:-1], "1")


def _report(folder: Path) -> bytes:
    return (folder / "run/evaluate-all/report.json").read_bytes()


def _weights(folder: Path) -> bytes:
    """The weights after training on, without what times and paths change."""
    import torch

    state = torch.load(folder / "run" / "last-00002.pt", weights_only=True)
    return b"".join(v.numpy().tobytes() for v in state["model"].values())


def _history(folder: Path) -> bytes:
    return (folder / "run/history.json").read_bytes()


def make_project(place: Path) -> Project:
    """Make videos, a dataset of them with all that lies beside it, and a run trained on it."""
    from tests.support.projects import export_here, project
    from tests.support.trainings import call

    actions = {"a": [(5, 25, "Up"), (40, 60, "Down")], "b": [(5, 25, "Across"), (30, 50, "Up")]}
    manifest = project(place / "project", {"a": 70, "b": 60}, actions, untrimmed=True)
    folder = place / "f"
    folder.mkdir()
    export_here(manifest, folder / "dataset.h5")
    call("fit", folder / "dataset.h5", folder / "run", *FIT, "--epochs", "1")
    return Project(folder)


def _any(project: Project, place: str) -> tuple[tuple[Range, ...], ...]:
    return (whole(project.state, [place]),)


def dataset_kinds(project: Project) -> Iterator[Kind]:
    """Yield the kinds of file of a dataset, as ``tttrain evaluate`` and ``ttprep verify`` read them."""
    place, look = "dataset.h5", (VERIFY,)
    seal = read_seal(project.folder / place)
    assert seal is not None
    head = (tuple(Range(place, *r) for r in seal.head),)
    yield Kind("`d.h5`, any bit", project, _any(project, place), EVALUATE, _report, look)
    yield Kind("`d.h5`, its head", project, head, EVALUATE, _report, look)
    for suffix in ("samples.csv", "croissant.json", "receipt.json"):
        yield Kind(f"`d.{suffix}`", project, _any(project, f"dataset.{suffix}"), VERIFY)


def run_folder_kinds(project: Project) -> Iterator[Kind]:
    """Yield the kinds of file of the run folder ``run`` beside ``dataset.h5``."""
    best, last = (next(p for p in project.state if p.startswith(f"run/{name}-")) for name in ("best", "last"))
    for place in ("run/run.json", "run/checkpoint.json", best):
        name = "run/best-*.pt" if place == best else place
        yield Kind(f"`{name}`", project, _any(project, place), EVALUATE, _report)
    yield Kind("`run/last-*.pt`", project, _any(project, last), GO_ON, _weights)
    history = "run/history.json"  # of a finished run, which writes it anew
    yield Kind(f"`{history}`", project, _any(project, history), FINISHED, _history)


def training_kinds(place: Path) -> list[Kind]:
    """Make a project in a folder and return all kinds of file of its dataset and its run folder."""
    project = make_project(place)
    return [*dataset_kinds(project), *run_folder_kinds(project)]

"""Plots: curves, confusion matrices, tables, detections along time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tttrain import owned


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, where no file of the user's lies."""
    FigureCanvasAgg(figure)
    owned.write(path, lambda file: figure.savefig(file, format="png", dpi=110))


def curves(history: Sequence[Mapping[str, Any]], path: Path, title: str = "") -> None:
    """Plot loss, accuracy and learning rate by epoch; restarts as lines, the best state as a dot."""
    epochs = [r["epoch"] for r in history]
    figure = Figure(figsize=(8, 7), layout="constrained")
    loss, accuracy, rate = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 1))
    for axes, name in ((loss, "loss"), (accuracy, "accuracy")):
        for split, colour in (("train", "tab:blue"), ("validation", "tab:orange")):
            values = [r[f"{split}_{name}"] for r in history]
            if values[0] is not None:
                axes.plot(epochs, values, color=colour, label=split, linewidth=1)
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
    best = [r for r in history if r["improved"]]
    if best and best[-1]["validation_loss"] is not None:
        loss.plot(best[-1]["epoch"], best[-1]["validation_loss"], "o", color="tab:orange", label="best state")
        accuracy.plot(best[-1]["epoch"], best[-1]["validation_accuracy"], "o", color="tab:orange")
    for record in history:
        if record["reload"]:
            for axes in (loss, accuracy):
                axes.axvline(record["epoch"], color="grey", linewidth=0.8, linestyle=":")
    loss.legend(frameon=False)
    accuracy.set_ylim(0, 1.02)
    rate.semilogy(epochs, [r["lr"] for r in history], color="black", linewidth=1, drawstyle="steps-mid")
    rate.set_ylabel("learning rate")
    rate.set_xlabel(
        "epoch (dotted: back to the best state)" if any(r["reload"] for r in history) else "epoch"
    )
    loss.set_title(title)
    save(figure, path)


def confusion(matrix: NDArray[np.int64], classes: Sequence[str], path: Path, title: str = "") -> None:
    """Plot a confusion matrix; rows are the truth, shares of a row are colours, counts are numbers.

    Parameters
    ----------
    matrix : (C, C) int
    classes : sequence of str
    path : Path
    title : str
    """
    n = len(classes)
    side = 3.2 + 0.36 * n
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(n), classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(n), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title)
    for i in range(n):
        for j in range(n):
            if matrix[i, j]:
                colour = "white" if share[i, j] > 0.5 else "black"
                axes.text(j, i, str(matrix[i, j]), ha="center", va="center", color=colour, fontsize=8)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    save(figure, path)


def grid(
    shares: NDArray[np.float64], rows: Sequence[str], columns: Sequence[str], path: Path, title: str = ""
) -> None:
    """Plot a table of shares as colours and numbers.

    Parameters
    ----------
    shares : (R, C) float
        0…1.
    rows, columns : sequence of str
    path : Path
    title : str
    """
    figure = Figure(figsize=(3.4 + 1.1 * len(columns), 1.6 + 0.5 * len(rows)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    for (i, j), share in np.ndenumerate(shares):
        colour = "white" if share > 0.5 else "black"
        axes.text(j, i, f"{share:.1%}", ha="center", va="center", color=colour, fontsize=9)
    axes.set_title(title, fontsize=9)
    figure.colorbar(image, ax=axes, label="accuracy", shrink=0.9)
    save(figure, path)


def timeline(
    rows: Mapping[str, NDArray[np.integer]], classes: Sequence[str], fps: float, path: Path, title: str = ""
) -> None:
    """Plot the classes of the frames of a video, one bar for the truth and one per decision rule.

    Parameters
    ----------
    rows : mapping of str to (F,) int
        Class indices; −1 (no annotation) stays white.
    classes : sequence of str
    fps : float
        1/s.
    path : Path
    title : str
    """
    palette = _palette(classes)
    figure = Figure(figsize=(11, 1.6 + 0.45 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for i, values in enumerate(rows.values()):
        axes.imshow(
            np.ma.masked_less(values, 0)[None],
            aspect="auto",
            interpolation="nearest",
            cmap=palette,
            vmin=-0.5,
            vmax=len(classes) - 0.5,
            extent=(0, len(values) / fps, i + 0.4, i - 0.4),
        )
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, max(len(v) for v in rows.values()) / fps)
    axes.set_xlabel("time in s")
    axes.set_title(title)
    shown = sorted({int(v) for values in rows.values() for v in np.unique(values) if v >= 0})
    handles = [axes.plot([], [], "s", color=palette(i), label=classes[i])[0] for i in shown]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=min(4, len(shown)), frameon=False, fontsize=8
    )
    save(figure, path)


def _palette(classes: Sequence[str]) -> ListedColormap:
    """Choose a colour per class: light grey for the negative one, strong ones for the strokes."""
    hues = np.linspace(0, 1, max(len(classes) - 1, 1), endpoint=False)
    colours, used = [], 0
    for name in classes:
        if name.casefold() == "negative":
            colours.append((0.85, 0.85, 0.85, 1.0))
        else:
            colours.append(colormaps["turbo"](0.08 + 0.84 * hues[used % len(hues)]))
            used += 1
    return ListedColormap(colours)

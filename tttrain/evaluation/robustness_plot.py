"""Plot accuracy over the strength of each disturbance, one curve per run: as figures 10 to 12 of [GRU]."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from tttrain.evaluation.disturbances import DISTURBANCES
from tttrain.evaluation.plots import save

#: value that stands for no disturbance on the axis of each
NONE = {"frame-rate": 40, "missing-frames": 0, "spatial-offset": 0}
#: chance is shown if a curve comes this near to it
NEAR = 0.25
_MARKERS = "osD^vP*X"


def draw(report: dict[str, Any], path: Path) -> None:
    """Draw the report of :func:`tttrain.evaluation.robustness.robustness`.

    Points are means over the repetitions, bands reach from the worst to the best. Where curves come near
    it, a dotted line shows the accuracy of always naming the most frequent class.

    Parameters
    ----------
    report : dict
    path : Path
        ``.png``.
    """
    runs: dict[str, Any] = report["runs"]
    names = list(next(iter(runs.values()))["disturbances"])
    figure = Figure(figsize=(1.2 + 3.9 * len(names), 4.6), layout="constrained")
    palette = colormaps["tab10"]
    every = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    lowest, chance = 1.0, float(report["majority"])
    for axes, name in zip(every, names, strict=True):
        disturbance = DISTURBANCES[name]
        for i, (run, found) in enumerate(runs.items()):
            points = found["disturbances"][name]
            plain = found["accuracy"]
            x = [NONE[name], *(p["strength"] for p in points)]
            y = [plain, *(p["accuracy"] for p in points)]
            low = [plain, *(min(p["repeats"]) for p in points)]
            high = [plain, *(max(p["repeats"]) for p in points)]
            lowest = min(lowest, *low)
            colour = palette(i % 10)
            axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
            axes.plot(
                x, y, color=colour, marker=_MARKERS[i % len(_MARKERS)], markersize=4, linewidth=1.4, label=run
            )
        axes.set_title(disturbance.title)
        axes.set_xlabel(disturbance.axis)
        axes.set_xticks([NONE[name], *disturbance.strengths])
        axes.grid(alpha=0.3)
    every[0].set_ylabel(f"accuracy ({report['split']}, {report['trials']} trials)")
    bottom = max(0.0, lowest - 0.05)
    if bottom < chance + NEAR:
        bottom = max(0.0, min(bottom, chance - 0.03))
        for axes in every:
            axes.axhline(chance, color="grey", linewidth=0.9, linestyle=":")
        every[0].annotate(
            "most frequent class", (0.02, chance), xycoords=("axes fraction", "data"), xytext=(0, 3),
            textcoords="offset points", color="grey", fontsize=8,
        )  # fmt: skip
    every[0].set_ylim(bottom, 1.02)
    every[0].yaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    every[0].yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    handles, labels = every[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)), frameon=False)
    save(figure, path)

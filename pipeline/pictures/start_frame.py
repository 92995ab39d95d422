"""The start-frame detection of one trial as a picture: what changed, which conditions held, the start."""

from __future__ import annotations

import io
import warnings
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError
from pipeline.execution.feature_files import video_info
from pipeline.pictures.draw import Picture
from pipeline.planning.staleness import Planned
from pipeline.planning.starts import start_of
from stages.base import VideoInfo
from stages.start import CONDITIONS, NO_START, StartParams
from stages.start import STAGE as START
from store import Store
from store.atomic import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curve = NDArray[np.float64]

#: width of the picture in inches, and pixels per inch: 1200 px
WIDTH, DPI = 12.0, 100
#: heights in inches: title, titles of the stills, one curve, the conditions, the gaps, the axis of frames
TITLE, HEADS, CURVE, BARS, GAP, FOOT = 0.72, 0.32, 1.75, 0.95, 0.2, 0.55
#: margins in inches: left (names of the conditions) and right
LEFT, RIGHT = 1.6, 0.3
_INK, _FAINT, _IDLE = "#2b2f36", "#d9dce1", "#eef0f2"
_LINE, _LIMIT, _HELD, _START = "#2f6db5", "#c0562f", "#3a9d78", "#c8102e"


@dataclass(frozen=True)
class Detection:
    """What the picture shows.

    Attributes
    ----------
    title, text : str
        The trial's name, and what was found.
    found : int
        Start frame, or :data:`stages.start.NO_START`.
    still : int
        Frames at the beginning in which no action begins; the last of them is the reference.
    limits : (float, float)
        Thresholds of picture and joints.
    change, moved : (n,) float64
        Changes of picture and joints against the reference frame.
    met : (n, 3) bool
        Where each of :data:`stages.start.CONDITIONS` holds.
    stills : tuple of (int, str, (H, W, 3) uint8)
        Frames: their numbers, ascending, what they show, and the frames themselves, RGB.
    """

    title: str
    text: str
    found: int
    still: int
    limits: tuple[float, float]
    change: Curve
    moved: Curve
    met: NDArray[np.bool_]
    stills: tuple[tuple[int, str, Picture], ...]


def draw_start(store: Store, plan: list[Planned], out: Path) -> str:
    """Write the picture of a trial's start-frame detection.

    Parameters
    ----------
    store : Store
    plan : list of Planned
        The trial's planned results.
    out : Path
        A ``.png``; replaced if it is there.

    Returns
    -------
    str
        What was found, in words.

    Raises
    ------
    UserError
        The start is not computed yet, ``out`` has another suffix or cannot be written.
    """
    detection = read_detection(store, plan)
    if out.suffix.lower() != ".png":
        raise UserError(f"{out}: the plot of a start is a .png; choose that suffix")
    try:
        write_bytes(out, render(detection))
    except OSError as e:
        raise UserError(f"{out}: cannot be written ({e.strerror}); give another -o") from e
    return detection.text


def read_detection(store: Store, plan: list[Planned]) -> Detection:
    """Read what the picture shows from the store.

    Raises
    ------
    UserError
        The start is not computed yet.
    """
    by_name = {p.node.stage.name: p for p in plan}
    planned, frames = by_name.get("start"), by_name["frames"]
    name = frames.node.source.name
    if planned is None or planned.state != "done" or frames.receipt is None:
        raise UserError(f"{name}: its start is not computed; run `ttprep run --stage start` on it first")
    params, info = START.typed(planned.node.params), video_info(frames.receipt)
    found, why = start_of(store, planned)
    with ExitStack() as stack:
        reader = stack.enter_context(store.reader(planned.node.slot))
        change, moved = reader.read("picture"), reader.read("joints")
        met = reader.read("met").astype(bool)
        rgb = stack.enter_context(store.reader(frames.node.slot))
        stills = tuple(
            (t, title, rgb.read("rgb", t, t + 1)[0]) for t, title in _chosen(found, change, params, info)
        )
    at = f"start: frame {found} ({float(found / info.fps):.3f} s)"
    text = at if found != NO_START else f"no start: {why}"
    still = params.still(float(info.fps))
    return Detection(name, text, found, still, (params.picture, params.joints), change, moved, met, stills)


def _chosen(found: int, change: Curve, params: StartParams, info: VideoInfo) -> list[tuple[int, str]]:
    """Choose the frames that tell most: number and title, in order."""
    fps, last = float(info.fps), info.n_frames - 1
    reference = min(params.still(fps) - 1, last)
    shown = {reference: "reference"}
    if found == NO_START:
        shown |= {int(change.argmax()): "largest change", last: "last"}
    else:
        end = min(found + params.growing(fps) - 1, last)
        shown |= {found - 1: "before", found: "start", end: "end of growth"}
    return sorted(shown.items())


def render(detection: Detection) -> bytes:
    """Draw a detection.

    Returns
    -------
    bytes
        A PNG, 1200 px wide; the same detection gives the same bytes (with one version of matplotlib).
    """
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with style.context("default"), warnings.catch_warnings():  # whatever a matplotlibrc says
        # a name in a script that the font lacks is shown as boxes, which is no reason for a message
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        figure = Figure(dpi=DPI)
        _lay_out(figure, detection)
        file = io.BytesIO()
        FigureCanvasAgg(figure)  # the figure draws itself with it, whatever the backend is
        figure.savefig(file, format="png", dpi=DPI, metadata={"Software": None})
    return file.getvalue()


def _lay_out(figure: Figure, shown: Detection) -> None:
    width = WIDTH / len(shown.stills)
    first = shown.stills[0][2]
    strip = (width - 0.04) * first.shape[0] / first.shape[1]
    # lower edge and height of each part, from the bottom upwards
    heights = {"bars": BARS, "joints": CURVE, "picture": CURVE}
    total = FOOT + sum(heights.values()) + 3 * GAP + HEADS + strip + TITLE
    figure.set_size_inches(WIDTH, total)

    def part(x: float, y: float, w: float, h: float, **more: Any) -> Axes:
        return figure.add_axes((x / WIDTH, y / total, w / WIDTH, h / total), **more)

    y = FOOT
    bars = part(LEFT, y, WIDTH - LEFT - RIGHT, heights["bars"])
    y += heights["bars"] + GAP
    joints = part(LEFT, y, WIDTH - LEFT - RIGHT, heights["joints"], sharex=bars)
    y += heights["joints"] + GAP
    picture = part(LEFT, y, WIDTH - LEFT - RIGHT, heights["picture"], sharex=bars)
    y += heights["picture"] + GAP
    for i, (t, title, still) in enumerate(shown.stills):
        axes = part(i * width + 0.02, y, width - 0.04, strip)
        axes.imshow(still, aspect="auto", interpolation="antialiased")
        axes.set_axis_off()
        axes.set_title(f"{title}: frame {t}", fontsize=10, color=_START if t == shown.found else _INK, pad=5)
    _line(figure, 1 - 0.24 / total, shown.title, fontsize=13, weight="bold", color=_INK)
    colour = _INK if shown.found == NO_START else _START
    _line(figure, 1 - 0.53 / total, shown.text, fontsize=11, color=colour)
    _curve(picture, shown.change, shown.limits[0], "change of\nthe picture", shown)
    _curve(joints, shown.moved, shown.limits[1], "change of\nthe joints", shown)
    picture.text(0.006, 0.93, "too early", transform=picture.transAxes, fontsize=8, color=_INK,
                 va="top")  # fmt: skip
    _conditions(bars, shown)


def _line(figure: Figure, y: float, text: str, **style: Any) -> None:
    """Write a line; of one that is too long the end is kept, because the end of a path tells most."""
    line = figure.text(0.14 / WIDTH, y, text, va="center", parse_math=False, **style)
    room = (WIDTH - 0.28) * DPI
    while (needed := line.get_window_extent().width) > room:
        text = text[1 + int(len(text) * (1 - room / needed)) :]
        line.set_text(f"…{text}")


def _curve(axes: Axes, values: Curve, limit: float, name: str, shown: Detection) -> None:
    """Draw one change over time with its threshold; grey where no action may begin."""
    top = 1.12 * max(float(values.max(initial=0)), 1.2 * limit)
    axes.axvspan(-0.5, min(shown.still, len(values)) - 0.5, color=_IDLE, lw=0, zorder=0)
    axes.axhline(limit, color=_LIMIT, lw=1.2, ls=(0, (5, 3)), zorder=2)
    axes.plot(np.arange(len(values)), values, color=_LINE, lw=2, zorder=3)
    axes.annotate(f"threshold {limit:g}", (1, limit), xycoords=("axes fraction", "data"), xytext=(-4, 3),
                  textcoords="offset points", ha="right", va="bottom", fontsize=8, color=_LIMIT)  # fmt: skip
    axes.set_ylim(0, top)
    axes.set_ylabel(name, fontsize=9, color=_INK, rotation=0, ha="right", va="center", labelpad=8)
    axes.tick_params(labelbottom=False)
    _frame(axes, shown)


def _conditions(axes: Axes, shown: Detection) -> None:
    """Draw a bar for each condition over the frames where it holds."""
    for row, held in enumerate(shown.met.T):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], held.astype(np.int8), [0]])))
        spans = [(float(a) - 0.5, float(b - a)) for a, b in edges.reshape(-1, 2)]
        axes.broken_barh(spans, (row - 0.36, 0.72), color=_HELD, lw=0, zorder=3)
    axes.set_yticks(
        range(len(CONDITIONS)), [f"{k}  {name}" for k, name in zip("abc", CONDITIONS, strict=True)]
    )
    axes.set_ylim(len(CONDITIONS) - 0.5, -0.5)
    axes.set_xlim(-0.5, len(shown.met) - 0.5)
    axes.set_xlabel("frame", fontsize=9, color=_INK)
    _frame(axes, shown)


def _frame(axes: Axes, shown: Detection) -> None:
    """Draw what all panels share: grid, ticks, the start."""
    axes.grid(axis="x", color=_FAINT, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8.5, colors=_INK, length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_FAINT)
    if shown.found != NO_START:
        axes.axvline(shown.found, color=_START, lw=2, zorder=4)

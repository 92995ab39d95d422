"""The start-frame detection of one trial as a picture: what changed, which conditions held, the start."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError
from pipeline.execution.feature_files import video_info
from pipeline.inputs.trials import start_of
from pipeline.pictures.draw import Picture, caption
from pipeline.pictures.png import encode_png
from pipeline.planning.plan import Planned
from stages.base import VideoInfo
from stages.start import CONDITIONS, NO_START, StartParams
from store import Store
from store.atomic import write_bytes

Curve = NDArray[np.float64]

WIDTH, LEFT, RIGHT = 1200, 90, 20
CURVE, STRIP = 220, 90
_INK, _FAINT, _LIMIT = (40, 44, 52), (205, 209, 214), (200, 90, 60)
_LINE, _HELD, _START = (66, 114, 178), (46, 139, 111), (214, 39, 40)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_start(store: Store, plan: list[Planned], out: Path) -> str:
    """Write the picture of a trial's start-frame detection.

    Parameters
    ----------
    store : Store
    plan : list of Planned
        Of the trial.
    out : Path
        ``.png``.

    Returns
    -------
    str
        What was found, in words.

    Raises
    ------
    UserError
        The start is not computed yet, another suffix, or the file cannot be written.
    """
    by_name = {p.node.stage.name: p for p in plan}
    planned, frames = by_name.get("start"), by_name["frames"]
    name = frames.node.source.name
    if planned is None or planned.state != "done" or frames.receipt is None:
        raise UserError(f"{name}: its start is not computed; run `ttprep run --stage start` on it first")
    if out.suffix.lower() != ".png":
        raise UserError(f"{out}: the plot of a start is a .png; choose that suffix")
    params, info = planned.node.params, video_info(frames.receipt)
    assert isinstance(params, StartParams)
    found, why = start_of(store, planned)
    with ExitStack() as stack:
        reader = stack.enter_context(store.reader(planned.node.slot))
        change, moved = reader.read("picture"), reader.read("joints")
        met = reader.read("met").astype(bool)
        rgb = stack.enter_context(store.reader(frames.node.slot))
        stills = _stills(found, change, params, info)
        pictures = [rgb.read("rgb", t, t + 1)[0] for t, _ in stills]
    text = (
        f"start: frame {found} ({float(found / info.fps):.3f} s)" if found != NO_START else f"no start: {why}"
    )
    rows = [
        caption(WIDTH, "".join(c if c.isascii() else "?" for c in f"{name}   {text}")),
        _strip(pictures, [title for _, title in stills]),
        _curve(change, params.picture, "picture", params.still(float(info.fps)), found),
        _curve(moved, params.joints, "joints", params.still(float(info.fps)), found),
        _conditions(met, found),
    ]
    try:
        write_bytes(out, encode_png(np.vstack(rows)))
    except OSError as e:
        raise UserError(f"{out}: cannot be written ({e.strerror}); give another -o") from e
    return text


def _stills(found: int, change: Curve, params: StartParams, info: VideoInfo) -> list[tuple[int, str]]:
    fps, last = float(info.fps), info.n_frames - 1
    reference = min(params.still(fps) - 1, last)
    shown = {reference: "reference"}
    if found == NO_START:
        shown |= {int(change.argmax()): "largest change", last: "last"}
    else:
        end = min(found + params.growing(fps) - 1, last)
        shown |= {found - 1: "before", found: "start", end: "end of growth"}
    return [(t, f"{title}: {t}") for t, title in sorted(shown.items())]


def _strip(pictures: list[Picture], titles: list[str]) -> Picture:
    """Frames side by side over the whole width."""
    width = WIDTH // len(pictures)
    height = round(width * pictures[0].shape[0] / pictures[0].shape[1])
    panels = []
    for picture, title in zip(pictures, titles, strict=True):
        panel = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        panels.append(np.vstack([caption(width, title), np.asarray(panel, np.uint8)]))
    strip = np.full((len(panels[0]), WIDTH, 3), 255, np.uint8)
    row = np.hstack(panels)
    strip[:, : row.shape[1]] = row
    return strip


def _x(t: float, n: int) -> int:
    return LEFT + round((WIDTH - LEFT - RIGHT) * t / max(1, n - 1))


def _blank(height: int) -> Picture:
    return np.full((height, WIDTH, 3), 255, np.uint8)


def _text(image: Picture, text: str, x: int, y: int, colour: tuple[int, int, int] = _INK) -> None:
    cv2.putText(image, text, (x, y), _FONT, 0.42, colour, 1, cv2.LINE_AA)


def _curve(values: Curve, limit: float, title: str, first: int, found: int) -> Picture:
    """One change over time with its threshold; faint where no action may begin."""
    image = _blank(CURVE)
    n, top = len(values), 1.1 * max(float(values.max(initial=0)), 1.2 * limit)
    low, high = CURVE - 30, 30

    def y(value: float) -> int:
        return round(low - (low - high) * value / top)

    cv2.rectangle(image, (_x(0, n), high), (_x(min(first, n - 1), n), low), (240, 241, 243), -1)
    for t in range(0, n, 10):
        cv2.line(image, (_x(t, n), high), (_x(t, n), low), _FAINT, 1)
        _text(image, str(t), _x(t, n) - 6, low + 18)
    _text(image, "frame", 30, low + 18)
    cv2.line(image, (LEFT, y(limit)), (WIDTH - RIGHT, y(limit)), _LIMIT, 1, cv2.LINE_AA)
    _text(image, f"{limit:g}", 30, y(limit) + 5, _LIMIT)
    points = np.array([[_x(t, n), y(v)] for t, v in enumerate(values)], np.int32)
    cv2.polylines(image, [points], False, _LINE, 2, cv2.LINE_AA)
    _mark(image, found, n, high, low)
    _text(image, f"change of the {title} against the reference frame", LEFT, 18)
    return image


def _mark(image: Picture, found: int, n: int, high: int, low: int) -> None:
    if found != NO_START:
        cv2.line(image, (_x(found, n), high), (_x(found, n), low), _START, 2)


def _conditions(met: NDArray[np.bool_], found: int) -> Picture:
    """A bar for each condition where it holds."""
    image, n = _blank(STRIP), len(met)
    for row, name in enumerate(CONDITIONS):
        y = 8 + 26 * row
        _text(image, "abc"[row], 40, y + 15)
        for t in np.flatnonzero(met[:, row]):
            half = (WIDTH - LEFT - RIGHT) / max(1, n - 1) / 2
            x = _x(float(t), n)
            cv2.rectangle(image, (round(x - half), y), (round(x + half), y + 18), _HELD, -1)
        _text(image, name, LEFT + 4, y + 14)
    _mark(image, found, n, 0, STRIP)
    return image

"""What the page of one video shows."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from pipeline.report.content.film import TILES
from pipeline.report.content.gathering import Video
from pipeline.report.content.overlay import ROWS, STEPS, limbs
from pipeline.report.content.space import space_context
from pipeline.report.sections.annotations import Annotated, lane
from pipeline.report.sections.detections import Detections, Span
from pipeline.report.sections.flow_diagram import hues
from pipeline.report.sections.odd import RELATIVE, RULES, Rule
from pipeline.report.sections.run import state_of
from pipeline.terminal import readable

#: joints with a lower score are guesses, as in the previews
SURE = 0.15
#: rows of the table of annotations
MOST_ROWS = 1000
#: curve → title, unit, digits shown, value of the lower edge where it is fixed
CURVES: tuple[tuple[str, str, str, int, float | None], ...] = (
    ("flow", "largest flow", "px", 1, 0.0),
    ("roi_x", "ROI x", "px", 0, None),
    ("roi_y", "ROI y", "px", 0, None),
    ("pose", "pose score", "", 2, 0.0),
    ("mask", "foreground", "%", 1, 0.0),
    ("brightness", "brightness", "levels", 0, None),
)
#: layer → title, stage that it needs, whether it is on at first
LAYERS = (
    ("frame", "Frame", "frames", True),
    ("mask", "Foreground", "foreground", False),
    ("flow", "Flow", "flow", False),
    ("roi", "ROI", "roi", True),
    ("pose", "Skeleton", "descriptor", True),
)


def video_context(
    video: Video,
    annotated: Annotated | None,
    detections: tuple[Detections, str] | None,
    neighbours: tuple[Video | None, Video | None],
) -> dict[str, Any]:
    """Return what the template of a video's page takes.

    Parameters
    ----------
    video : Video
    annotated : Annotated or None
    detections : (Detections, str) or None
        And the video's name among them.
    neighbours : (Video or None, Video or None)
        The videos before and after it.
    """
    note, n = video.note, int(video.note.get("n", 0))
    film = note.get("film") if "film" not in video.problems else None
    spans = annotated.lanes(video.source, n) if annotated is not None and n else []
    rows = annotated.rows(video.source) if annotated is not None else []
    problems = [f"{stage}: {readable(why)}" for stage, why in video.problems.items()]
    if video.foreign:
        problems.append(
            f"not shown, since made of other frames: {', '.join(video.foreign)}; `ttprep run` makes new ones"
        )
    if detections is not None and n:
        found, name = detections
        by_class = hues(sorted({s.label for spotted in found.by_video[name].values() for s in spotted}))
        hue = annotated.hue if annotated is not None else by_class.__getitem__
        for rule, spotted in found.by_video[name].items():
            spans.append(lane(f"detected, {rule}", [(s, s.more, False) for s in spotted], n, hue))
            rows += [(s, f"detected, {rule}{s.more}") for s in spotted if s.score is not None]
        if found.frames[name] != n:
            problems.append(
                f"the detections were made of a video of {found.frames[name]} frames, this one has {n}; "
                "run `tttrain detect` on the dataset of this store"
            )
    context: dict[str, Any] = {
        "name": readable(video.name), "root": "../", "facts": _facts(video), "problems": problems,
        "old": video.old, "data": None, "film": f"{video.id}.mp4" if film else "",
        "before": _neighbour(neighbours[0]), "after": _neighbour(neighbours[1]),
        "results": _results(video), "figures": _figures(note), "spans": spans, "lanes": [],
        "table": [_row(span, of, note) for span, of in rows[:MOST_ROWS]] if n else [],
        "table_more": max(0, len(rows) - MOST_ROWS), "part": "", "film_hint": "", "portrait": False,
        "space": None,
    }  # fmt: skip
    if n:
        begins = sorted({s.begin for s, _ in rows if 0 <= s.begin < n})
        context |= _player(video, film, n) | {"data_n": n}
        context["data"]["begins"] = begins
        scripts = note.get("space", {}).get("scripts", 0)
        if scripts:
            context["space"] = space_context(video.id, scripts)
    return context


def _player(video: Video, film: dict[str, Any] | None, n: int) -> dict[str, Any]:
    note = video.note
    shown = {k: film[k] for k in ("frames", "size", "pitch", "tiles", "largest")} if film else None
    overlay = note.get("overlay", {})
    lanes = [
        {"key": key, "title": title, "unit": unit, "digits": digits, "floor": floor, **note["curves"][key]}
        for key, title, unit, digits, floor in CURVES
        if key in note["curves"]
    ]
    tile, at = (film["tile"], film["at"]) if film else (note["place"][2:], note["place"][:2])
    data = {
        "n": n, "fps": note["fps"], "start": note["start"], "times": note["times"], "film": shown,
        "tile": tile, "at": at, "stored": _stored(video), "crop": note["crop"], "lanes": lanes,
        "overlay": {
            "scripts": overlay.get("scripts", 0), "stem": video.id, "rows": ROWS, "steps": STEPS,
            "sure": SURE, "limbs": limbs(),
        },
    }  # fmt: skip
    part = hint = ""
    if film and film["frames"] < n:
        part = (
            f"The film holds the first {film['frames']} of {n} frames; `ttprep view` with the video's name, "
            f"or `ttprep report --film-frames {n}`, makes all of it."
        )
    if not film:
        hint = "`ttprep report` makes it, with --film-frames above 0"
    rasters = set(film["tiles"]) if film else set()
    there = {
        name: name in rasters if name in TILES else stage in video.receipts for name, _, stage, _ in LAYERS
    }
    return {
        "data": data, "lanes": lanes, "part": part, "film_hint": hint, "portrait": tile[1] > tile[0],
        "layers": [
            {"name": name, "title": title, "on": on, "there": there[name]} for name, title, _, on in LAYERS
        ],
    }  # fmt: skip


def _stored(video: Video) -> list[int]:
    """Return width and height of the stored frame, px; those that are shown where its result went away."""
    receipt = video.receipts.get("frames")
    if receipt is None:
        x, y, width, height = video.note["place"]
        return [2 * x + width, 2 * y + height]
    height, width = receipt.shapes["rgb"][1:3]
    return [width, height]


def _facts(video: Video) -> list[str]:
    figures, receipt = video.note.get("figures", {}), video.receipts.get("frames")
    if receipt is None or not figures:
        return ["no frames: nothing can be shown"]
    attrs = receipt.attrs
    rate = f"{figures['fps']:.4g} frames/s" + (" (variable)" if attrs.get("rate") == "variable" else "")
    facts = [f"{video.note['n']} frames", rate, f"{figures['seconds']:.2f} s"]
    if "source_width" in attrs and "source_height" in attrs:
        facts.append(f"{attrs['source_width']} × {attrs['source_height']} px")
    height, width = receipt.shapes["rgb"][1:3]
    return [*facts, f"stored as {width} × {height} px", f"sha256 {video.sha256[:16]}…"]


def _neighbour(video: Video | None) -> dict[str, str] | None:
    if video is None:
        return None
    return {"file": f"{video.id}.html", "name": readable(PurePosixPath(video.name).name)}


def _results(video: Video) -> list[dict[str, Any]]:
    out = []
    for planned in video.plan:
        stage = planned.node.stage.name
        state, why = state_of(planned, video)
        receipt = video.receipts.get(stage)
        core = float(receipt.run.get("core_s", 0)) if receipt is not None else None
        size = receipt.size if receipt is not None else None
        out.append({"stage": stage, "state": state, "core_s": core, "bytes": size, "why": why})
    return out


def _figures(note: dict[str, Any]) -> list[tuple[str, str]]:
    figures = note.get("figures", {})
    rules = [*RULES, *(Rule(name, title, 0, unit, "") for name, title, unit, _ in RELATIVE)]
    rows = [(r.title, r.text(figures[r.figure])) for r in rules if r.figure in figures]
    if "flow_median" in figures:
        rows.append(("median of the largest flow", f"{figures['flow_median']:.1f} px"))
    return rows


def _row(span: Span, of: str, note: dict[str, Any]) -> dict[str, Any]:
    def time(frame: int) -> float:
        if note["times"] and 0 <= frame < len(note["times"]):
            return float(note["times"][frame])
        return frame / float(note["fps"])

    return {
        "label": readable(span.label), "of": readable(of), "begin": span.begin, "end": span.end,
        "at": f"{note['start'] + time(span.begin):.2f} s",
        "lasts": f"{time(span.end) - time(span.begin):.2f} s",
    }  # fmt: skip

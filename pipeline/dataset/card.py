"""Write DATASET.md: what a dataset file holds, how it was made, and what its limits are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.dataset.content import Content
from pipeline.dataset.summary import Summary
from pipeline.planning.frame_times import VARIABLE
from store.atomic import write_bytes

#: videos named one by one
_NAMED = 3
_MARK = "<!-- made from "
_LOAD = """\
```python
import h5py, hdf5plugin  # pip install h5py hdf5plugin

with h5py.File("{file}") as f:
    first, label = f["samples/first"][0], f["samples/label"][0]
    rgb = f["cuboids/rgb"][first : first + f.attrs["length"]]  # (T, y, x, 3) uint8
```"""


def write_card(path: Path, summary: Summary, picture: Path, content: Content, mark: str) -> None:
    """Write the dataset card.

    Parameters
    ----------
    path : Path
    summary : Summary
    picture : Path
        Picture of samples, linked from the card.
    content : Content
        Its steps of cleaning, from annotations to these samples, and its flags.
    mark : str
        Kept in the card's last line, see :func:`mark_of`.
    """
    lines = [*_lines(summary, picture, content), "", f"{_MARK}{mark} -->"]
    write_bytes(path, ("\n".join(lines) + "\n").encode())


def mark_of(path: Path) -> str:
    """Read the mark that a card was written with; empty where there is none."""
    try:
        last = path.read_text().rstrip().rpartition("\n")[2]
    except (OSError, UnicodeDecodeError):
        return ""
    return last.removeprefix(_MARK).removesuffix(" -->") if last.startswith(_MARK) else ""


def _lines(summary: Summary, picture: Path, content: Content) -> Iterator[str]:
    yield f"# {summary.path.stem}"
    yield ""
    videos = len({summary.videos["sha256"][v] for v in summary.samples["video"]})
    yield (
        f"{len(summary)} samples of {videos} videos for the classification of strokes, "
        "made by ttprep. Its format is described in docs/dataset-format.md of ttprep; reading it needs only "
        "h5py and hdf5plugin."
    )
    yield ""
    yield f"![Samples: what a network sees, frames and flow]({picture.name})"
    yield ""
    yield from _content(summary)
    yield ""
    yield "## Samples by class and split"
    yield ""
    yield from _counts(summary)
    yield ""
    yield "## From annotations to samples"
    yield ""
    yield from _waterfall(content.waterfall.to_json())
    yield ""
    if quality := [*content.flagged.lines()]:
        yield from (*quality, "")
    yield "## Known limits"
    yield ""
    yield from (f"- {text}" for text in limits(summary))
    yield ""
    yield "## Reading it"
    yield ""
    yield _LOAD.format(file=summary.path.name)


def _content(summary: Summary) -> Iterator[str]:
    attrs = summary.attrs
    size = "{} × {} px".format
    frames = sum(summary.samples["rows"])
    others = [name for name in summary.taxonomies if name != attrs["taxonomy"]]
    facts = {
        "modalities": ", ".join(attrs["modalities"]),
        "frames they were cut from": size(*attrs["frame_size"]),
        "crop for a network": size(*attrs["crop"]),
        "window stored (room for augmentation)": size(*attrs["window"]),
        "T": f"{attrs['length']} frames",
        "frames in samples": str(frames),
        "frames of whole videos": str(summary.untrimmed_frames),
        "hours of video": f"{_hours(summary):.3f}",
        "annotators": str(len(_annotators(summary))),
        "players": str(len({p for p in summary.samples["player"] if p})),
        "taxonomy": f"{attrs['taxonomy']}; also {', '.join(others)}",
        "bytes": f"{summary.whole_size} ({summary.whole_size / max(1, frames) / 1e3:.1f} kB per frame)",
        "fingerprint": attrs["fingerprint"],
        "ttprep": attrs["provenance"].get("ttprep", "unknown"),
    }
    if summary.shards:
        facts["shards"] = (
            f"{len(set(summary.shards['name']))} in `{attrs['shards']}`, which goes with the file"
        )
    if "flow_divisor" in summary.statistics:
        x, y = summary.statistics["flow_divisor"]
        facts["flow divisor μ + 3σ (x, y)"] = f"{x:.3f}, {y:.3f} px"
    yield "| | |"
    yield "|---|---|"
    yield from (f"| {name} | {value} |" for name, value in facts.items())


def _hours(summary: Summary) -> float:
    videos = summary.videos  # several players of a video are several rows
    lengths = dict(zip(videos["sha256"], zip(videos["n_frames"], videos["fps"], strict=True), strict=True))
    return float(sum(n / fps for n, fps in lengths.values() if fps) / 3600)


def _annotators(summary: Summary) -> set[str]:
    return {name for names in summary.samples["annotators"] for name in names.split(";") if name}


def _counts(summary: Summary) -> Iterator[str]:
    splits = summary.attrs["splits"]
    yield f"| class | {' | '.join(splits)} | all |"
    yield "|---|" + "---:|" * (len(splits) + 1)
    total: Counter[str] = Counter()
    for name, by_split in summary.counts().items():
        total.update(by_split)
        cells = " | ".join(str(by_split[s]) for s in splits)
        yield f"| {_cell(name) or '(no class)'} | {cells} | {sum(by_split.values())} |"
    yield f"| **all** | {' | '.join(str(total[s]) for s in splits)} | {sum(total.values())} |"


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def _waterfall(waterfall: dict[str, Any]) -> Iterator[str]:
    yield "| rule | left | of | dropped |"
    yield "|---|---:|---|---|"
    for step in waterfall["steps"]:
        dropped = ", ".join(f"{n} {_cell(reason)}" for reason, n in step["dropped"].items())
        yield f"| {step['name']} | {step['count']} | {step['unit']} | {dropped} |"


def limits(summary: Summary) -> Iterator[str]:
    """Yield what those who train on this file should know, one sentence each."""
    attrs, samples, splits = summary.attrs, summary.samples, summary.splits
    for name, by_split in summary.counts().items():
        if name and any(by_split.values()) and not all(by_split.values()):
            missing = ", ".join(s for s, n in by_split.items() if not n)
            yield f"No sample of the class {_cell(name)} in {missing}."
    empty = [c for c, by_split in summary.counts().items() if not any(by_split.values())]
    if empty:
        yield f"{len(empty)} of {len(attrs['classes'])} classes have no sample: {_cell(', '.join(empty))}."
    rule = attrs["parameters"]["splits"]["by"]
    where: dict[str, set[str]] = defaultdict(set)
    for video, split in zip(samples["video"], splits, strict=True):
        where[summary.videos["sha256"][video]].add(split)
    shared = sum(len(s) > 1 for s in where.values())
    if shared:
        yield (
            f"Splits are by {rule}: {shared} of {len(where)} videos have samples in several splits, so a "
            "test sees scenes, players and light known from training."
        )
    length = attrs["length"]
    spans = [e - b for b, e in zip(samples["begin"], samples["end"], strict=True)]
    short = sum(s < length for s in spans)
    if short:
        yield f"{short} of {len(spans)} samples are shorter than T and extended into their surroundings."
    frames = summary.videos["n_frames"]
    padded = sum(frames[v] < length for v in samples["video"])
    if padded:
        yield f"{padded} samples are of videos shorter than T: their last frame is repeated, with zero flow."
    alone = sum(len([a for a in names.split(";") if a]) < 2 for names in samples["annotators"])
    if alone:
        yield f"{alone} of {len(summary)} labels rest on one annotator or on none that is named."
    if summary.without_pose:
        yield (
            f"In {summary.without_pose:.1%} of the frames nobody was found: all joints lie at the ROI "
            "centre, with score 0."
        )
    rates = sorted({round(fps, 3) for fps in summary.videos["fps"]})
    if len(rates) > 1:
        rates_text = ", ".join(f"{r:g}" for r in rates)
        yield f"Frame rates differ ({rates_text} 1/s), so T frames span different times."
    uneven = [v for v, rate in enumerate(summary.videos.get("rate", [])) if rate == VARIABLE]
    if uneven:
        names = ", ".join(summary.videos["name"][v] for v in uneven[:_NAMED])
        more = f" and {len(uneven) - _NAMED} more" if len(uneven) > _NAMED else ""
        cut = sum(v in uneven for v in samples["video"])
        yield (
            f"The frame rate of {len(uneven)} videos changes ({_cell(names)}{more}), so T frames of their"
            f" {cut} samples span different times, and flow is that of unequal steps."
        )
    if "flow" in attrs["modalities"]:
        yield (
            "Flow is kept in the foreground only, in steps of 1/64 px; the background model is least "
            "reliable at the beginning of a video."
        )
    yield from (f"Left out: {_cell(text)}." for text in attrs["left_out"])
    yield "The rights in the videos lie with their makers; ttprep knows nothing about them."

"""``tttrain detect``: find strokes in whole videos."""

from __future__ import annotations

from pathlib import Path

import click

from tttrain import errors
from tttrain.cli import options as shared
from tttrain.cli.output import echo, echo_json, number, percent, precision_recall_f, say, stderr
from tttrain.cli.progress import Bar
from tttrain.cli.table import print_table


@click.command()
@click.argument("run", type=shared.PATH)
@shared.DATASET
@click.option(
    "--video", "videos", multiple=True, metavar="NAME", help="Search only this video; may be repeated."
)
@click.option(
    "--split", default="all", show_default=True, help="Search only videos with samples of this split."
)
@click.option(
    "--step", type=shared.COUNT, default=1, show_default=True,
    help="Slide the window by this many frames.",
)  # fmt: skip
@click.option(
    "--window", type=shared.COUNT,
    help="Vote and average over this many frames. [default: 150 at 120 frames/s, scaled to the video's rate]",
)  # fmt: skip
@click.option(
    "--gauss-window", type=shared.COUNT,
    help="Weight the scores by a Gaussian over this odd number of frames. "
    "[default: 201 at 120 frames/s, scaled]",
)  # fmt: skip
@click.option(
    "--shortest", type=shared.COUNT,
    help="Drop detections of fewer frames than this. [default: 30 at 120 frames/s, scaled]",
)  # fmt: skip
@shared.BATCH
@shared.OUTPUT
@shared.DEVICE
@shared.THREADS
@shared.JSON
def detect(
    run: Path, dataset: Path | None, videos: tuple[str, ...], split: str, step: int, window: int | None,
    gauss_window: int | None, shortest: int | None, batch: int, output: Path | None, device: str | None,
    as_json: bool,
) -> int:  # fmt: skip
    """Find and classify strokes in whole videos, by vote, average and Gaussian along time."""
    from tttrain.evaluation.detect import detect as detect_strokes
    from tttrain.evaluation.trained_network import load_network
    from tttrain.training.device import choose_device

    where = output or run / "detect"
    network = load_network(run, dataset, choose_device(device))
    with Bar(stderr(), "windows") as bar:
        report = detect_strokes(
            network, where, videos=videos, split=split, step=step, batch=batch, window=window,
            gauss_window=gauss_window, shortest=shortest,
            tell=lambda video, done, n: bar.update(done, n, video),
        )  # fmt: skip
    for note in report["notes"]:
        say(stderr(), f"note: {note}")
    usual = {"window": (window, 150), "gauss_window": (gauss_window, 201), "shortest": (shortest, 30)}
    scaled = [name for name, (given, _) in usual.items() if given is None]
    used = dict.fromkeys(tuple(v[name] for name in scaled) for v in report["videos"])
    if any(values != tuple(usual[name][1] for name in scaled) for values in used):
        flags = [f"--{name.replace('_', '-')}" for name in scaled]
        words = (" ".join(f"{f} {n}" for f, n in zip(flags, values, strict=True)) for values in used)
        at = ", ".join(str(usual[name][1]) for name in scaled)
        say(stderr(), f"note: by the videos' rates, {'; '.join(words)} ({at} at 120 frames/s)")
    if as_json:
        echo_json(report)
        return errors.OK
    heads = ("rule", "accuracy", "without negative", "negative P / R / F", "strokes", "IoU", "mAP")
    rows = []
    for rule, found in report["rules"].items():
        spans = found["intervals"]
        rows.append((
            rule, percent(found["accuracy"]), percent(found["accuracy_without_negative"]),
            precision_recall_f(found["negative"]), f"{spans['found']} of {spans['true']}",
            number(spans["iou"]), number(spans["map"]),
        ))  # fmt: skip
    print_table(heads, rows)
    seen = [v["video"] for v in report["videos"] if v["trained_on"]]
    if seen:
        say(stderr(), f"note: this is no test: the network was trained on strokes of {', '.join(seen)}")
    n = len(report["videos"])
    echo(
        f"{n} video{'s' * (n > 1)}, {sum(v['frames'] for v in report['videos'])} frames; "
        f"{network.state()}; the most frequent class alone: {percent(report['majority'])}",
        where,
    )
    return errors.OK

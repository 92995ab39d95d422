"""``ttprep focus``: show whom or where a video's focus may be, and write the choice into the manifest."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline import errors
from pipeline.cli.options import JSON, PATH, WEIGHTS, WORKERS, make_request, next_step, note, options, stderr
from pipeline.errors import USAGE, UserError
from pipeline.terminal import echo, echo_json

if TYPE_CHECKING:
    from pipeline.inputs.manifest_editing import Focus
    from pipeline.inputs.sources import Source
    from pipeline.pictures.candidates import Candidate, People
    from pipeline.planning.request import Request
    from store import Store


@click.command()
@click.argument("video", metavar="VIDEO")
@options(paths=False)
@click.option("--choose", type=click.IntRange(1), metavar="N", help="Take the candidate of this number.")
@click.option(
    "--player", "players", multiple=True, metavar="NAME=N",
    help="Take this candidate for a player; repeated for several players of the video.",
)  # fmt: skip
@click.option("--print", "only_print", is_flag=True, help="Print the line alone, and change no manifest.")
@click.option(
    "-o", "--output", type=PATH, metavar="FILE.png",
    help="The picture; default: VIDEO.focus.png, in this folder.",
)  # fmt: skip
@WORKERS
@WEIGHTS
@JSON
def focus(
    video: str, store_root: Path | None, manifest: Path | None, choose: int | None, players: tuple[str, ...],
    only_print: bool, output: Path | None, workers: int | None, pose_weights: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """Say where the player of a video is, or whom to follow.

    A picture of VIDEO is written with a number at each candidate: the people who are followed through it,
    and the halves of the picture. The number that is given, or typed, becomes the video's `focus` in the
    manifest.
    """
    from pipeline.inputs.manifest import DEFAULT_NAME
    from pipeline.inputs.manifest_editing import focus_line, write_focus
    from pipeline.planning.request import Where

    if choose is not None and players:
        raise click.UsageError("--choose is for the whole video, --player for one of several; give one")
    numbers = _numbers(players)
    place = manifest or Path(DEFAULT_NAME)
    if not only_print and not place.is_file():
        raise UserError(
            f"{place}: is not there to write into; `ttprep init` makes one, or add --print",
            USAGE,
        )
    request = make_request(store_root, manifest, pose_weights=pose_weights, where=Where(workers))
    source, offered, picture = _offer(request, video, output)
    if not (as_json or only_print):
        for one in offered:
            echo(f"{one.number}: {one.text} ({_shown(one)})")
        echo(f"picture: {picture}")
    chosen: Focus | None = None
    if numbers:
        chosen = {name: _value(offered, n) for name, n in numbers.items()}
    elif choose is not None:
        chosen = _value(offered, choose)
    elif sys.stdin.isatty() and not as_json:
        chosen = _value(offered, click.prompt("number", type=click.IntRange(1, len(offered)), err=True))
    changed: list[str] = []
    if chosen is not None and not only_print:
        changed = write_focus(place, source.path, chosen)
    line = "" if chosen is None else focus_line(chosen)
    if as_json:
        echo_json(
            {
                "video": source.video,
                "picture": str(picture),
                "candidates": [
                    {"number": c.number, "value": c.value, "text": c.text, "kind": c.kind} for c in offered
                ],
                "line": line,
                "changed": changed,
            }
        )
        return errors.OK
    if chosen is None:
        raise UserError(
            f"{source.video}: no candidate is chosen; add --choose N, or --player NAME=N for each of several",
            USAGE,
        )
    if only_print:
        echo(line)
        return errors.OK
    echo(f"{place}: {'changed' if changed else f'says {line} already'}")
    for text in changed:
        echo(text)
    if changed:
        next_step("`ttprep plan` says what a run computes again")
    return errors.OK


def _numbers(players: Sequence[str]) -> dict[str, int]:
    """Read ``NAME=N`` of each player."""
    found: dict[str, int] = {}
    for text in players:
        name, equals, number = text.rpartition("=")
        if not equals or not name.strip() or not (number.isascii() and number.isdigit()):
            raise click.UsageError(f"--player {text}: is not of the form NAME=N, as in --player anna=1")
        if name.strip() in found:
            raise click.UsageError(f"--player {text}: {name.strip()} has a number already")
        found[name.strip()] = int(number)
    return found


def _value(offered: Sequence[Candidate], number: int) -> Any:
    chosen = next((one for one in offered if one.number == number), None)
    if chosen is None:
        raise UserError(f"there is no candidate {number}; choose 1 to {len(offered)}", USAGE)
    return chosen.value


def _shown(one: Candidate) -> str:
    return one.value if isinstance(one.value, str) else str([float(f"{v:.3g}") for v in one.value])


def _offer(request: Request, word: str, output: Path | None) -> tuple[Source, list[Candidate], Path]:
    """Make what is needed of one video, and draw it with its candidates."""
    from pipeline import owned
    from pipeline.pictures.candidates import candidates, draw_candidates, telling_frame
    from pipeline.pictures.png import encode_png
    from store import Store

    store = Store.create(request.store_root)
    source, people, rgb, size = _look(request, word, store, telling_frame)
    offered = candidates(people, *size)
    picture = output or Path(f"{source.path.stem}.focus.png")
    if picture.suffix.lower() != ".png":
        raise UserError(f"{picture}: is no name of a picture; end it in .png", USAGE)
    owned.write(picture, encode_png(draw_candidates(rgb, offered)))
    return source, offered, picture


def _look(
    request: Request, word: str, store: Store, telling_frame: Any
) -> tuple[Source, People | None, Any, tuple[int, int]]:
    """Find the people of a video, and a frame that shows them; without PoseNet's weights the frame alone."""
    from pipeline.cli.results.finding import survey_of
    from pipeline.run import run

    sources = survey_of(replace(request, stages=("frames",)), [word], store, stderr()).sources
    if len({s.sha256 for s in sources}) != 1:
        raise UserError(f"{word}: holds {len({s.sha256 for s in sources})} videos; name one of them", USAGE)
    path = sources[0].path
    done = run(replace(request, paths=(path,), stages=("people",)), stderr())
    plan = {p.node.stage.name: p for own in done.overview.plans.values() for p in own}
    if "frames" not in plan or plan["frames"].state != "done":
        failed = [job.reason for job in done.jobs if job.state == "failed"] + done.overview.problems
        raise UserError(failed[0] if failed else f"{word}: its frames cannot be made")
    people = _people(store, plan["people"].node.slot) if plan["people"].state == "done" else None
    if people is None:
        # the run has said already what it lacks
        why = "" if done.overview.unavailable else ": pose could not be computed"
        note(f"nobody was looked for{why}; the halves of the picture remain")
    with store.reader(plan["frames"].node.slot) as reader:
        n, height, width = reader.dataset("rgb").shape[:3]
        at = telling_frame(people, n)
        return sources[0], people, reader.read("rgb", at, at + 1)[0], (width, height)


def _people(store: Store, slot: Any) -> People:
    from pipeline.pictures.candidates import People

    with store.reader(slot) as reader:
        tracks = reader.attrs().get("tracks", ())
        return People(reader.read("player"), reader.read("box"), tracks)

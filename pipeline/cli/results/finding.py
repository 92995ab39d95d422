"""Find a video by what a user calls it: a path, the end of one, a name, an id."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from pipeline.errors import FAILED, USAGE, UserError
from pipeline.inputs.sources import Source
from pipeline.planning.request import Request
from pipeline.planning.staleness import Planned
from pipeline.planning.survey import Overview, survey
from store import Store


def survey_of(request: Request, words: Sequence[str], store: Store, console: Console) -> Overview:
    """Survey the videos that ``words`` name; all of the manifest where there is none.

    Parameters
    ----------
    request : Request
    words : sequence of str
        Paths that exist; or names, ends of paths and ids of videos of the manifest.
    store : Store
    console : Console
        stderr.

    Raises
    ------
    UserError
        A word names no video, or several; the message lists the near ones.
    """
    if words and all(Path(w).exists() for w in words):
        overview = survey(replace(request, paths=tuple(map(Path, words))), store, console)
    else:
        overview = survey(request, store, console)
        chosen = [_named(word, overview.sources) for word in words]
        if words:
            overview.sources = list({s.view_id: s for s in itertools.chain.from_iterable(chosen)}.values())
    if overview.problems and not overview.sources:
        raise UserError(overview.problems[0], FAILED)
    return overview


def by_player(player: str, sources: Sequence[Source]) -> Source:
    """Return the view of a player, or of what else tells views of a video apart.

    Raises
    ------
    UserError
        There is no such view, or several videos have one.
    """
    found = [s for s in sources if player.strip().casefold() == s.view.casefold()]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(s.name for s in found[:5])
        raise UserError(f"{player}: a player of {len(found)} videos ({names}); name one of them", USAGE)
    names = ", ".join(dict.fromkeys(s.view for s in sources if s.view)) or "no name in the manifest's focus"
    raise UserError(f"there is no player {player!r}; known: {names}", USAGE)


def _named(word: str, sources: Sequence[Source]) -> list[Source]:
    """Return the video that a word names: all of its views, or one, as ``match.mp4 (anna)``.

    Raises
    ------
    UserError
        None does, or several do.
    """
    found = [s for s in sources if s.is_called(word)]
    if len({s.sha256 for s in found}) == 1:
        return found
    if found:
        names = ", ".join(s.name for s in found[:5])
        raise UserError(f"{word}: {len(found)} videos are called so ({names}); give the path", USAGE)
    near = difflib.get_close_matches(word, [s.path.name for s in sources], 3, 0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else "`ttprep status` lists the videos"
    raise UserError(f"{word}: no such file, and no video of the manifest is called so; {hint}", USAGE)


def made(overview: Overview, source: Source, stage: str) -> Planned:
    """Return the finished result of a stage of a video.

    Raises
    ------
    UserError
        There is none; says why, and which command makes it.
    """
    plan = overview.plans[source.view_id]
    planned = next((p for p in plan if p.node.stage.name == stage), None)
    if planned is None:
        names = ", ".join(p.node.stage.name for p in plan)
        raise UserError(f"{source.name}: {stage} is no stage of this video; it has {names}", FAILED)
    if planned.state != "done":
        why = "; ".join(map(str, planned.reasons))
        raise UserError(
            f"{source.name}: {stage} is {planned.state} ({why}); `ttprep run --stage {stage}` makes it",
            FAILED,
        )
    return planned

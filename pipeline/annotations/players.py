"""Give the annotations of a video with several players to the player whom they name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.annotations.parsing.focus import read_focus
from pipeline.annotations.parsing.text import shown
from pipeline.annotations.records import Annotation, Issue, VideoFacts
from pipeline.discovery import view_name

#: lines that a finding names
_PLACES = 8


@dataclass(frozen=True)
class Assigned:
    """Annotations by player.

    Attributes
    ----------
    annotations : tuple of Annotation
        Their ``video`` is that of the view.
    videos : dict of str to VideoFacts
        By name of the view: each player of a video counts as a video of their own.
    nobody : tuple of Annotation
        Those that name none of the players.
    issues : tuple of Issue
        One for each file and video with such entries; focuses that cannot be understood.
    """

    annotations: tuple[Annotation, ...]
    videos: Mapping[str, VideoFacts]
    nobody: tuple[Annotation, ...]
    issues: tuple[Issue, ...]


def assign_players(
    annotations: Iterable[Annotation],
    videos: Mapping[str, VideoFacts],
    players: Mapping[str, Sequence[str]],
) -> Assigned:
    """Give each annotation to the player whom its player or focus names; upper and lower case are the same.

    Parameters
    ----------
    annotations : iterable of Annotation
    videos : mapping of str to VideoFacts
    players : mapping of str to sequence of str
        The names of the players, of those videos that have several.
    """
    viewed: dict[str, VideoFacts] = {}
    for video, facts in videos.items():
        for player in players.get(video) or ("",):
            identity = f"{facts.content_id}/{player}" if player and facts.content_id else facts.content_id
            own = replace(facts, content_id=identity, player=player, view=player) if player else facts
            viewed[view_name(video, player)] = own
    given: list[Annotation] = []
    nobody: list[Annotation] = []
    issues: list[Issue] = []
    for a in annotations:
        names = players.get(a.video, ())
        if not names:
            given.append(_understood(a, issues))
            continue
        named = player_of(a, names)
        if not named:
            nobody.append(a)
            continue
        focus = "" if a.focus.casefold() == named.casefold() else a.focus
        a = replace(a, video=view_name(a.video, named), player=named, focus=focus)
        given.append(_understood(a, issues))
    issues += _nameless(nobody, players)
    return Assigned(tuple(given), viewed, tuple(nobody), tuple(issues))


def player_of(a: Annotation, players: Sequence[str]) -> str:
    """Return which of a video's players an annotation names; one that names nobody is of an only player.

    Returns
    -------
    str
        Empty: none of them.
    """
    names = {name.casefold(): name for name in players}
    found = names.get(a.player.casefold()) or names.get(a.focus.casefold())
    return found or (players[0] if len(players) == 1 and not a.player else "")


def _understood(a: Annotation, issues: list[Issue]) -> Annotation:
    """Return an annotation without its focus where that cannot be understood."""
    if a.focus:
        try:
            read_focus(a.focus)
        except ValueError as error:
            issues.append(
                Issue(a.file, a.line, "malformed", f"focus: {error}; the focus of the video counts")
            )
            return replace(a, focus="")
    return a


def _nameless(nobody: Iterable[Annotation], players: Mapping[str, Sequence[str]]) -> Iterable[Issue]:
    """Yield one finding per file, video and name: every line of the file would repeat it."""
    found: dict[tuple[str, str, str], list[int]] = {}
    for a in nobody:
        found.setdefault((a.file, a.video, a.player or a.focus), []).append(a.line)
    for (file, video, player), lines in found.items():
        places = sorted(set(lines))
        some = ", ".join(map(str, places[:_PLACES])) + (", …" if len(places) > _PLACES else "")
        count = f"{len(lines)} entries, line{'s' * (len(places) > 1)} {some}" if len(lines) > 1 else "1 entry"
        who = f"the player {shown(player)} is none of them" if player else "no player is named"
        yield Issue(
            file,
            places[0],
            "unknown-player",
            f"{video} has the players {', '.join(players[video])}, and {who} ({count});"
            " name one of them in the column of the player, which a CSV table has",
        )

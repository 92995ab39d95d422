"""A video's focus as people write it in the manifest: one for all of it, or one for each player."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from pipeline.annotations.parsing.focus import read_focus
from stages.focus import Focus

#: players of a video with the focus of each; one without a name where one focus serves the whole video
Foci = tuple[tuple[str, Focus], ...]
#: letters of a player's name
LONGEST_NAME = 100


def read_foci(value: Any) -> Foci:
    """Read the focus of a video: one for all of it, or one for each of its players by name.

    Raises
    ------
    ValueError
        It is none; the message says in one line why.
    """
    if value is None or value == []:
        return ()
    if isinstance(value, tuple) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in value):
        value = dict(value) if value and isinstance(value[0][0], str) else list(value)
    if not isinstance(value, dict) or (value and set(value) <= set(Focus.model_fields)):
        return (("", read_focus(value)),)
    if [*value] == [""]:
        return (("", read_focus(value[""])),)
    foci: dict[str, Focus] = {}
    for name, focus in value.items():
        player = str(name).strip()
        _require_name(player, foci)
        try:
            foci[player] = read_focus(focus)
        except ValueError as error:
            raise ValueError(f"{player}: {error}") from None
    return tuple(foci.items())


def _require_name(player: str, others: Iterable[str]) -> None:
    if not player or len(player) > LONGEST_NAME or not player.isprintable():
        raise ValueError(f"name each player in 1 to {LONGEST_NAME} letters, as in {{anna: left, ben: right}}")
    if player.casefold() in (other.casefold() for other in others):
        raise ValueError(f"two players are called {player!r}; rename one")


def _written(foci: Foci) -> Any:
    """Return the focus of a video as JSON values that :func:`read_foci` reads."""
    return {name: focus.written() for name, focus in foci}


#: as a field of the manifest
FociField = Annotated[
    Foci, PlainValidator(read_foci), PlainSerializer(_written), WithJsonSchema({"type": "any"})
]

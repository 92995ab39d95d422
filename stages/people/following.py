"""What the ROI and the descriptor read of somebody who is followed."""

from __future__ import annotations

from stages.base import Array, Block
from stages.focus import Focus
from stages.people.sides import SIDES

#: what is read → the arrays that hold it: of who stands on a side, and of who plays
FOLLOWED = {what: (f"people.{what}", f"player.{what}") for what in ("box", "pose")}


def followed_input(focus: Focus | None, what: str) -> tuple[str, ...]:
    """Return the array to read for a focus, none where it follows nobody.

    Parameters
    ----------
    focus : Focus or None
    what : {"box", "pose"}
    """
    if focus is None or not focus.follow:
        return ()
    side, playing = FOLLOWED[what]
    return (playing if focus.follow == "most" else side,)


def followed(block: Block, focus: Focus | None, what: str) -> Array | None:
    """Return a block's rows of ``what`` of the person that a focus follows; None where it follows nobody."""
    names = followed_input(focus, what)
    if focus is None or not names:
        return None
    rows = block.rows(names[0])
    return rows if focus.follow == "most" else rows[:, SIDES.index(focus.follow)]

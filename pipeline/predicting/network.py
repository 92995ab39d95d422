"""The bridge to tttrain, which is imported here, inside functions, and nowhere else: it needs torch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import USAGE, UserError

if TYPE_CHECKING:
    from tttrain.evaluation.along_time.new_video import Needs
    from tttrain.evaluation.trained_network import TrainedNetwork

Scores = NDArray[np.float64]
#: rule of the command line → its name in tttrain [3S §3.3]
RULES = {"vote": "vote", "average": "average", "gaussian": "gauss"}


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Turn what tttrain has to say to a user into an error of ours."""
    from tttrain.errors import TrainError

    try:
        yield
    except TrainError as e:
        raise UserError(str(e), e.code) from e


def require_torch() -> None:
    """Raise a UserError that says what to install where torch is missing."""
    if find_spec("torch") is None:
        raise UserError('predict needs torch, which is not here; `pip install "ttprep[train]"` installs it')


def read_needs(run: Path) -> Needs:
    """Return what a run's network needs of a video; a UserError where the run cannot be used."""
    require_torch()
    with told():
        from tttrain.evaluation.along_time.new_video import read_needs as read

        return read(run)


@dataclass(frozen=True)
class Span:
    """A stroke among the rows that the network saw.

    Attributes
    ----------
    begin, end : int
        Rows [begin, end).
    label : int
        Class.
    score : float
        Mean of the network's scores for that class over these rows, 0…1.
    """

    begin: int
    end: int
    label: int
    score: float


@dataclass
class Network:
    """A trained network, loaded when it is first used.

    Attributes
    ----------
    needs : Needs
    device : str or None
        As for ``tttrain``; None: a GPU where there is one.
    step, batch : int
        Frames from one window to the next; windows per forward pass.
    borders : bool
        Slide half a window beyond both ends of a video.
    """

    needs: Needs
    device: str | None
    step: int
    batch: int
    borders: bool = False
    _loaded: TrainedNetwork | None = None

    def load(self) -> TrainedNetwork:
        """Return the network; a UserError where it cannot be loaded."""
        if self._loaded is None:
            with told():
                from tttrain.evaluation.along_time.new_video import open_for
                from tttrain.training.device import choose_device

                self._loaded = open_for(self.needs, choose_device(self.device))
        return self._loaded

    def scores(
        self, read: Callable[[str, int, int], NDArray[Any]], n: int, tell: Callable[[int, int], None]
    ) -> Scores:
        """Return the class scores (n, C) of the rows of a video.

        Parameters
        ----------
        read : callable
            Name of an array, first row, number of rows → these rows.
        n : int
            Rows.
        tell : callable
            Told the number of windows done, and of all.
        """
        from tttrain.evaluation.along_time.sliding_window import window_scores

        network = self.load()
        with told():
            return window_scores(
                network, read, n, step=self.step, batch=self.batch, borders=self.borders, tell=tell
            )

    @property
    def negative(self) -> int:
        """Index of the class without a stroke, −1 where there is none."""
        names = [name.casefold() for name in self.needs.classes]
        return names.index("negative") if "negative" in names else -1


def windows_at(rate: float) -> tuple[int, int, int]:
    """Return the windows of the rules and the least length of a stroke at a rate, frames [3S §3.3]."""
    from tttrain.evaluation import decision_rules

    return decision_rules.windows_at(rate)


def find_strokes(scores: Scores, rule: str, windows: tuple[int, int, int], negative: int) -> list[Span]:
    """Return the strokes that a decision rule finds.

    Parameters
    ----------
    scores : (n, C) float
    rule : str
        Of :data:`RULES`.
    windows : (int, int, int)
        Of vote and average, of the Gaussian, and the least length of a stroke; rows.
    negative : int
        Class without a stroke.
    """
    from tttrain.evaluation.decision_rules import decisions, strokes

    vote, gauss, shortest = windows
    labels = decisions(scores, vote, gauss)[RULES[rule]]
    return [
        Span(s.begin, s.end, s.label, float(scores[s.begin : s.end, s.label].mean()))
        for s in strokes(labels, negative, shortest)
    ]


def usage(text: str) -> UserError:
    """Return an error of wrong usage."""
    return UserError(text, USAGE)

"""Schedules of the learning rate: rate, momentum and restarts along the epochs.

A schedule depends on the curve so far and nothing else, so that a resumed run replays the recorded epochs
and stands where it stood. :mod:`tttrain.training.optimizer` sets what is decided here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

#: momentum of [SSTC] §IV-D by the epoch from which it holds
SIAMESE_MOMENTUM = ((0, 0.5), (1000, 0.1), (1500, 0.05))


@dataclass(frozen=True)
class Point:
    """One epoch of the curve.

    Attributes
    ----------
    train_loss, validation_loss : float
        Mean cross-entropy.
    validation_accuracy : float
        In 0…1. Both are NaN without validation.
    """

    train_loss: float
    validation_loss: float
    validation_accuracy: float


@dataclass(frozen=True)
class Move:
    """What is to be done after an epoch.

    Attributes
    ----------
    improved : bool
        The state is the best so far: save it.
    reload : bool
        Go back to the best state.
    lr, momentum : float
        For the next epoch.
    why : str
        Reason of a change, else empty.
    """

    improved: bool
    reload: bool
    lr: float
    momentum: float
    why: str = ""


class Schedule(Protocol):
    """Decides after every epoch.

    Attributes
    ----------
    lr, momentum : float
        In force now.
    """

    lr: float
    momentum: float

    def step(self, point: Point) -> Move:
        """Record an epoch and decide."""
        ...


class WarmRestart:
    """The learning-rate scheduler with warm restarts of [3S] §2.7 and [ATT] §IV-C.

    - The state with the lowest validation loss is the best state.
    - A learning rate is kept for ``patience`` epochs. From then on, as soon as the mean training loss
      of the last ``recent`` epochs exceeds that of the ``before`` epochs before them, the best state
      is loaded again and the learning rate divided by ``factor``.
    - The same happens at once when the validation accuracy falls under ``drop`` of that of the best state.
      (Not of the highest one ever: where loss and accuracy part ways, the state that is loaded again may
      itself lie under it, and every epoch would restart.)
    - ``lowest`` is followed by ``highest`` again.

    The means reach back over a change of the learning rate (25 + 35 epochs exceed a patience of 50);
    at the start of training, where fewer than 35 epochs precede the last 25, those that exist count.

    Parameters
    ----------
    highest, lowest : float
        Learning rates.
    momentum : float
    patience, recent, before : int
        Epochs.
    drop : float
        Share of the best state's validation accuracy; 0: never restart because of it.
    factor : float
    """

    def __init__(
        self,
        *,
        highest: float = 0.01,
        lowest: float = 1e-5,
        momentum: float = 0.5,
        patience: int = 50,
        recent: int = 25,
        before: int = 35,
        drop: float = 0.7,
        factor: float = 10.0,
    ) -> None:
        self.lr, self.momentum = highest, momentum
        self._highest, self._lowest, self._factor = highest, lowest, factor
        self._patience, self._recent, self._before, self._drop = patience, recent, before, drop
        self._losses: list[float] = []
        self._since = 0
        self._best = Point(np.nan, np.inf, 0.0)

    def step(self, point: Point) -> Move:
        """Record an epoch and decide."""
        self._losses.append(point.train_loss)
        self._since += 1
        improved = point.validation_loss < self._best.validation_loss
        if improved:
            self._best = point
        why = ""
        if point.validation_accuracy < self._drop * self._best.validation_accuracy:
            why = (
                f"validation accuracy {point.validation_accuracy:.3f} fell under {self._drop:g} of the "
                f"best state's, {self._best.validation_accuracy:.3f}"
            )
        elif self._since >= self._patience:
            why = self._plateau()
        if not why:
            return Move(improved, False, self.lr, self.momentum)
        self.lr = self._next_lr()
        self._since = 0
        return Move(improved, True, self.lr, self.momentum, f"{why}; learning rate {self.lr:g}")

    def _plateau(self) -> str:
        last = self._losses[-self._recent :]
        earlier = self._losses[-self._recent - self._before : -self._recent]
        if not earlier or np.mean(last) <= np.mean(earlier):
            return ""
        return (
            f"mean training loss of the last {len(last)} epochs, {np.mean(last):.4g}, exceeds that of "
            f"the {len(earlier)} before, {np.mean(earlier):.4g}"
        )

    def _next_lr(self) -> float:
        # rounding must not put one more step between 1e-5 and the restart
        lower = float(f"{self.lr / self._factor:.6g}")
        return lower if lower >= self._lowest * (1 - 1e-6) else self._highest


class Siamese:
    """The schedule of [SSTC] §IV-D: one learning rate, momentum falling at given epochs.

    The best state is that with the highest validation accuracy.

    Parameters
    ----------
    lr : float
    momentum : sequence of (int, float)
        (first epoch, counted from 0; momentum from there on).
    """

    def __init__(
        self, *, lr: float = 0.001, momentum: Sequence[tuple[int, float]] = SIAMESE_MOMENTUM
    ) -> None:
        self.lr = lr
        self._steps = tuple(momentum)
        self.momentum = self._steps[0][1]
        self._epoch = 0
        self._best = -1.0

    def step(self, point: Point) -> Move:
        """Record an epoch and decide."""
        self._epoch += 1
        improved = point.validation_accuracy > self._best
        self._best = max(self._best, point.validation_accuracy)
        now = [value for start, value in self._steps if start <= self._epoch][-1]
        why = f"momentum {now:g}" if now != self.momentum else ""
        self.momentum = now
        return Move(improved, False, self.lr, self.momentum, why)


class Constant:
    """One learning rate and momentum throughout, as [GRU] and [LSTM] have it.

    The papers do not say which state they test. Here the best state is the one with the highest
    validation accuracy, and among equals the one with the lowest loss: with a few dozen validation
    samples ties are common. Without validation it is the last one.

    Parameters
    ----------
    lr : float
    momentum : float
        Ignored by Adam.
    """

    def __init__(self, *, lr: float = 1e-4, momentum: float = 0.0) -> None:
        self.lr, self.momentum = lr, momentum
        self._best = (-1.0, -np.inf)

    def step(self, point: Point) -> Move:
        """Record an epoch and decide."""
        here = (point.validation_accuracy, -point.validation_loss)
        improved = np.isnan(point.validation_accuracy) or here > self._best
        self._best = max(self._best, here)
        return Move(bool(improved), False, self.lr, self.momentum)

"""Each move of the schedules on made-up curves."""

from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

from tttrain.training.config import RunConfig
from tttrain.training.lr_schedule import Move, Point, Schedule, Siamese, WarmRestart

#: training loss, validation loss, validation accuracy
Epoch = tuple[float, float, float]


def _run(schedule: Schedule, points: list[Epoch]) -> list[Move]:
    return [schedule.step(Point(*p)) for p in points]


def _falling(n: int, start: float = 1.0, slope: float = 0.01, accuracy: float = 0.8) -> list[Epoch]:
    return [(start - slope * i, start - slope * i, accuracy) for i in range(n)]


def test_a_falling_loss_changes_nothing() -> None:
    moves = _run(WarmRestart(), _falling(90))
    assert all(m.improved and not m.reload and m.lr == 0.01 and m.momentum == 0.5 for m in moves)


def test_the_best_state_is_the_lowest_validation_loss() -> None:
    losses = [1.0, 0.8, 0.9, 0.8, 0.7]
    moves = _run(WarmRestart(), [(1.0, v, 0.5) for v in losses])
    assert [m.improved for m in moves] == [True, True, False, False, True]


def test_plateau_after_the_patience_divides_the_rate_and_reloads() -> None:
    # 40 epochs down, then up: at epoch 50 the last 25 (epochs 26-50) against those before (1-25)
    points = [(1 - 0.01 * i, 0.5, 0.8) for i in range(40)] + [(1.5, 0.5, 0.8)] * 10
    moves = _run(WarmRestart(), points)
    assert not any(m.reload for m in moves[:49])
    assert moves[49].reload
    assert moves[49].lr == pytest.approx(1e-3)
    assert "last 25 epochs" in moves[49].why
    assert "25 before" in moves[49].why  # no more than 25 exist yet


def test_before_the_patience_nothing_happens_however_high_the_loss() -> None:
    moves = _run(WarmRestart(), [(1.0 + i, 0.5, 0.8) for i in range(49)])
    assert not any(m.reload for m in moves)


def test_the_means_are_of_25_and_of_the_35_before() -> None:
    # after 60 falling epochs: 35 epochs at 1.0, then 25 whose mean decides
    def moves_with(last: float) -> list[Move]:
        points = [(2.0, 0.5, 0.8)] * 40 + [(1.0, 0.5, 0.8)] * 35 + [(last, 0.5, 0.8)] * 25
        return _run(WarmRestart(), points)

    for last, expected in ((1.0, False), (0.999, False)):
        assert moves_with(last)[-1].reload is expected
    # one epoch more of the 2.0 within the window would hide this rise
    moves = moves_with(1.001)
    assert moves[-1].reload
    assert "35 before" in moves[-1].why
    assert not any(m.reload for m in moves[:-1])


def test_the_patience_counts_from_the_last_change() -> None:
    rising = [(1.0 + 0.1 * i, 0.5, 0.8) for i in range(220)]
    moves = _run(WarmRestart(), rising)
    changed = [i + 1 for i, m in enumerate(moves) if m.reload]
    assert changed == [50, 100, 150, 200]
    rates = [moves[i - 1].lr for i in changed]
    assert rates == pytest.approx([1e-3, 1e-4, 1e-5, 1e-2])  # after 10⁻⁵ back to the start


def test_a_drop_of_the_accuracy_restarts_at_once() -> None:
    points = [(0.9, 0.9, 0.8), (0.8, 0.95, 0.5601), (0.7, 0.95, 0.5599), (0.7, 0.95, 0.8)]
    moves = _run(WarmRestart(), points)
    assert [m.reload for m in moves] == [False, False, True, False]
    assert moves[2].lr == pytest.approx(1e-3)
    assert "fell under 0.7 of the best state's, 0.800" in moves[2].why


def test_the_best_state_s_accuracy_outlives_a_restart() -> None:
    moves = _run(WarmRestart(), [(0.9, 0.9, 0.8), (0.9, 0.9, 0.1), (0.9, 0.9, 0.1)])
    assert [m.lr for m in moves] == pytest.approx([1e-2, 1e-3, 1e-4])


def test_where_loss_and_accuracy_part_ways_training_goes_on() -> None:
    # the lowest loss comes with an accuracy of 0.3; later both rise; then the state of 0.3 is loaded again
    points = [(1.0, 0.5, 0.3)] + [(1.0 + i, 0.6 + i, 0.9) for i in range(49)] + [(1.0, 0.6, 0.31)] * 30
    moves = _run(WarmRestart(), points)
    assert [i + 1 for i, m in enumerate(moves) if m.reload] == [50]
    assert moves[-1].lr == pytest.approx(1e-3)


@given(
    st.lists(st.tuples(*[st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.875, 1.0])] * 3), max_size=40),
    st.integers(1, 9), st.integers(1, 6), st.integers(1, 6),
)  # fmt: skip
def test_moves_are_those_of_a_search_through_the_whole_curve(
    points: list[Epoch], patience: int, recent: int, before: int
) -> None:
    schedule = WarmRestart(patience=patience, recent=recent, before=before, lowest=1e-3)
    rate, since = 0.01, 0
    for now, move in enumerate(_run(schedule, points)):
        since += 1
        best = min(range(now + 1), key=lambda i: points[i][1])  # the earliest of the lowest
        assert move.improved == (best == now)
        last = [p[0] for p in points[max(0, now + 1 - recent) : now + 1]]
        earlier = [p[0] for p in points[max(0, now + 1 - recent - before) : max(0, now + 1 - recent)]]
        plateau = bool(earlier) and fmean(last) > fmean(earlier)
        restart = points[now][2] < 0.7 * points[best][2] or (since >= patience and plateau)
        assert move.reload == restart
        if restart:
            since, rate = 0, 0.001 if rate == 0.01 else 0.01
        assert move.lr == pytest.approx(rate)


def test_drop_zero_never_restarts() -> None:
    moves = _run(WarmRestart(drop=0.0), [(0.9, 0.9, 0.8), (0.9, 0.9, 0.0)])
    assert not moves[1].reload


def test_rates_go_down_to_the_lowest_and_no_further() -> None:
    schedule = WarmRestart(highest=0.01, lowest=1e-5)
    rates = [schedule.step(Point(1, 1, a)).lr for a in (1.0, *[0.0] * 8)]
    assert rates == pytest.approx([1e-2, 1e-3, 1e-4, 1e-5, 1e-2, 1e-3, 1e-4, 1e-5, 1e-2])


def test_siamese_lowers_the_momentum_and_keeps_the_most_accurate_state() -> None:
    schedule = Siamese(lr=0.001)
    accuracies = [0.5, 0.4, 0.5, 0.6]
    moves = _run(schedule, [(1.0, 1.0, a) for a in accuracies])
    assert [m.improved for m in moves] == [True, False, False, True]
    moves += _run(schedule, [(1.0, 1.0, 0.1)] * 1500)
    momenta = [0.5] + [m.momentum for m in moves]  # in force in epoch 0, 1, 2, …
    assert momenta[999] == 0.5
    assert momenta[1000] == 0.1
    assert momenta[1499] == 0.1
    assert momenta[1500] == 0.05
    assert all(m.lr == 0.001 and not m.reload for m in moves)


def test_a_config_makes_its_schedule() -> None:
    schedule = RunConfig(model="twin", patience=2, recent=1, before=1, lr=0.1, lr_min=0.01).make_schedule()
    moves = _run(schedule, [(1.0, 1, 1), (2.0, 1, 1), (3.0, 1, 1), (4.0, 1, 1)])
    assert [m.reload for m in moves] == [False, True, False, True]
    assert [m.lr for m in moves] == pytest.approx([0.1, 0.01, 0.01, 0.1])
    assert isinstance(RunConfig(model="twin", schedule="siamese").make_schedule(), Siamese)

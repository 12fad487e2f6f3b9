from types import SimpleNamespace

import pytest

from service import supervisor
from service.supervisor import LONGEST_PAUSE_S, SHORT_LIFE_S, Place


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(supervisor, "time", clock)
    return clock


def place() -> Place:
    return Place(1, lambda number: SimpleNamespace(number=number, exitcode=-9, join=lambda: None))


def test_a_worker_that_lived_long_is_replaced_at_once(clock: Clock) -> None:
    one = place()
    clock.now += SHORT_LIFE_S
    one.leave_empty()
    assert one.due == clock.now


def test_one_that_keeps_dying_young_is_replaced_after_longer_and_longer_pauses(clock: Clock) -> None:
    one, pauses = place(), []
    for _ in range(8):
        clock.now += 1
        one.leave_empty()
        pauses.append(one.due - clock.now)
        clock.now = one.due
        one.fill()
        assert one.due is None
    assert pauses == [0.5, 1, 2, 4, 8, 16, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    clock.now += SHORT_LIFE_S
    one.leave_empty()
    assert one.due == clock.now, "a long life makes good"

import pytest

from service.crowd import SAMPLE, Crowd


class Clock:
    """Processor time that passes only where a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def answer(crowd: Crowd, clock: Clock, requests: int, seconds: float) -> None:
    """One after the other."""
    for _ in range(requests):
        crowd.enter()
        clock.now += seconds
        crowd.leave()


def test_nothing_is_ahead_before_a_cost_is_known(clock: Clock) -> None:
    crowd = Crowd(clock)
    for _ in range(SAMPLE):
        crowd.enter()
    assert crowd.ahead_s == 0


def test_ahead_is_what_all_in_hand_cost(clock: Clock) -> None:
    crowd = Crowd(clock)
    answer(crowd, clock, SAMPLE, 0.002)
    assert crowd.ahead_s == 0
    for waiting in range(1, 100):
        crowd.enter()
        assert crowd.ahead_s == pytest.approx(waiting * 0.002)


def test_time_without_a_crowd_is_nobodys_cost(clock: Clock) -> None:
    crowd = Crowd(clock)
    for _ in range(SAMPLE):
        clock.now += 5
        answer(crowd, clock, 1, 0.002)
    crowd.enter()
    assert crowd.ahead_s == pytest.approx(0.002)


def test_those_who_are_answered_together_share_the_cost(clock: Clock) -> None:
    crowd = Crowd(clock)
    for _ in range(SAMPLE):
        crowd.enter()
    clock.now += 0.001 * SAMPLE
    for _ in range(SAMPLE):
        crowd.leave()
    crowd.enter()
    assert crowd.ahead_s == pytest.approx(0.001)


def test_the_cost_follows_what_requests_cost_now(clock: Clock) -> None:
    crowd = Crowd(clock)
    for seconds in (0.01, 0.0001):
        answer(crowd, clock, SAMPLE, seconds)
    crowd.enter()
    assert crowd.ahead_s == pytest.approx(0.0001)

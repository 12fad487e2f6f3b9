"""How long is waited, and when no more."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from axon.retry import Policy, retry_after


def test_back_off_is_bounded_and_jittered() -> None:
    policy = Policy(attempts=9, first_s=1, most_s=4)
    for tried, bound in ((1, 1), (2, 2), (3, 4), (4, 4)):
        waits = [policy.wait(tried, 0, None) or 0.0 for _ in range(200)]
        assert bound / 2 < max(waits) <= bound
        assert min(waits) < bound / 2


def test_what_the_server_asks_for_is_waited() -> None:
    assert Policy().wait(1, 0, 7.0) == 7.0


def test_attempts_and_time_end() -> None:
    assert Policy(attempts=3).wait(3, 0, 0.0) is None
    assert Policy(deadline_s=10).wait(1, 5, 6.0) is None


@pytest.mark.parametrize(("text", "seconds"), [("12", 12.0), (" 0 ", 0.0), ("soon", None), ("", None), ("-3", None)])
def test_retry_after_in_seconds(text: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": text}) == seconds


def test_retry_after_as_a_date() -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert retry_after({"retry-after": moment}) == pytest.approx(30, abs=2)

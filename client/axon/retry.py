"""When to ask again, and after how long. Inference changes nothing, so that asking twice is safe."""

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

PASSING = {429, 502, 503, 504}  # statuses that waiting may cure


@dataclass(frozen=True)
class Policy:
    """Bounds of asking again: tries in all, seconds in all, and the back-off's first and longest bound, seconds."""

    attempts: int = 8
    deadline_s: float = 60.0
    first_s: float = 0.25
    most_s: float = 8.0

    def wait(self, tried: int, spent_s: float, asked_s: float | None) -> float | None:
        """Seconds to wait after `tried` tries and `spent_s` seconds, at least `asked_s`; None: give up.

        Without Retry-After, anything from 0 to a bound that doubles (full jitter), so that clients part.
        """
        if tried >= self.attempts:
            return None
        backoff = random.uniform(0, min(self.most_s, self.first_s * 2 ** (tried - 1)))
        wait_s = backoff if asked_s is None else asked_s
        return wait_s if spent_s + wait_s <= self.deadline_s else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that Retry-After asks for, a whole number or an HTTP date; None where it is absent or neither."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.fromtimestamp(time.time(), UTC)).total_seconds())

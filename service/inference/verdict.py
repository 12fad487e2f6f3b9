"""When a version on trial is stopped: it disagrees with the default, or fails more often. Knows numbers alone."""

import math
from collections import deque

from service.settings import Rollout

NEWEST = 1_000  # rows, or requests, that count; what is older is forgotten


class Window:
    """The share of what is true among the newest."""

    def __init__(self) -> None:
        self._newest: deque[bool] = deque(maxlen=NEWEST)
        self._true = 0

    def __len__(self) -> int:
        return len(self._newest)

    def add(self, is_true: bool) -> None:
        """Counts one more, and forgets the oldest of a thousand."""
        if len(self._newest) == NEWEST:
            self._true -= self._newest[0]
        self._newest.append(is_true)
        self._true += is_true

    @property
    def share(self) -> float:
        """0 where there is none."""
        return self._true / len(self._newest) if self._newest else 0.0


class Verdict:
    """Of one version, by what one worker has seen of it."""

    def __init__(self, floors: Rollout) -> None:
        self._floors = floors
        self._agreement = Window()
        self._failures = Window()
        self._failures_of_default = Window()

    def compared(self, agrees: list[bool]) -> None:
        """Rows were read by both versions."""
        for each in agrees:
            self._agreement.add(each)

    def asked(self, has_failed: bool) -> None:
        """The candidate was asked once."""
        self._failures.add(has_failed)

    def default_asked(self, has_failed: bool) -> None:
        """The default was: what goes wrong with both is not the candidate's fault."""
        self._failures_of_default.add(has_failed)

    def why_stop(self) -> str | None:
        """None while there is no reason, not yet enough to go by, or no more than chance brings."""
        floors = self._floors
        agreed, failed, usual = self._agreement.share, self._failures.share, self._failures_of_default.share
        floor = floors.least_agreement - _chance(floors.least_agreement, len(self._agreement))
        if len(self._agreement) >= floors.least_sample and agreed < floor:
            return f"{_percent(agreed)} of {len(self._agreement)} rows agree, the floor is {floors.least_agreement:.1%}"
        most = usual + floors.most_failures + _chance(floors.most_failures, len(self._failures))
        if len(self._failures) >= floors.least_sample and failed > most:
            return (
                f"{_percent(failed)} of {len(self._failures)} requests failed, of the default {_percent(usual)}; "
                f"{floors.most_failures:.1%} more may"
            )
        return None


def _chance(share: float, count: int) -> float:
    """Two standard errors. It is judged again and again: one that agrees in 98.75 % would be stopped for 7 in 200."""
    return 2 * math.sqrt(share * (1 - share) / max(1, count))


def _percent(share: float) -> str:
    return f"{share:.1%}"

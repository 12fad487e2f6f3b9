"""How much work a worker has in hand. Under overload requests wait long before anybody looks at them: in the buffers
of their connections, and behind a thousand others that are read in the same turn of the event loop.

It counts processor time, for a request that waits for its own client costs nobody anything.
"""

import time
from collections.abc import Callable

SAMPLE = 32  # answers; what one of them costs is the mean over so many


class Crowd:
    """The requests that have arrived whole and are not answered yet."""

    def __init__(self, clock: Callable[[], float] = time.process_time) -> None:
        self._clock = clock
        self._size = 0
        self._cost_s = 0.0
        self._answered = 0
        self._spent_s = 0.0
        self._since = 0.0

    @property
    def ahead_s(self) -> float:
        """Seconds of work before the answer to who arrives now; 0 until it is known what a request costs."""
        return self._size * self._cost_s

    def enter(self) -> None:
        """A request is here."""
        if not self._size:
            self._since = self._clock()
        self._size += 1

    def leave(self) -> None:
        """It is answered, or its client has left."""
        self._size -= 1
        self._answered += 1
        if self._size and self._answered < SAMPLE:
            return
        now = self._clock()
        self._spent_s += now - self._since
        self._since = now
        if self._answered >= SAMPLE:
            self._cost_s = self._spent_s / self._answered
            self._spent_s, self._answered = 0.0, 0

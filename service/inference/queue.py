"""A queue of several lines: whoever is in an earlier line goes first; within a line, who came first.

Knows rows and lines; does not know what is done with a job.
"""

from collections import OrderedDict
from collections.abc import Iterator
from itertools import chain
from typing import Generic, Protocol, TypeVar

from service.inference.engine import Rows

PRIORITIES = 3  # 1: first, 2: usual, 3: whoever may wait
USUAL = 2


class Queued(Protocol):
    """What waits: so many rows, in line `priority`, from 1."""

    rows: Rows
    priority: int


Job = TypeVar("Job", bound=Queued)


class Queue(Generic[Job]):
    """Jobs in lines. Leaving from anywhere is cheap, and so is knowing how many rows wait."""

    def __init__(self) -> None:
        self._lines: tuple[OrderedDict[Job, None], ...] = tuple(OrderedDict() for _ in range(PRIORITIES))
        self._rows = [0] * PRIORITIES
        self._jobs = 0
        self.rows = 0  # that wait

    def __len__(self) -> int:
        return self._jobs

    def __bool__(self) -> bool:
        return self._jobs > 0

    def __iter__(self) -> Iterator[Job]:
        return chain.from_iterable(self._lines)

    def rows_before(self, priority: int) -> int:
        """Rows that would go before those of a job that comes now."""
        return sum(self._rows[:priority])

    def first(self) -> Job:
        """The job that is next. There must be one."""
        for line in self._lines:
            if line:
                return next(iter(line))
        raise LookupError("nobody waits")

    def push(self, job: Job, *, in_front: bool = False) -> None:
        """Puts a job at the end of its line, or at its head."""
        line = self._lines[job.priority - 1]
        line[job] = None
        self._count(job, 1)
        if in_front:
            line.move_to_end(job, last=False)

    def discard(self, job: Job) -> None:
        """Takes a job out, if it is there."""
        line = self._lines[job.priority - 1]
        if job in line:
            del line[job]
            self._count(job, -1)

    def _count(self, job: Job, sign: int) -> None:
        rows = sign * len(job.rows)
        self._rows[job.priority - 1] += rows
        self.rows += rows
        self._jobs += sign

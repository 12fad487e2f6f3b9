"""One batcher per engine: what arrives while a batch runs forms the next one; an idle request never waits.

The event loop owns the queue, one thread owns the engine, and nothing polls. The queue is bounded in rows. A request
that cannot make its deadline is refused on arrival; one that is cancelled or has expired is dropped before it runs.
Only validated arrays enter, so a batch fails only when the engine does; its requests are then tried one by one, so that
one of them cannot fail its neighbours.
"""

import asyncio
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from service.errors import DeadlineExceeded, InternalError, NotReady, Overloaded
from service.inference.engine import Engine, Logits, Rows
from service.inference.engine_thread import EngineThread

log = logging.getLogger(__name__)

_SMOOTHING = 0.2  # weight of the newest batch in the running estimate of seconds per row


class Answer(NamedTuple):
    """Logits of one request, the seconds it waited and the seconds its batch ran."""

    logits: Logits
    queue_s: float
    compute_s: float


class Batch(NamedTuple):
    """Logits of a whole batch, and when the engine began and ended (`time.monotonic`)."""

    logits: Logits
    began: float
    ended: float


@dataclass(eq=False)
class _Job:
    rows: Rows
    enqueued: float
    future: asyncio.Future[Answer]
    alone: bool = False  # its batch failed; it is tried again by itself

    def is_waiting(self) -> bool:
        return not self.future.done()

    def fail(self, error: Exception) -> None:
        if self.is_waiting():
            self.future.set_exception(error)


class Observer:
    """Is told what a batcher does. This one ignores it; telemetry counts it."""

    def ran(self, rows: int) -> None:
        """A batch of so many rows ran."""

    def rejected(self, reason: str) -> None:
        """A request was refused: queue_full, deadline or draining."""


class Batcher:
    """Feeds one engine. All methods are called on one event loop; deadlines are times of `time.monotonic`, seconds."""

    def __init__(
        self, name: str, engine: Engine, max_batch_rows: int, max_queue_rows: int, observer: Observer | None = None
    ) -> None:
        self._name = name
        self._engine = engine
        self._max_batch_rows = max_batch_rows
        self._max_queue_rows = max_queue_rows
        self._observer = observer or Observer()
        self._thread = EngineThread(name)
        self._queue: OrderedDict[_Job, None] = OrderedDict()  # first in, first out, and leaving from anywhere is cheap
        self._queued_rows = 0
        self._running: list[_Job] = []
        self._seconds_per_row = 0.0
        self._last_beat = time.monotonic()
        self._is_closing = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def queued_rows(self) -> int:
        """Rows that wait; those of the running batch are not counted."""
        return self._queued_rows

    @property
    def heartbeat_age_s(self) -> float:
        """Seconds since the engine thread last answered."""
        return time.monotonic() - self._last_beat

    async def submit(self, rows: Rows, deadline: float) -> Answer:
        """Runs `rows` (at least one) in some batch.

        Raises Overloaded when the queue is full or the deadline cannot be met, DeadlineExceeded when it passes,
        NotReady when the batcher is closing, InternalError when the engine fails on these rows.
        """
        now = time.monotonic()
        self._admit(len(rows), deadline - now)
        loop = asyncio.get_running_loop()
        job = _Job(rows, now, loop.create_future())
        timer = loop.call_later(deadline - now, self._expire, job)
        self._enqueue(job)
        if not self._running:
            self._run_next()
        try:
            return await job.future
        finally:
            timer.cancel()
            self._dequeue(job)

    async def beat(self) -> None:
        """Asks the engine thread to answer; `heartbeat_age_s` grows for as long as it does not."""
        self._last_beat = await self._thread.run(time.monotonic)

    async def close(self, drain_s: float) -> None:
        """Refuses new work, gives what is accepted `drain_s` seconds, then answers the rest with NotReady."""
        self._is_closing = True
        try:
            await asyncio.wait_for(self._idle.wait(), drain_s)
        except TimeoutError:
            for job in [*self._queue, *self._running]:
                job.fail(NotReady(f"model {self._name} was stopped before it could answer", retry_after_s=1))
        self._thread.stop()

    def _admit(self, rows: int, patience_s: float) -> None:
        if self._is_closing:
            self._observer.rejected("draining")
            raise NotReady(f"model {self._name} is being stopped", retry_after_s=1)
        if patience_s <= 0:
            self._observer.rejected("deadline")
            raise DeadlineExceeded(f"the deadline passed before model {self._name} was asked")
        waiting = self._queued_rows
        wait_s = (waiting + _rows(self._running)) * self._seconds_per_row
        if waiting + rows > self._max_queue_rows:
            self._observer.rejected("queue_full")
            raise Overloaded(
                f"{waiting} rows wait for model {self._name}; {rows} more would exceed {self._max_queue_rows}",
                retry_after_s=wait_s,
            )
        if wait_s >= patience_s:
            self._observer.rejected("deadline")
            raise Overloaded(
                f"model {self._name} would begin in about {math.ceil(wait_s * 1e3)} ms; "
                f"the deadline is in {math.floor(patience_s * 1e3)} ms",
                retry_after_s=wait_s,
            )

    def _run_next(self) -> None:
        self._running = self._take_batch()
        if not self._running:
            self._idle.set()
            return
        self._idle.clear()
        parts = [job.rows for job in self._running]
        rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
        self._thread.run(lambda: self._compute(rows)).add_done_callback(self._finish)

    def _take_batch(self) -> list[_Job]:
        """The jobs at the head of the queue that still wait and fit one batch; a larger job runs by itself."""
        batch: list[_Job] = []
        rows = 0
        while self._queue:
            job = next(iter(self._queue))
            if batch and (job.alone or batch[0].alone or rows + len(job.rows) > self._max_batch_rows):
                break
            self._dequeue(job)
            if job.is_waiting():
                batch.append(job)
                rows += len(job.rows)
        return batch

    def _enqueue(self, job: _Job) -> None:
        self._queue[job] = None
        self._queued_rows += len(job.rows)

    def _dequeue(self, job: _Job) -> None:
        if job in self._queue:
            del self._queue[job]
            self._queued_rows -= len(job.rows)

    def _compute(self, rows: Rows) -> Batch:
        """On the engine's thread."""
        began = time.monotonic()
        size = self._max_batch_rows
        chunks = [self._engine.predict(rows[start : start + size]) for start in range(0, len(rows), size)]
        logits = chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
        if len(logits) != len(rows):
            raise RuntimeError(f"the engine answered {len(logits)} rows for {len(rows)}")
        return Batch(logits, began, time.monotonic())

    def _finish(self, done: "asyncio.Future[Batch]") -> None:
        jobs, self._running = self._running, []
        error = done.exception()
        if error is None:
            self._deliver(jobs, done.result())
        else:
            log.error("engine_failed model=%s requests=%d", self._name, len(jobs), exc_info=error)
            self._retry_or_fail(jobs)
        self._run_next()

    def _deliver(self, jobs: list[_Job], batch: Batch) -> None:
        self._last_beat = batch.ended
        compute_s = batch.ended - batch.began
        self._observer.ran(len(batch.logits))
        change = compute_s / len(batch.logits) - self._seconds_per_row
        self._seconds_per_row += change * (_SMOOTHING if self._seconds_per_row else 1)
        start = 0
        for job in jobs:
            end = start + len(job.rows)
            if job.is_waiting():
                job.future.set_result(Answer(batch.logits[start:end], batch.began - job.enqueued, compute_s))
            start = end

    def _retry_or_fail(self, jobs: list[_Job]) -> None:
        if len(jobs) == 1:
            jobs[0].fail(InternalError())
            return
        for job in reversed(jobs):
            job.alone = True
            self._enqueue(job)
            self._queue.move_to_end(job, last=False)

    def _expire(self, job: _Job) -> None:
        if job.is_waiting():
            self._observer.rejected("deadline")
            job.fail(DeadlineExceeded(f"the deadline passed before model {self._name} answered"))


def _rows(jobs: Iterable[_Job]) -> int:
    return sum(len(job.rows) for job in jobs)

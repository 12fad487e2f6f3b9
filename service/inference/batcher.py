"""One batcher per model: what arrives while a batch runs forms the next one; an idle request never waits.

The event loop owns the queue, and nothing polls. A batch is made at the end of the loop's turn, of all that arrived in
it. One that is quick runs there and then; a slow one, and every one on a GPU, runs on the engine's thread, so that the
loop goes on (decision 10). The queue is bounded in rows. A request that cannot make its deadline is refused on arrival;
one that is cancelled or has expired is dropped before it runs. Only validated arrays enter, so a batch fails only when
the engine does; its requests are then tried one by one, so that one of them cannot fail its neighbours.
"""

import asyncio
import logging
import math
import time
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from service.errors import AxonError, DeadlineExceeded, InternalError, NotReady, Overloaded
from service.inference.engine import Outputs, Predictor, Rows
from service.inference.engine_thread import EngineThread
from service.inference.queue import USUAL, Queue

log = logging.getLogger(__name__)

QUICK_S = 0.002  # that the event loop may be held up; a switch of threads costs more than one image does (decision 10)
_CAUTION = 2  # an estimate may be out by so much before one that was let in misses its deadline
_TURNS = 4  # of the event loop, each with all that the worker has in hand: to be read, admitted, run, and answered
_FAR_OUT = 4  # times the mean
_SMOOTHING = 0.2  # weight of the newest batch in the running means


class Answer(NamedTuple):
    """Outputs of one request, the seconds it waited and the seconds its batch ran."""

    outputs: Outputs
    queue_s: float
    compute_s: float


class Refusal(NamedTuple):
    """Why a request is not let in: the reason that is counted, and what is raised."""

    reason: str
    error: AxonError


class Batch(NamedTuple):
    """Outputs of a whole batch, and when it began and ended (`time.monotonic`)."""

    outputs: Outputs
    began: float
    ended: float


@dataclass(eq=False, slots=True)
class _Job:
    rows: Rows
    enqueued: float
    deadline: float
    future: asyncio.Future[Answer]
    priority: int
    alarm: asyncio.TimerHandle | None = None  # only where it waits for the engine's thread
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

    def failed(self) -> None:
        """A request was asked for alone, and the engine failed."""


class Batcher:
    """Feeds one model. All methods are called on one event loop; deadlines are times of `time.monotonic`, seconds."""

    def __init__(
        self,
        name: str,
        predictor: Predictor,
        max_batch_rows: int,
        max_queue_rows: int,
        observer: Observer | None = None,
        seconds_per_row: float = 0.0,
    ) -> None:
        self._name = name
        self._predictor = predictor
        self._max_batch_rows = max_batch_rows
        self._max_queue_rows = max_queue_rows
        self._observer = observer or Observer()
        self._thread = EngineThread(name)
        weakref.finalize(self, self._thread.stop).atexit = False  # a batcher that nobody holds has no thread
        self._queue: Queue[_Job] = Queue()
        self._expected_rows = 0  # that are being decoded
        self._running: list[_Job] = []
        self._running_since = 0.0
        self._is_aside = False  # what runs is nobody's request
        self._is_due = False  # a batch is made at the end of this turn of the loop
        self._due_since = 0.0
        self._turn_s = 0.0  # how long that takes: longer, the more requests come in a turn
        self._seconds_per_row = seconds_per_row  # of the engine alone
        self._pace_s = (
            seconds_per_row  # from answer to answer, while others wait: with all that a request costs besides
        )
        self._busy_since: float | None = None  # when the last batch ended, if another waited for its end
        self._last_beat = time.monotonic()
        self._is_closing = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def queued_rows(self) -> int:
        """Rows that wait; those of the running batch are not counted."""
        return self._queue.rows

    @property
    def inflight_requests(self) -> int:
        """Requests between admission and answer; what runs aside is none."""
        return len(self._queue) + (0 if self._is_aside else len(self._running))

    @property
    def heartbeat_age_s(self) -> float:
        """Seconds since the engine thread last answered."""
        return time.monotonic() - self._last_beat

    async def submit(self, rows: Rows, deadline: float, priority: int = USUAL) -> Answer:
        """Runs `rows` (at least one) in some batch; those of priority 1 go before those of 2, the usual, and of 3.

        Raises Overloaded when the queue is full or the deadline cannot be met, DeadlineExceeded when it passes,
        NotReady when the batcher is closing, InternalError when the engine fails on these rows.
        """
        now = time.monotonic()
        self.admit(len(rows), deadline, priority)
        loop = asyncio.get_running_loop()
        job = _Job(rows, now, deadline, loop.create_future(), priority)
        self._queue.push(job)
        self._idle.clear()
        if self._running:
            self._arm(job)
        else:
            self._call_next()
        try:
            return await job.future
        finally:
            if job.alarm:
                job.alarm.cancel()
            self._queue.discard(job)

    def admit(self, rows: int, deadline: float, priority: int = USUAL, ahead_s: float = 0.0) -> None:
        """Raises what `submit` would raise at once for so many rows.

        Parsing costs a fifth of what an answer costs. Under overload it must not be done for who is then refused.
        `ahead_s` is the work of any kind that the worker has in hand, in seconds of processor time.
        """
        if refusal := self.refusal(rows, deadline, priority, ahead_s):
            self._observer.rejected(refusal.reason)
            raise refusal.error

    def refusal(self, rows: int, deadline: float, priority: int = USUAL, ahead_s: float = 0.0) -> Refusal | None:
        """Why so many rows would be refused, which is not counted; None where they would be let in."""
        patience_s = deadline - time.monotonic()
        if self._is_closing:
            return Refusal("draining", NotReady(f"model {self._name} is being stopped", retry_after_s=1))
        if patience_s <= 0:
            error = DeadlineExceeded(f"the deadline passed before model {self._name} was asked")
            return Refusal("deadline", error)
        waiting = self._queue.rows
        before = self._queue.rows_before(priority) if waiting else 0
        wait_s = (before + self._expected_rows + _rows(self._running)) * self._pace_s
        if waiting + rows > self._max_queue_rows:
            said = f"{waiting} rows wait for model {self._name}; {rows} more would exceed {self._max_queue_rows}"
            return Refusal("queue_full", Overloaded(said, retry_after_s=wait_s))
        answer_s = max(wait_s + rows * self._pace_s, ahead_s * _TURNS)
        if not (wait_s or ahead_s) or answer_s * _CAUTION < patience_s:
            return None
        said = (
            f"model {self._name} would answer in about {math.ceil(answer_s * 1e3)} ms, or in twice that; "
            f"the deadline is in {math.floor(patience_s * 1e3)} ms"
        )
        return Refusal("deadline", Overloaded(said, retry_after_s=answer_s))

    @contextmanager
    def expect(self, rows: int) -> Iterator[None]:
        """Around the decoding of what has arrived whole and will be submitted: so many rows count as waiting."""
        self._expected_rows += rows
        try:
            yield
        finally:
            self._expected_rows -= rows

    def run_aside(self, rows: Rows) -> "asyncio.Future[Answer] | None":
        """Runs rows that nobody waits for on the engine's thread, now; None where the engine has anything else to do.

        Whoever comes meanwhile waits for the end of it. It teaches nothing about what a row costs, for the thread
        gives way to the loop. Raises InternalError when the engine fails.
        """
        if self._running or self._queue or self._is_due or self._is_closing:
            return None
        now = time.monotonic()
        job = _Job(rows, now, math.inf, asyncio.get_running_loop().create_future(), USUAL)
        self._running, self._running_since = [job], now  # and idle nevertheless: a stop does not wait for it
        self._is_aside = True
        self._thread.run(lambda: self._compute([rows])).add_done_callback(
            lambda done: self._finish_aside(job, done.result())
        )
        return job.future

    def begin(self) -> None:
        """Is about to serve, having waited for other workers: its heartbeat counts from now."""
        self._last_beat = time.monotonic()

    async def beat(self) -> None:
        """Asks the engine thread to answer; `heartbeat_age_s` grows for as long as it does not."""
        self._last_beat = await self._thread.run(time.monotonic)

    async def close(self, drain_s: float) -> None:
        """Refuses new work, gives what is accepted `drain_s` seconds, then answers the rest with NotReady."""
        self._is_closing = True
        try:
            await asyncio.wait_for(self._idle.wait(), drain_s)
        except TimeoutError:
            for job in filter(_Job.is_waiting, [*self._queue, *self._running]):
                self._observer.rejected("draining")
                job.fail(NotReady(f"model {self._name} was stopped before it could answer", retry_after_s=1))
        self._thread.stop()

    def _call_next(self) -> None:
        """Has the next batch made when all that this turn of the loop brings has arrived."""
        if self._queue and not self._is_due:
            self._is_due = True
            self._due_since = time.monotonic()
            asyncio.get_running_loop().call_soon(self._run_next)
        elif not self._queue:
            self._idle.set()

    def _run_next(self) -> None:
        self._is_due = False
        self._turn_s = _blend(self._turn_s, time.monotonic() - self._due_since)
        quick_rows = self._quick_rows()
        self._running, self._running_since = self._take_batch(quick_rows), time.monotonic()
        if not self._running:
            self._call_next()
            return
        parts = [job.rows for job in self._running]
        if sum(map(len, parts)) <= quick_rows:
            self._finish(self._compute(parts))
            return
        for job in (*self._running, *self._queue):
            self._arm(job)
        self._thread.run(lambda: self._compute(parts)).add_done_callback(lambda done: self._finish(done.result()))

    def _quick_rows(self) -> int:
        """How many rows the event loop may run itself: in as long as it takes to read and refuse, where that is much.

        With 2 ms in each turn of 50 ms a worker under overload would do next to nothing but refuse.
        """
        if not self._predictor.any_thread:
            return 0
        budget_s = max(QUICK_S, self._turn_s)
        return int(budget_s / self._seconds_per_row) if self._seconds_per_row else self._max_batch_rows

    def _take_batch(self, quick_rows: int) -> list[_Job]:
        """The jobs at the head of the queue that still wait and fit one batch; a larger job runs by itself.

        Where the first one is quick, so is the batch: the others follow after a turn of the loop.
        """
        batch: list[_Job] = []
        rows, most = 0, 0
        now = time.monotonic()
        while self._queue:
            job = self._queue.first()
            if batch and (job.alone or batch[0].alone or rows + len(job.rows) > most):
                break
            self._queue.discard(job)
            if job.deadline <= now:
                self._expire(job)
            if job.is_waiting():
                batch.append(job)
                rows += len(job.rows)
                most = most or min(self._max_batch_rows, quick_rows if rows <= quick_rows else self._max_batch_rows)
        return batch

    def _compute(self, parts: list[Rows]) -> Batch | Exception:
        """On the event loop or on the engine's thread. Whatever an engine raises is an answer, not the thread's end."""
        began = time.monotonic()
        size = self._max_batch_rows
        try:
            rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
            chunks = [self._predictor.predict(rows[start : start + size]) for start in range(0, len(rows), size)]
            outputs = chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
            if len(outputs) != len(rows):
                raise RuntimeError(f"the engine answered {len(outputs)} rows for {len(rows)}")
        except Exception as error:
            return error
        return Batch(outputs, began, time.monotonic())

    def _finish(self, outcome: Batch | Exception) -> None:
        jobs, self._running = self._running, []
        if isinstance(outcome, Batch):
            self._deliver(jobs, outcome)
        else:
            log.error("engine_failed model=%s requests=%d", self._name, len(jobs), exc_info=outcome)
            self._retry_or_fail(jobs)
        self._call_next()

    def _finish_aside(self, job: _Job, outcome: Batch | Exception) -> None:
        self._running, self._is_aside = [], False
        if isinstance(outcome, Exception):
            log.error("engine_failed model=%s requests=0", self._name, exc_info=outcome)
            job.fail(InternalError())
        else:
            self._last_beat = outcome.ended
            self._observer.ran(len(outcome.outputs))
            if job.is_waiting():
                job.future.set_result(Answer(outcome.outputs, 0.0, outcome.ended - outcome.began))
        self._call_next()

    def _deliver(self, jobs: list[_Job], batch: Batch) -> None:
        self._last_beat = batch.ended
        compute_s = batch.ended - batch.began
        self._observer.ran(len(batch.outputs))
        self._learn(len(batch.outputs), batch)
        start = 0
        for job in jobs:
            end = start + len(job.rows)
            if job.is_waiting():
                job.future.set_result(Answer(batch.outputs[start:end], batch.began - job.enqueued, compute_s))
            start = end

    def _learn(self, rows: int, batch: Batch) -> None:
        """What a row costs, as running means."""
        self._seconds_per_row = _blend(self._seconds_per_row, (batch.ended - batch.began) / rows)
        self._pace_s = _blend(self._pace_s, (batch.ended - (self._busy_since or batch.began)) / rows)
        self._busy_since = batch.ended if self._queue else None

    def _retry_or_fail(self, jobs: list[_Job]) -> None:
        if len(jobs) == 1:
            self._observer.failed()
            jobs[0].fail(InternalError())
            return
        for job in reversed(jobs):
            job.alone = True
            self._queue.push(job, in_front=True)

    def _arm(self, job: _Job) -> None:
        """Nobody knows how long the engine's thread takes; what runs on the loop is looked at when its turn comes."""
        if job.alarm is None:
            job.alarm = asyncio.get_running_loop().call_later(job.deadline - time.monotonic(), self._expire, job)

    def _expire(self, job: _Job) -> None:
        """Whoever spent most of its time in the queue has met too many others; else the engine is slow, or hangs."""
        if not job.is_waiting():
            return
        self._observer.rejected("deadline")
        if job in self._running and self._running_since - job.enqueued < job.deadline - self._running_since:
            job.fail(DeadlineExceeded(f"the deadline passed before model {self._name} answered"))
        else:
            wait_s = self._queue.rows * self._pace_s
            job.fail(Overloaded(f"the deadline passed in the queue of model {self._name}", retry_after_s=wait_s))


def _blend(mean: float, newest: float) -> float:
    """A running mean. One sample that is far out, such as a pause of the whole process, does not count in full."""
    return mean + _SMOOTHING * (min(newest, _FAR_OUT * mean) - mean) if mean else newest


def _rows(jobs: Iterable[_Job]) -> int:
    return sum(len(job.rows) for job in jobs)

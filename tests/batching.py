"""Stories for a batcher: what clients, an engine and an operator do, one turn of an event loop after the other.

The clock moves only when the story says so. The engine's thread is the real one, and stops at a gate in every call;
after each turn the story waits until the thread has come to the gate or is idle. So a story always goes the same way,
nothing sleeps, and what hangs is found by counting turns.
"""

import asyncio
import gc
import threading
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pytest

from service.errors import AxonError
from service.inference import batcher
from service.inference.batcher import Answer, Batcher, Observer
from service.inference.engine import Outputs, Rows
from service.inference.engine_thread import EngineThread

FAR = 1024.0
STUCK_S = 5.0  # of real time, for a handshake of two threads that takes microseconds
ROWS_A_REQUEST = 64  # more than any has: a row's number tells its request, and its place in it


class Clock:
    """Stands in for the module `time`; `now` is exact in binary, so that sums are."""

    def __init__(self) -> None:
        self.now = 1.0

    def monotonic(self) -> float:
        return self.now


class Gate:
    """Where the engine's thread stops at every call. Even an open one is passed only while the loop stands still."""

    def __init__(self) -> None:
        self.is_open = False
        self._changed = threading.Condition()
        self._is_waiting = False
        self._owed = 0  # calls that the thread was given, less those that the event loop heard of

    def owe(self, calls: int) -> None:
        with self._changed:
            self._owed += calls
            self._changed.notify_all()

    def wait(self) -> None:
        with self._changed:
            self._is_waiting = True
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: not self._is_waiting, STUCK_S)

    def let_one_pass(self) -> None:
        with self._changed:
            self._is_waiting = False
            self._changed.notify_all()
        self.settle()

    def settle(self) -> None:
        """Returns when the thread stands at the closed gate, or has nothing left to do."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._is_waiting or not self._owed, STUCK_S)
            is_next = self._is_waiting and self.is_open
        if is_next:
            self.let_one_pass()


class Call(NamedTuple):
    """One call of `predict`."""

    thread: int
    rows: list[tuple[int, int]]  # request, place in it
    open: list[int]  # the requests that waited for an answer when the batch was made
    began: float
    ended: float
    is_failed: bool


class Run(NamedTuple):
    """One run of a batch: one call, or several where a request is larger than a batch may be."""

    calls: list[Call]

    @property
    def requests(self) -> list[int]:
        return sorted({request for call in self.calls for request, _ in call.rows})

    @property
    def rows(self) -> int:
        return sum(len(call.rows) for call in self.calls)

    @property
    def is_failed(self) -> bool:
        return any(call.is_failed for call in self.calls)


class FakeEngine:
    """Answers twice each number and one; fails on negative numbers, and where `faults` says so."""

    def __init__(self, clock: Clock, gate: Gate, any_thread: bool, see: Callable[[], list[int]]) -> None:
        self.any_thread = any_thread
        self.calls: list[Call] = []
        self.seconds_per_row = 0.0
        self.faults: list[str] = []
        self.is_overlapping = False
        self.seen: list[int] = []
        self.arrays: list[weakref.ref[Any]] = []
        self._clock, self._gate, self._see = clock, gate, see
        self._loop_thread = threading.get_ident()
        self._callers = 0

    def predict(self, rows: Rows) -> Outputs:
        thread, began = threading.get_ident(), self._clock.now
        self.arrays += [weakref.ref(array) for array in (rows, rows.base) if array is not None]
        self._callers += 1
        self.is_overlapping |= self._callers > 1
        if thread == self._loop_thread:
            self.seen = self._see()
        else:
            self._gate.wait()
        self._clock.now += self.seconds_per_row * len(rows)
        fault = self.faults.pop() if self.faults else "raise" if (rows < 0).any() else ""
        numbers = [divmod(abs(number), ROWS_A_REQUEST) for number in rows[:, 0].tolist()]
        self.calls.append(Call(thread, numbers, self.seen, began, self._clock.now, bool(fault)))
        self._callers -= 1
        if fault == "raise":
            raise RuntimeError("told to fail")
        outputs = 2 * (np.repeat(rows, 2, axis=0) if fault == "long" else rows) + 1
        self.arrays.append(weakref.ref(outputs))
        return outputs

    def runs(self) -> list[Run]:
        runs: list[Run] = []
        for call in self.calls:
            if call.rows[0][1] == 0:
                runs.append(Run([]))
            runs[-1].calls.append(call)
        return runs


class WatchedThread(EngineThread):
    """The engine's thread; the story knows what it was given, and which requests were open then."""

    def run(self, call: Callable[[], Any]) -> "asyncio.Future[Any]":
        story: Story = asyncio.get_running_loop().story
        seen = story.open_requests()

        def watched() -> Any:
            story.engine.seen = seen
            return call()

        story.gate.owe(1)
        return super().run(watched)


class StoryLoop(asyncio.SelectorEventLoop):
    """Runs on the story's time, and settles with the engine's thread."""

    def __init__(self, story: "Story") -> None:
        self.story = story
        super().__init__()

    def time(self) -> float:
        return self.story.clock.now

    def call_soon_threadsafe(self, *args: Any, **options: Any) -> asyncio.Handle:
        handle = super().call_soon_threadsafe(*args, **options)
        self.story.gate.owe(-1)
        return handle


class Recorder(Observer):
    def __init__(self) -> None:
        self.batches: list[int] = []
        self.reasons: list[str] = []

    def ran(self, rows: int) -> None:
        self.batches.append(rows)

    def rejected(self, reason: str) -> None:
        self.reasons.append(reason)


class Setup(NamedTuple):
    any_thread: bool
    max_batch_rows: int = 4
    max_queue_rows: int = 1000
    seconds_per_row: float = 0.0


class End(NamedTuple):
    """How a request ended, without what would keep its rows alive."""

    kind: type
    at: float
    is_at_once: bool = False  # refused at the door, without a turn of the loop
    answer: tuple[int, ...] = ()
    queue_s: float = 0.0
    compute_s: float = 0.0
    retry_after_s: float | None = None


@dataclass
class Request:
    number: int
    rows: int
    deadline: float
    is_poisoned: bool
    task: "asyncio.Task[End]" = field(init=False)
    arrived: float | None = None
    queued_rows: int = 0  # when it arrived
    cancelled: float | None = None

    def values(self) -> Rows:
        first = self.number * ROWS_A_REQUEST
        return np.arange(first, first + self.rows)[:, None] * (-1 if self.is_poisoned else 1)

    def is_open(self, now: float) -> bool:
        """Whether it has arrived, and waits for an answer."""
        return self.arrived is not None and self.cancelled is None and not self.task.done() and now < self.deadline

    @property
    def end(self) -> End:
        """Raises what a batcher has no word for."""
        if self.task.cancelled():  # before it could ask
            return End(asyncio.CancelledError, self.cancelled or 0)
        return self.task.result()


@dataclass
class Closing:
    drain_s: float
    task: "asyncio.Task[None]" = field(init=False)
    began: float | None = None
    is_over: bool = False
    left: int = 0  # requests that had not ended when it had


class Story:
    """A batcher, what can happen to it (the methods without a mark in front), and a record of what came of it."""

    batcher: Batcher
    thread: threading.Thread

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.clock, self.gate, self.observer = Clock(), Gate(), Recorder()
        self.engine = FakeEngine(self.clock, self.gate, setup.any_thread, self.open_requests)
        self.requests: list[Request] = []
        self.closings: list[Closing] = []
        self.loop_thread = threading.get_ident()
        self.beats: list[asyncio.Task[None]] = []
        self.complaints: list[str] = []  # of the event loop: what a callback raised, what nobody looked at
        self.most_queued_rows = self.rows_left = 0  # the latter in the queue of a hung engine, when all have gone
        self.leftovers = 0  # arrays that somebody still held when all had ended

    def ask(self, rows: int, patience_s: float = FAR, is_poisoned: bool = False) -> Request:
        request = Request(len(self.requests) + 1, rows, self.clock.now + patience_s, is_poisoned)
        self.requests.append(request)
        request.task = asyncio.create_task(self._ask(request))
        return request

    def cancel(self, place: int) -> None:
        for request in self.requests[::-1][place : place + 1]:
            if request.task.cancel() and request.cancelled is None:
                request.cancelled = self.clock.now

    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    def let_one_pass(self) -> None:
        self.gate.let_one_pass()

    def open_gate(self, is_open: bool = True) -> None:
        self.gate.is_open = is_open
        self.gate.settle()

    def fault(self, kind: str) -> None:
        self.engine.faults.append(kind)

    def slow(self, seconds_per_row: float) -> None:
        self.engine.seconds_per_row = seconds_per_row

    def beat(self) -> None:
        self.beats.append(asyncio.create_task(self._beat()))

    def close(self, drain_s: float) -> None:
        closing = Closing(drain_s)
        closing.task = asyncio.create_task(self._close(closing))
        self.closings.append(closing)

    async def turn(self, turns: int = 1) -> None:
        """Lets the event loop go round, and the engine's thread come to the gate."""
        for _ in range(turns):
            await asyncio.sleep(0)
            self.gate.settle()
            self.most_queued_rows = max(self.most_queued_rows, self.batcher.queued_rows)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Turns until it holds; a batch takes four turns, and a request is in two batches at most."""
        for _ in range(50 + 10 * len(self.requests)):
            if condition():
                return
            await self.turn()
        raise AssertionError("it hangs")

    def open_requests(self) -> list[int]:
        """Those that wait for an answer, in order of arrival."""
        return [request.number for request in self.requests if request.is_open(self.clock.now)]

    def have_ended(self) -> bool:
        return all(one.task.done() for one in (*self.requests, *self.closings))

    def is_idle(self) -> bool:
        return self.have_ended() and not self.batcher.inflight_requests and not self.batcher.queued_rows

    async def finish(self, is_hung: bool) -> None:
        """Everything ends: first of itself, even where the engine hangs, then with the gate open, then by a close."""
        if is_hung:
            await self.turn()  # those that have just been asked for begin
            for seconds in (8.0, 3 * FAR):
                self.wait(seconds)
                await self.turn(8)
            await self.until(self.have_ended)
            self.rows_left = self.batcher.queued_rows
        self.open_gate()
        await self.until(self.is_idle)
        self.close(0)
        await self.until(self.have_ended)
        self.ask(1)
        await self.until(self.have_ended)
        self.thread.join(STUCK_S)
        self.leftovers = self.count_leftovers()

    async def _ask(self, request: Request) -> End:
        request.arrived, request.queued_rows = self.clock.now, self.batcher.queued_rows
        rows = request.values()
        self.engine.arrays.append(weakref.ref(rows))
        turned: list[bool] = []
        asyncio.get_running_loop().call_soon(turned.append, True)
        try:
            answer = await self.batcher.submit(rows, request.deadline)
        except (AxonError, asyncio.CancelledError) as error:
            return End(type(error), self.clock.now, not turned, retry_after_s=getattr(error, "retry_after_s", None))
        numbers = tuple(answer.outputs[:, 0].tolist())
        return End(Answer, self.clock.now, False, numbers, answer.queue_s, answer.compute_s)

    async def _beat(self) -> None:
        if not any(closing.is_over for closing in self.closings):  # a thread that is gone answers nobody
            await self.batcher.beat()

    async def _close(self, closing: Closing) -> None:
        closing.began = self.clock.now
        await self.batcher.close(closing.drain_s)
        closing.is_over = True
        await asyncio.sleep(0)  # those that were answered wake up
        closing.left = sum(request.arrived is not None and not request.task.done() for request in self.requests)

    def count_leftovers(self) -> int:
        """How many arrays somebody still holds."""
        for generation in (0, 1, 2):  # an error and the frames that it went through hold each other
            if any(array() is not None for array in self.engine.arrays):
                gc.collect(generation)
        return sum(array() is not None for array in self.engine.arrays)


Script = Callable[[Story], Awaitable[None]]


def tell(setup: Setup, script: Script, *, is_hung: bool = False) -> Story:
    """Runs a story to its end."""
    story = Story(setup)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batcher, "time", story.clock)
        patch.setattr(batcher, "EngineThread", WatchedThread)
        patch.setattr(batcher.log, "disabled", True)  # records of errors keep the rows alive
        with asyncio.Runner(loop_factory=lambda: StoryLoop(story)) as runner:
            runner.get_loop().set_exception_handler(lambda _, context: story.complaints.append(str(context)))
            runner.run(_live(story, script, is_hung))
    return story


async def _live(story: Story, script: Script, is_hung: bool) -> None:
    threads = set(threading.enumerate())
    story.batcher = Batcher("story", story.engine, *story.setup[1:3], story.observer, story.setup.seconds_per_row)
    [story.thread] = set(threading.enumerate()) - threads
    try:
        await script(story)
        await story.finish(is_hung)
    finally:
        story.open_gate()

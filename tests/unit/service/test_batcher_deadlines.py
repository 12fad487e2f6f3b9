"""Deadlines of a batcher: who cannot be answered in time is told so, and as early as it is known."""

import asyncio
import threading
import time

import pytest

from service.errors import DeadlineExceeded, Overloaded
from service.inference.engine import Outputs, Rows
from tests.steered import Counting, Doubling, Gated, batcher, due, occupy, rows, until


def test_a_deadline_that_cannot_be_met_is_refused_on_arrival() -> None:
    observer = Counting()

    class Slow(Doubling):
        def predict(self, rows: Rows) -> Outputs:
            time.sleep(0.05 * len(rows))
            return super().predict(rows)

    async def scenario() -> None:
        one = batcher(Slow(), queue=1000, observer=observer)
        await one.submit(rows(1), due())
        waiting = [await occupy(one, rows(*range(8)))]
        waiting.append(asyncio.create_task(one.submit(rows(*range(8)), due())))
        await until(lambda: one.queued_rows == 8)
        with pytest.raises(Overloaded, match="the deadline is in"):
            await one.submit(rows(1), due(0.1))
        assert one.queued_rows == 8, "it was told before anything that came before it had run"
        await asyncio.gather(*waiting)

    asyncio.run(scenario())
    assert "deadline" in observer.events


def test_what_the_worker_has_in_hand_counts_against_a_deadline() -> None:
    observer = Counting()

    async def scenario() -> None:
        one = batcher(Doubling(), observer=observer)
        one.admit(1, due(1.0), ahead_s=0.01)
        with pytest.raises(Overloaded, match="the deadline is in") as refusal:
            one.admit(1, due(1.0), ahead_s=0.5)
        assert refusal.value.headers()["retry-after"] == "2"

    asyncio.run(scenario())
    assert observer.events == ["deadline"]


def test_a_request_that_expires_in_the_queue_never_runs() -> None:
    engine = Gated()

    async def scenario() -> None:
        one = batcher(engine)
        first = await occupy(one, rows(1))
        with pytest.raises(Overloaded, match="passed in the queue"):
            await one.submit(rows(2), due(0.02))
        assert one.queued_rows == 0
        engine.gate.set()
        await first

    asyncio.run(scenario())
    assert engine.batches == [1]


def test_a_request_that_waited_for_most_of_its_time_was_one_too_many() -> None:
    engine = Gated()

    async def scenario() -> None:
        one = batcher(engine, rows=1)
        first = await occupy(one, rows(1))
        deadline = due(0.5)
        second = asyncio.create_task(one.submit(rows(2), deadline))
        await until(lambda: time.monotonic() > deadline - 0.2)
        before, engine.gate = engine.gate, threading.Event()
        before.set()
        await first
        await until(lambda: one.queued_rows == 0)  # it runs, and will not end in time
        with pytest.raises(Overloaded, match="passed in the queue"):
            await second
        engine.gate.set()

    asyncio.run(scenario())


def test_a_deadline_that_has_passed_is_said_to_have_passed() -> None:
    engine = Doubling()

    async def scenario() -> None:
        with pytest.raises(DeadlineExceeded):
            await batcher(engine).submit(rows(1), due(-0.01))

    asyncio.run(scenario())
    assert engine.batches == []


def test_a_hung_engine_does_not_hold_its_request_past_the_deadline() -> None:
    engine = Gated()

    async def scenario() -> None:
        with pytest.raises(DeadlineExceeded):
            await batcher(engine).submit(rows(1), due(0.5))

    asyncio.run(scenario())
    engine.gate.set()

"""The batcher's promises, with engines whose behaviour can be steered."""

import asyncio

import numpy as np
import pytest

from service.errors import InternalError, NotReady, Overloaded
from service.inference.batcher import Answer, Batcher
from service.inference.engine import Outputs, Rows
from tests.batching import Clock, Setup, Story, tell
from tests.servers import until as poll
from tests.steered import FAR, Counting, Doubling, Gated, Poisoned, batcher, due, occupy, rows, until


def test_one_request_is_answered_at_once() -> None:
    engine = Doubling()

    async def scenario() -> None:
        answer = await batcher(engine).submit(rows(1, 2), due())
        assert answer.outputs.tolist() == [[2], [4]]
        assert answer.queue_s >= 0
        assert answer.compute_s >= 0

    asyncio.run(scenario())
    assert engine.batches == [2]


def test_what_arrives_while_a_batch_runs_forms_the_next_one() -> None:
    engine = Gated()

    async def scenario() -> list[list[list[float]]]:
        one = batcher(engine)
        requests = [await occupy(one, rows(1, -1))]
        requests += [asyncio.create_task(one.submit(rows(value, -value), due())) for value in (2, 3)]
        await until(lambda: one.queued_rows == 4)
        engine.gate.set()
        return [(await request).outputs.tolist() for request in requests]

    assert asyncio.run(scenario()) == [[[2], [-2]], [[4], [-4]], [[6], [-6]]]
    assert engine.batches == [2, 4]


def test_batches_are_bounded_in_rows_and_a_large_request_is_cut() -> None:
    engine = Gated()

    async def scenario() -> None:
        one = batcher(engine, rows=4, queue=100)
        sizes = (1, 3, 3, 10)
        requests = [await occupy(one, rows(0))]
        requests += [asyncio.create_task(one.submit(rows(*range(size)), due())) for size in sizes[1:]]
        await until(lambda: one.queued_rows == 16)
        engine.gate.set()
        for size, request in zip(sizes, requests, strict=True):
            assert (await request).outputs[:, 0].tolist() == [2 * value for value in range(size)]

    asyncio.run(scenario())
    assert engine.batches == [1, 3, 3, 4, 4, 2]


def test_a_full_queue_refuses_at_once_and_says_when_to_come_back() -> None:
    engine, observer = Gated(), Counting()

    async def scenario() -> None:
        one = batcher(engine, queue=4, observer=observer)
        accepted = [await occupy(one, rows(1, 2))]
        accepted += [asyncio.create_task(one.submit(rows(1, 2), due())) for _ in range(2)]
        await until(lambda: one.queued_rows == 4)
        with pytest.raises(Overloaded, match="would exceed 4") as refused:
            await one.submit(rows(1), due())
        assert refused.value.headers() == {"retry-after": "1"}
        engine.gate.set()
        assert len(await asyncio.gather(*accepted)) == 3

    asyncio.run(scenario())
    assert "queue_full" in observer.events


@pytest.mark.parametrize(("turn_s", "first"), [(0.0, 2), (0.02, 8)], ids=["quick", "long"])
def test_a_batch_may_take_as_long_as_the_rest_of_its_turn(
    turn_s: float, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Anywhere(Doubling):
        any_thread = True

    engine, clock = Anywhere(), Clock()
    monkeypatch.setattr("service.inference.batcher.time", clock)

    def read_a_thousand_requests() -> None:
        clock.now += turn_s

    async def scenario() -> None:
        one = Batcher("fake", engine, 8, 16, seconds_per_row=0.001)
        asking = [asyncio.ensure_future(one.submit(rows(value), FAR)) for value in range(8)]
        asyncio.get_running_loop().call_soon(read_a_thousand_requests)
        await asyncio.gather(*asking)

    asyncio.run(scenario())
    assert engine.batches[0] == first


def test_an_engine_that_answers_too_few_rows_is_not_believed(caplog: pytest.LogCaptureFixture) -> None:
    class Short(Doubling):
        def predict(self, rows: Rows) -> Outputs:
            return super().predict(rows)[1:]

    async def scenario() -> None:
        for values in ((1,), (1, 2)):
            with pytest.raises(InternalError):
                await batcher(Short()).submit(rows(*values), due())

    asyncio.run(scenario())
    assert "answered 1 rows for 2" in caplog.text


def test_a_cancelled_request_leaves_its_place_and_its_neighbours_alone() -> None:
    engine = Gated()

    async def scenario() -> None:
        one = batcher(engine)
        running = await occupy(one, rows(1))
        leaving, staying = (asyncio.create_task(one.submit(rows(value), due())) for value in (2, 3))
        await until(lambda: one.queued_rows == 2)
        leaving.cancel()
        await until(leaving.done)
        assert one.queued_rows == 1
        engine.gate.set()
        assert (await running).outputs.tolist() == [[2]]
        assert (await staying).outputs.tolist() == [[6]]

    asyncio.run(scenario())
    assert engine.batches == [1, 1]


def test_a_request_that_the_engine_fails_on_does_not_hurt_its_neighbours(caplog: pytest.LogCaptureFixture) -> None:
    engine, observer = Poisoned(), Counting()

    async def scenario() -> list[object]:
        one = batcher(engine, observer=observer)
        requests = [await occupy(one, rows(1))]
        requests += [asyncio.create_task(one.submit(rows(value), due())) for value in (2, -3, 4)]
        await until(lambda: one.queued_rows == 3)
        engine.gate.set()
        return await asyncio.gather(*requests, return_exceptions=True)

    first, second, poison, last = asyncio.run(scenario())
    assert [answer.outputs.tolist() for answer in (first, second, last)] == [[[2]], [[4]], [[8]]]
    assert isinstance(poison, InternalError)
    assert "negative" not in poison.message, "the cause goes to the log, not into the answer"
    assert "negative" in caplog.text
    assert observer.events.count("failed") == 1, "the others were answered"


def test_closing_finishes_what_was_accepted_and_refuses_the_rest() -> None:
    engine = Gated()

    async def scenario() -> None:
        one = batcher(engine)
        accepted = [await occupy(one, rows(1)), asyncio.create_task(one.submit(rows(2), due()))]
        await until(lambda: one.queued_rows == 1)
        closing = asyncio.create_task(one.close(drain_s=5))
        await asyncio.sleep(0)
        with pytest.raises(NotReady):
            await one.submit(rows(3), due())
        engine.gate.set()
        await closing
        assert [(await request).outputs.tolist() for request in accepted] == [[[2]], [[4]]]

    asyncio.run(scenario())


def test_closing_answers_everybody_even_when_the_engine_hangs() -> None:
    engine = Gated()

    async def scenario() -> None:
        one = batcher(engine)
        accepted = [await occupy(one, rows(1)), asyncio.create_task(one.submit(rows(2), due()))]
        await until(lambda: one.queued_rows == 1)
        await one.close(drain_s=0.02)
        assert all(isinstance(end, NotReady) for end in await asyncio.gather(*accepted, return_exceptions=True))

    asyncio.run(scenario())
    engine.gate.set()


def test_the_heartbeat_ages_while_the_engine_hangs() -> None:
    engine = Gated()

    async def scenario() -> None:
        one = batcher(engine)
        await one.beat()
        assert one.heartbeat_age_s < 1
        stuck = await occupy(one, rows(1))
        beat = asyncio.create_task(one.beat())
        await until(lambda: one.heartbeat_age_s > 0.05)
        assert not beat.done()
        hung = one.heartbeat_age_s
        engine.gate.set()
        await asyncio.gather(stuck, beat)
        assert one.heartbeat_age_s < hung

    asyncio.run(scenario())


def test_rows_that_cannot_be_put_together_hang_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        one = batcher(Doubling())
        requests = [asyncio.create_task(one.submit(np.zeros((1, width)), due())) for width in (1, 2)]
        await until(lambda: all(request.done() for request in requests))
        assert [len(request.result().outputs) for request in requests] == [1, 1]

    asyncio.run(scenario())
    assert "engine_failed" in caplog.text


def test_an_idle_engine_thread_holds_no_batch() -> None:
    async def script(story: Story) -> None:
        story.open_gate()
        story.ask(2)
        await story.until(story.is_idle)
        poll(lambda: story.count_leftovers() == 0, 5, "letting go of the last batch")

    tell(Setup(False), script)


def test_what_a_close_gives_up_is_counted() -> None:
    async def script(story: Story) -> None:
        story.ask(1)
        await story.turn(3)
        story.close(0)
        await story.until(story.have_ended)

    story = tell(Setup(False), script)
    assert [request.end.kind for request in story.requests] == [NotReady, NotReady]
    assert story.observer.reasons == ["draining", "draining"]


def test_time_in_which_nobody_waited_is_not_taken_for_work() -> None:
    async def script(story: Story) -> None:
        story.ask(1)
        await story.turn(3)
        story.ask(1, is_poisoned=True)
        await story.turn(3)
        story.open_gate()
        await story.until(story.is_idle)
        story.wait(3600)
        story.ask(1)
        await story.until(story.is_idle)
        story.open_gate(False)
        for _ in range(2):
            story.ask(1, patience_s=1.0)
            await story.turn(3)

    story = tell(Setup(False, seconds_per_row=2**-10), script)
    assert [request.end.kind for request in story.requests[3:5]] == [Answer, Answer]


def test_the_urgent_go_first_and_whoever_may_wait_goes_last() -> None:
    engine = Gated()
    answered: list[int] = []

    async def scenario() -> None:
        one = batcher(engine, rows=1)

        async def ask(value: int, priority: int) -> None:
            await one.submit(rows(value), due(), priority)
            answered.append(value)

        occupant = await occupy(one, rows(0))
        others = [asyncio.create_task(ask(value, priority)) for value, priority in enumerate((3, 2, 1, 2, 1))]
        await until(lambda: one.queued_rows == 5)
        engine.gate.set()
        await asyncio.gather(occupant, *others)

    asyncio.run(scenario())
    assert answered == [2, 4, 1, 3, 0]

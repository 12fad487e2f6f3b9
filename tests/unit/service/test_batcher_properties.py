"""The batcher's promises, kept in any interleaving of what clients, engines and operators do (Hypothesis).

The examples are the same in every run. HYPOTHESIS_EXAMPLES=20000 in the environment makes that many of each instead.
"""

import asyncio
import contextlib
import functools
import itertools
import os
import time
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.repository import Repository
from service.errors import DeadlineExceeded, InternalError, InvalidInput, NotReady, Overloaded
from service.inference.batcher import QUICK_S, Answer, Batcher
from service.inference.onnx_engine import OnnxEngine
from service.inference.predictions import BLANK, REASONS, DigitReader
from tests.batching import FAR, Request, Run, Setup, Story, tell
from tests.servers import REPOSITORY

EXAMPLES = int(os.environ.get("HYPOTHESIS_EXAMPLES", "0"))
PUBLISHED = Repository(REPOSITORY / "models" / "published")
LOGITS_TOLERANCE = 1e-4
IS_BLANK = 1 + REASONS.index(BLANK)  # the verdict of a reading


def examples(most: int) -> settings:
    """So many, or what the environment asks for; the first run and the last draw the same ones."""
    return settings(
        max_examples=EXAMPLES or most,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


# Fractions that are exact in binary, so that times add up exactly.
SECONDS = st.sampled_from([0.0, 2**-12, 2**-10, 0.25, 1.0, 4.0])
SECONDS_PER_ROW = st.sampled_from([0.0, 2**-12, 2**-12, 2**-10, 2**-6, 0.5])
QUEUES = st.sampled_from([2, 5, 12, 40, 100])
SETUPS = {
    name: st.builds(Setup, st.just(any_thread), st.sampled_from([1, 2, 4, 8, 12]), QUEUES, SECONDS_PER_ROW)
    for name, any_thread in {"own thread": False, "any thread": True}.items()
}


HOW_OFTEN = {
    "ask": 20,
    "turn": 12,
    "let_one_pass": 8,
    "cancel": 6,
    "wait": 3,
    "open_gate": 2,
    "fault": 2,
    "slow": 1,
    "beat": 1,
}


def actions(max_batch_rows: int) -> st.SearchStrategy[tuple[Any, ...]]:
    """Names of what can happen to a story, with arguments."""
    small, any_size = st.integers(1, 3), st.integers(1, 3 * max_batch_rows)
    patience = st.sampled_from([*[FAR] * 10, 4.0, 1.0, 0.25, 2**-10, 0.0, -1.0])
    arguments = {
        "ask": (small | small | any_size, patience, st.sampled_from([False] * 6 + [True])),
        "turn": (st.integers(1, 4),),
        "cancel": (st.integers(0, 5),),
        "wait": (SECONDS,),
        "open_gate": (st.booleans(),),
        "fault": (st.sampled_from(["raise", "long"]),),
        "slow": (SECONDS_PER_ROW,),
    }
    names = st.sampled_from([name for name, times in HOW_OFTEN.items() for _ in range(times)])
    return names.flatmap(lambda name: st.tuples(st.just(name), *arguments.get(name, ())))


@st.composite
def stories(draw: st.DrawFn, setups: st.SearchStrategy[Setup]) -> tuple[Setup, list[tuple[Any, ...]], bool]:
    setup = draw(setups)
    # A list has five members on average; a list of lists makes stories that are long enough, and still shrinks to one.
    bursts = draw(st.lists(st.lists(actions(setup.max_batch_rows), min_size=1)))
    closing = st.tuples(st.just("close"), st.sampled_from([0.0, 1.0, FAR]))
    end = st.just([]) | st.builds(lambda close, after: [close, *after], closing, st.lists(actions(1), max_size=5))
    return setup, [*itertools.chain(*bursts), *draw(end)], draw(st.booleans())


@pytest.mark.parametrize("setups", SETUPS.values(), ids=SETUPS)
@examples(400)
@given(data=st.data())
def test_whatever_happens(setups: st.SearchStrategy[Setup], data: st.DataObject) -> None:
    setup, happenings, is_hung = data.draw(stories(setups))

    async def script(story: Story) -> None:
        for name, *arguments in happenings:
            done = getattr(story, name)(*arguments)
            if name == "turn":
                await done

    story = tell(setup, script, is_hung=is_hung)
    runs = story.engine.runs()
    for request in story.requests:
        check_its_end(story, request, [run for run in runs if request.number in run.requests])
    check_order(runs)
    check_bounds(story, runs)
    check_threads(story)
    check_observer(story, runs)
    check_closing(story)
    check_that_nothing_is_left(story)


def check_its_end(story: Story, request: Request, runs: list[Run]) -> None:
    """It ends once, in a way that what happened to it allows."""
    end = request.end
    assert (request.cancelled is not None) == (end.kind is asyncio.CancelledError)
    if request.arrived is not None and request.arrived >= request.deadline:
        assert end.is_at_once
        assert end.kind in (DeadlineExceeded, NotReady)
    if end.kind is Answer:
        run = runs[-1]
        assert not run.is_failed
        assert end.answer == tuple(2 * number + 1 for number in request.values()[:, 0].tolist())
        assert end.queue_s == run.calls[0].began - request.arrived
        assert end.compute_s == run.calls[-1].ended - run.calls[0].began
    elif end.kind is InternalError:
        assert runs[-1].requests == [request.number], "others were with it; it might not have been its fault"
        assert runs[-1].is_failed
    elif end.kind is NotReady:
        began = [closing.began for closing in story.closings if closing.began is not None and closing.began <= end.at]
        given_up = [closing for closing in story.closings if closing.began + closing.drain_s <= end.at]
        assert began if end.is_at_once else given_up
    elif end.kind is DeadlineExceeded or (end.kind is Overloaded and not end.is_at_once):
        assert end.at >= request.deadline
    else:
        assert end.kind in (Overloaded, asyncio.CancelledError)


def check_order(runs: list[Run]) -> None:
    """First in, first out; and nothing runs for nobody: neither what was cancelled, nor what had expired."""
    for run in runs:
        was_open = run.calls[0].open
        assert set(run.requests) <= set(was_open)
        assert [number for number in was_open if number <= run.requests[-1]] == run.requests
    for place, run in enumerate(runs):
        again = [later for later in runs[place + 1 :] if set(later.requests) & set(run.requests)]
        assert all(len(later.requests) == 1 for later in again), "after a failure, each is tried by itself"


def check_bounds(story: Story, runs: list[Run]) -> None:
    most, most_queued = story.setup.max_batch_rows, story.setup.max_queue_rows
    assert all(len(call.rows) <= most for run in runs for call in run.calls)
    assert all(run.rows <= most or len(run.requests) == 1 for run in runs)
    # A failed batch goes back to the head of the queue, where its requests wait to be tried one by one.
    assert story.most_queued_rows <= most_queued + (most if any(run.is_failed for run in runs) else 0)
    for request in story.requests:
        if request.arrived is not None and not request.end.is_at_once:
            assert request.queued_rows + request.rows <= most_queued


def check_threads(story: Story) -> None:
    threads = {call.thread for call in story.engine.calls}
    assert not story.engine.is_overlapping
    assert threads <= {story.thread.ident, *([story.loop_thread] if story.setup.any_thread else [])}
    assert not story.thread.is_alive()


def check_observer(story: Story, runs: list[Run]) -> None:
    """It was told of every batch once, and of every refusal once."""
    assert story.observer.batches == [run.rows for run in runs if not run.is_failed]
    reasons = Counter(filter(None, (reason(story, request) for request in story.requests)))
    told = Counter(story.observer.reasons)
    assert (
        reasons <= told <= reasons + Counter(reason for request in story.requests for reason in unheard(story, request))
    )


def reason(story: Story, request: Request) -> str | None:
    end = request.end
    if end.kind is NotReady:
        return "draining"
    if end.kind not in (Overloaded, DeadlineExceeded):
        return None
    is_full = request.queued_rows + request.rows > story.setup.max_queue_rows
    return "queue_full" if end.is_at_once and end.kind is Overloaded and is_full else "deadline"


def unheard(story: Story, request: Request) -> list[str]:
    """One that was refused while it waited may be cancelled before it hears of that."""
    if request.cancelled is None:
        return []
    given_up = any(closing.began + closing.drain_s <= request.cancelled for closing in story.closings)
    return ["deadline"] * (request.deadline <= request.cancelled) + ["draining"] * given_up


def check_closing(story: Story) -> None:
    began = min(closing.began for closing in story.closings)
    assert all(closing.left == 0 for closing in story.closings)
    after = [request for request in story.requests if request.end.is_at_once and request.arrived > began]
    assert all(request.end.kind is NotReady for request in after)
    assert story.requests[-1].end.kind is NotReady


def check_that_nothing_is_left(story: Story) -> None:
    assert story.batcher.queued_rows == story.batcher.inflight_requests == 0
    assert story.rows_left == 0 or any(run.is_failed for run in story.engine.runs())
    assert story.leftovers == 0
    assert story.complaints == []


SIZES = st.lists(st.integers(1, 10), min_size=1, max_size=12)


@pytest.mark.parametrize("any_thread", [False, True])
@examples(100)
@given(sizes=SIZES, max_batch_rows=st.integers(1, 8))
def test_a_batch_is_as_full_as_the_order_of_arrival_allows(
    any_thread: bool, sizes: list[int], max_batch_rows: int
) -> None:
    async def script(story: Story) -> None:
        for size in sizes:
            story.ask(size)

    story = tell(Setup(any_thread, max_batch_rows), script)
    assert [run.rows for run in story.engine.runs()] == packed(sizes, max_batch_rows)


def packed(sizes: list[int], most: int) -> list[int]:
    batches: list[int] = []
    for size in sizes:
        if batches and batches[-1] + size <= most:
            batches[-1] += size
        else:
            batches.append(size)
    return batches


@examples(100)
@given(sizes=SIZES, seconds_per_row=st.sampled_from([2**-14, 2**-11, 2**-10, 2**-8]))
def test_only_what_is_quick_holds_up_the_event_loop(sizes: list[int], seconds_per_row: float) -> None:
    async def script(story: Story) -> None:
        story.slow(seconds_per_row)
        for size in sizes:
            story.ask(size)

    story = tell(Setup(True, max_batch_rows=8, seconds_per_row=seconds_per_row), script)
    for run in story.engine.runs():
        assert (run.calls[0].thread == story.loop_thread) == (run.rows * seconds_per_row <= QUICK_S)


@examples(100)
@given(sizes=SIZES, seconds_per_row=st.sampled_from([2**-11, 0.25, 2.0]))
def test_overload_refuses_at_once_and_says_how_long_what_waits_will_take(
    sizes: list[int], seconds_per_row: float
) -> None:
    refusals: list[Request] = []

    async def script(story: Story) -> None:
        for size in sizes:
            story.ask(size)
            await story.turn(3)
            refusals.append(story.ask(1001))
            await story.turn()

    tell(Setup(False, seconds_per_row=seconds_per_row), script)
    assert all(refusal.end.kind is Overloaded and refusal.end.is_at_once for refusal in refusals)
    waits = [refusal.end.retry_after_s for refusal in refusals]
    assert waits == [sum(sizes[: place + 1]) * seconds_per_row for place in range(len(sizes))]


@examples(50)
@given(sizes=SIZES)
def test_what_is_being_decoded_counts_as_waiting_until_it_is_decoded(sizes: list[int]) -> None:
    refusals: list[Request] = []

    async def script(story: Story) -> None:
        with contextlib.suppress(InvalidInput), contextlib.ExitStack() as decoding:
            for size in sizes:
                decoding.enter_context(story.batcher.expect(size))
                refusals.append(story.ask(1001))
                await story.turn()
            raise InvalidInput("no picture")
        refusals.append(story.ask(1001))
        await story.turn()

    tell(Setup(False, seconds_per_row=0.25), script)
    assert [refusal.end.kind for refusal in refusals] == [Overloaded] * len(refusals)
    assert [refusal.end.retry_after_s for refusal in refusals] == [*(np.cumsum(sizes) / 4).tolist(), 0]


@examples(100)
@given(sizes=SIZES, patience_s=st.sampled_from([0.25, 1.0, 8.0, 64.0]))
def test_who_is_let_in_has_its_turn_and_nobody_is_turned_away_without_need(sizes: list[int], patience_s: float) -> None:
    async def script(story: Story) -> None:
        story.slow(0.25)
        story.open_gate()
        for size in sizes:
            story.ask(size, patience_s)

    story = tell(Setup(False, seconds_per_row=0.25), script)
    ran = {number for run in story.engine.runs() for number in run.requests}
    ahead = 0
    for request in story.requests[:-1]:
        assert (request.number in ran) != (request.end.kind is Overloaded and request.end.is_at_once)
        if request.number in ran:
            ahead += request.rows
        else:
            assert 2 * (ahead + request.rows) * 0.25 >= patience_s
    assert 1 in ran, "nothing was before it"


@pytest.mark.parametrize("name", ["cnn", "rnn"])
@examples(15)
@given(seed=st.integers(0, 2**32 - 1), sizes=st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_a_published_model_reads_an_image_alike_in_any_company(name: str, seed: int, sizes: list[int]) -> None:
    engine, reader = opened(name)
    images = pictures(seed, sum(sizes))
    alone = [engine.predict(image) for image in np.split(images, len(images))]
    assert np.abs(engine.predict(images) - np.concatenate(alone)).max() < LOGITS_TOLERANCE
    readings = np.concatenate(asyncio.run(read(reader, np.split(images, np.cumsum(sizes)[:-1]))))
    expected = np.concatenate([reader.predict(image) for image in np.split(images, len(images))])
    assert np.abs(readings["probabilities"] - expected["probabilities"]).max() < LOGITS_TOLERANCE
    assert ((readings["verdict"] == IS_BLANK) == (images.max(axis=(1, 2)) == 0)).all()


@functools.cache
def opened(name: str) -> tuple[OnnxEngine, DigitReader]:
    bundle = PUBLISHED.open(name)
    engine = OnnxEngine(bundle, threads=1)
    return engine, DigitReader(engine, bundle.manifest)


def pictures(seed: int, rows: int) -> np.ndarray:
    """Noise of every density, empty images among it."""
    random = np.random.default_rng(seed)
    ink = random.random((rows, 28, 28)) < random.choice([0, 0.1, 0.5, 1], (rows, 1, 1))
    return ink * random.integers(64, 256, (rows, 28, 28), dtype=np.uint8)


async def read(reader: DigitReader, requests: list[np.ndarray]) -> list[np.ndarray]:
    """The same rows, as requests that come at once."""
    one = Batcher("published", reader, 8, 1000)
    answers = await asyncio.gather(*(one.submit(rows, time.monotonic() + 60) for rows in requests))
    await one.close(1)
    return [answer.outputs for answer in answers]

"""What two versions made of the same rows: when it is looked at, what counts as the same, and what follows."""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from service.inference import comparison, rollout
from service.inference.batcher import Answer
from service.inference.catalog import Entry, State
from service.inference.comparison import MOST_ROWS, Case, Compared, compare
from service.inference.predictions import READING
from service.inference.verdict import NEWEST, Verdict, Window
from service.settings import Rollout
from tests.steered import until
from tests.trials import FAR, Gate, Held, Theatre, ids, inputs, on_trial


@asynccontextmanager
async def at_work(theatre: Theatre) -> AsyncIterator[None]:
    """While another model of the same worker has somebody waiting."""
    held = Held(0.9)
    other = Theatre(held, Gate(0.9)).one
    entries = [*theatre.catalog.entries(), Entry("other", 1, State.READY, model=other)]
    theatre.catalog.replace(entries, {"gate-xor": 1, "other": 1})
    waiting = asyncio.create_task(other.infer(inputs(), time.monotonic() + FAR))
    await until(held.is_asked.is_set)
    yield
    held.may_go.set()
    assert isinstance(await waiting, Answer)


async def pass_by(seconds: float) -> None:
    due = time.monotonic() + seconds
    await until(lambda: time.monotonic() > due)


def test_one_comparison_that_hangs_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "PATIENCE_S", 0.1)

    async def scenario() -> None:
        held, other = Held(0.9), Gate(0.9)
        theatre = Theatre(Gate(0.9), held, **on_trial("shadows"))
        assert await theatre.ask() == 1
        await until(held.is_asked.is_set)
        told: list[Compared] = []
        asked = Theatre(Gate(0.9), other)
        case = Case(inputs(), np.array([0.9]), asked.two, told.append, lambda: None, math.inf)
        theatre.rollout.comparisons.offer(case)
        await until(lambda: len(told) == 1)
        assert other.rows == 1
        held.may_go.set()

    asyncio.run(scenario())


def test_under_load_a_canary_is_compared_after_a_second_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollout, "PUT_OFF_S", 0.05)

    async def scenario() -> None:
        theatre = Theatre(Gate(0.9), Gate(0.9), **on_trial("canaries"))
        async with at_work(theatre):
            assert await theatre.ask() == 2
            await until(lambda: theatre.engines[0].rows == 1)

    asyncio.run(scenario())


def test_an_answer_does_not_wait_for_a_shadow() -> None:
    async def scenario() -> None:
        held = Held(0.9)
        theatre = Theatre(Gate(0.9), held, **on_trial("shadows"))
        assert await theatre.ask() == 1
        await until(held.is_asked.is_set)
        assert [await theatre.ask(each) for each in ids(20)] == [1] * 20
        assert held.rows == 0, "it has not let go yet"
        held.may_go.set()
        await until(lambda: held.rows > 1)

    asyncio.run(scenario())


def test_a_shadow_reads_its_share() -> None:
    async def scenario() -> None:
        theatre = Theatre(Gate(0.9), Gate(0.9), **on_trial("shadows", 0.25))
        for _ in range(20):
            await theatre.ask()
        await until(lambda: theatre.rollout.comparisons.waiting_rows == 0 and theatre.engines[1].rows == 5)

    asyncio.run(scenario())


def test_what_is_too_much_is_dropped_and_a_large_request_is_compared_in_part() -> None:
    async def scenario() -> None:
        theatre = Theatre(Gate(0.9), Gate(0.9), **on_trial("shadows", shadow_rows=2 * MOST_ROWS + 10))
        for _ in range(5):
            await theatre.ask(rows=60)
        assert theatre.rollout.comparisons.waiting_rows == 2 * MOST_ROWS
        await until(lambda: theatre.engines[1].rows == 2 * MOST_ROWS)

    asyncio.run(scenario())


def test_no_shadow_reads_while_anybody_waits() -> None:
    async def scenario() -> None:
        theatre = Theatre(Gate(0.9), Gate(0.9), **on_trial("shadows"))
        async with at_work(theatre):
            await theatre.ask()
            await pass_by(0.2)
            assert (theatre.rollout.comparisons.waiting_rows, theatre.engines[1].rows) == (1, 0)
        await until(lambda: theatre.engines[1].rows == 1)

    asyncio.run(scenario())


def test_the_engine_that_is_busy_is_not_asked_aside() -> None:
    async def scenario() -> None:
        held = Held(0.9)
        batcher = Theatre(held, Gate(0.9)).one.batcher
        aside = batcher.run_aside(inputs(3))
        assert aside is not None
        assert batcher.run_aside(inputs()) is None
        behind = asyncio.create_task(batcher.submit(inputs(2), time.monotonic() + FAR))
        await until(held.is_asked.is_set)
        held.may_go.set()
        assert [len((await each).outputs) for each in (aside, behind)] == [3, 2]
        await batcher.close(1)
        assert batcher.run_aside(inputs()) is None

    asyncio.run(scenario())


def test_a_window_forgets() -> None:
    window = Window()
    for index in range(3 * NEWEST):
        window.add(index < NEWEST * 2 + 250)
    assert (len(window), window.share) == (NEWEST, 0.25)


def test_a_verdict_waits_for_enough_and_has_floors() -> None:
    verdict = Verdict(Rollout(least_sample=100, least_agreement=0.9, most_failures=0.1))
    verdict.compared([True] * 79 + [False] * 20)
    assert verdict.why_stop() is None, "too few"
    verdict.compared([True] * 101 + [False] * 7)
    assert verdict.why_stop() is None, "87.0 % of 207, as chance has it of 90 % now and then"
    verdict.compared([False] * 4)
    assert verdict.why_stop() == "85.3% of 211 rows agree, the floor is 90.0%"


def readings(*rows: tuple[int, float, int]) -> np.ndarray:
    """Digit, confidence and verdict of each."""
    made = np.zeros(len(rows), READING)
    for reading, (digit, confidence, verdict) in zip(made, rows, strict=True):
        reading["probabilities"] = (1 - confidence) / 9
        reading["probabilities"][digit] = confidence
        reading["verdict"] = verdict
    return made


def test_digits_are_the_same_where_guess_and_verdict_are() -> None:
    one = readings((1, 0.9, 0), (1, 0.9, 0), (1, 0.9, 0), (1, 0.5, 1))
    other = readings((1, 0.7, 0), (2, 0.9, 0), (1, 0.9, 2), (3, 0.5, 1))
    same, difference, _ = compare("digits", one, other)
    assert same.tolist() == [True, False, False, True], "the last is blank"
    assert difference.tolist() == pytest.approx([0.2, 0, 0, 0])


def test_gates_are_the_same_where_they_fire_alike() -> None:
    same, difference, _ = compare("gates", np.array([0.6, 0.6]), np.array([0.9, 0.4]))
    assert same.tolist() == [True, False]
    assert difference.tolist() == pytest.approx([0.3, 0.2])


def test_lines_are_the_same_where_they_are_spelt_alike() -> None:
    digits = np.eye(12)[[[1, 11, 2, 2], [1, 11, 2, 2]]]
    others = np.eye(12)[[[1, 1, 11, 2], [1, 11, 2, 3]]]
    assert compare("lines", digits, others).is_same.tolist() == [True, False]

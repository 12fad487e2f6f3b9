import asyncio
import logging
import math
import time

import numpy as np
import pytest

from service.errors import DeadlineExceeded, InternalError
from service.inference import comparison, rollout
from service.inference.batcher import Answer
from service.inference.catalog import Entry, State
from service.inference.comparison import MOST_ROWS, Case, Compared, compare
from service.inference.predictions import READING
from service.inference.rollout import Canary, Stage
from service.inference.verdict import NEWEST, Verdict, Window
from service.settings import Rollout, Settings, SettingsError
from tests.steered import until
from tests.trials import FAR, Gate, Held, Theatre, inputs, on_trial


def ids(count: int) -> list[str]:
    return [f"request-{number}" for number in range(count)]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_a_canary_has_its_share_of_the_ids_and_keeps_them_when_it_grows(share: float) -> None:
    async def scenario() -> None:
        small, large = (
            Theatre(Gate(0.9), Gate(0.9), **on_trial("canaries", each)) for each in (share, min(1, 2 * share))
        )
        chosen = {each for each in ids(10_000) if isinstance(small.rollout.choose(small.one, each), Canary)}
        again = {each for each in ids(10_000) if isinstance(small.rollout.choose(small.one, each), Canary)}
        more = {each for each in ids(10_000) if isinstance(large.rollout.choose(large.one, each), Canary)}
        assert abs(len(chosen) - 10_000 * share) < 4 * math.sqrt(10_000 * share * (1 - share))
        assert chosen == again
        assert chosen < more

    asyncio.run(scenario())


def test_a_shadow_and_no_candidate_answer_nobody() -> None:
    async def scenario() -> None:
        shadow, plain = Theatre(Gate(0.9), Gate(0.9), **on_trial("shadows")), Theatre(Gate(0.9), Gate(0.9))
        assert [await shadow.ask(each) for each in ids(20)] == [1] * 20
        assert [await plain.ask(each) for each in ids(20)] == [1] * 20
        assert shadow.rollout.standing("gate-xor", 2) == ("shadow", 1.0, None)
        assert plain.rollout.standing("gate-xor", 2) == (None, None, None)

    asyncio.run(scenario())


@pytest.mark.parametrize("state", [State.FAILED, State.LOADING])
def test_a_version_that_does_not_serve_gets_no_request(state: State) -> None:
    async def scenario() -> None:
        theatre = Theatre(Gate(0.9), Gate(0.9), state, **on_trial("canaries"))
        assert [await theatre.ask(each) for each in ids(20)] == [1] * 20
        assert [trial.stage for trial in theatre.rollout.trials()] == [Stage.WAITING]

    asyncio.run(scenario())


def test_a_candidate_that_has_become_the_default_is_on_trial_no_more() -> None:
    async def scenario() -> None:
        theatre = Theatre(Gate(0.9), Gate(0.1), **on_trial("canaries"))
        theatre.catalog.replace(theatre.catalog.entries(), {"gate-xor": 2})
        assert theatre.rollout.choose(theatre.two, "a") is theatre.two
        assert [trial.stage for trial in theatre.rollout.trials()] == [Stage.DEFAULT]

    asyncio.run(scenario())


def test_a_candidate_of_another_kind_gets_no_request() -> None:
    async def scenario() -> None:
        theatre = Theatre(Gate(0.9), Gate(0.9), **on_trial("canaries"))
        manifest = theatre.two.bundle.manifest
        reader = manifest.output.model_copy(update={"shape": (-1, 10)})
        object.__setattr__(manifest, "output", reader)
        assert [await theatre.ask(each) for each in ids(20)] == [1] * 20

    asyncio.run(scenario())


def test_the_default_answers_where_a_canary_fails() -> None:
    async def scenario() -> None:
        theatre = Theatre(Gate(0.9), Gate(RuntimeError("broken"), 0.9), **on_trial("canaries"))
        assert [await theatre.ask() for _ in range(2)] == [1, 2]

    asyncio.run(scenario())


def test_who_names_a_version_gets_it_and_its_failures() -> None:
    async def scenario() -> None:
        theatre = Theatre(Gate(0.9), Gate(RuntimeError("broken")), **on_trial("canaries"))
        with pytest.raises(InternalError):
            await theatre.rollout.ask(inputs(), theatre.two, time.monotonic() + FAR)

    asyncio.run(scenario())


@pytest.mark.parametrize("role", ["canaries", "shadows"])
def test_who_disagrees_is_stopped_everywhere(role: str, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        theatre = Theatre(Gate(0.9), Gate(0.1), **on_trial(role, least_sample=20))
        for _ in range(2):
            await theatre.ask(rows=10)
        await until(lambda: "gate-xor/2" in theatre.orders.stopped)
        assert theatre.why_stopped == "0.0% of 20 rows agree, the floor is 97.0%"
        assert [await theatre.ask(each) for each in ids(20)] == [1] * 20
        assert [trial.stage for trial in theatre.rollout.trials()] == [Stage.STOPPED]
        theatre.orders.stopped.clear()
        theatre.rollout.tend()
        assert [trial.stage for trial in theatre.rollout.trials()] == [Stage.ACTIVE]

    asyncio.run(scenario())
    assert [record.getMessage().partition(" reason")[0] for record in caplog.records] == [
        "candidate_stopped name=gate-xor version=2"
    ]


@pytest.mark.parametrize("role", ["canaries", "shadows"])
def test_who_fails_is_stopped_and_everything_is_answered(role: str) -> None:
    async def scenario() -> None:
        theatre = Theatre(Gate(0.9), Gate(RuntimeError("broken")), **on_trial(role, least_sample=20))
        assert [await theatre.ask(each) for each in ids(20)] == [1] * 20
        await until(lambda: "gate-xor/2" in theatre.orders.stopped)
        assert theatre.why_stopped.startswith("100.0% of 20 requests failed, of the default 0.0%")

    logging.disable()
    try:
        asyncio.run(scenario())
    finally:
        logging.disable(logging.NOTSET)


def test_who_fails_no_more_than_the_default_goes_on() -> None:
    async def scenario() -> None:
        broken = RuntimeError("broken")
        theatre = Theatre(Gate(broken), Gate(broken), **on_trial("canaries", least_sample=20))
        for each in ids(100):
            with pytest.raises(InternalError):
                await theatre.ask(each)
        assert theatre.why_stopped is None

    logging.disable()
    try:
        asyncio.run(scenario())
    finally:
        logging.disable(logging.NOTSET)


def test_a_canary_that_hangs_is_stopped() -> None:
    async def scenario() -> None:
        held = Held(0.9)
        theatre = Theatre(Gate(0.9), held, **on_trial("canaries", least_sample=5))
        asked = [asyncio.create_task(theatre.ask(each, patience_s=0.5)) for each in ids(5)]
        ends = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(end) for end in ends] == [DeadlineExceeded] * 5
        await until(lambda: "gate-xor/2" in theatre.orders.stopped)
        assert await theatre.ask() == 1
        held.may_go.set()

    asyncio.run(scenario())


def test_a_candidate_whose_engine_hangs_is_stopped_and_its_worker_stays_ready() -> None:
    """A shadow, which no request waits for: nothing but its heartbeat tells."""

    async def scenario() -> None:
        held = Held(0.9)
        theatre = Theatre(Gate(0.9), held, heartbeat_s=2, **on_trial("shadows"))
        assert await theatre.ask() == 1
        await until(held.is_asked.is_set)
        beat = asyncio.create_task(theatre.two.batcher.beat())
        await until(lambda: theatre.catalog.is_falling_silent(theatre.two))
        theatre.rollout.tend()
        await until(lambda: "gate-xor/2" in theatre.orders.stopped)
        assert theatre.why_stopped == "its engine does not answer"
        await until(lambda: theatre.two.batcher.heartbeat_age_s > 2)
        assert theatre.catalog.silent_model() is None, "nobody asks it any more"
        assert theatre.catalog.why_not_answering(theatre.two) is not None
        held.may_go.set()
        await beat

    asyncio.run(scenario())


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


def test_a_canary_that_meets_too_many_others_is_not_to_blame_and_the_default_answers() -> None:
    async def scenario() -> None:
        held = Held(0.9)
        theatre = Theatre(Gate(0.9), held, **on_trial("canaries", least_sample=5))
        first = asyncio.create_task(theatre.ask())
        await until(held.is_asked.is_set)
        crowd = [asyncio.create_task(theatre.ask(rows=1_000)) for _ in range(4)]
        await until(lambda: theatre.two.batcher.queued_rows == 4_000)
        assert [await theatre.ask(each, rows=200) for each in ids(20)] == [1] * 20
        assert theatre.why_stopped is None
        held.may_go.set()
        assert await asyncio.gather(first, *crowd) == [2] * 5

    asyncio.run(scenario())


def test_a_canary_lets_in_whom_the_default_lets_in() -> None:
    async def scenario() -> None:
        theatre = Theatre(Gate(0.9), Gate(0.9), **on_trial("canaries"))
        chosen = theatre.rollout.choose(theatre.one, "a")
        assert chosen.batcher is theatre.two.batcher
        assert chosen.admission is theatre.one.batcher

    asyncio.run(scenario())


def test_under_load_a_canary_is_compared_after_a_second_and_a_shadow_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollout, "PUT_OFF_S", 0.05)

    async def scenario(role: str) -> int:
        held = Held(0.9)
        theatre = Theatre(Gate(0.9), Gate(0.9), **on_trial(role))
        other = Theatre(held, Gate(0.9))
        theatre.catalog.replace(
            [*theatre.catalog.entries(), Entry("other", 1, State.READY, model=other.one)], {"gate-xor": 1, "other": 1}
        )
        waiting = asyncio.create_task(other.one.infer(inputs(), time.monotonic() + FAR))
        await until(held.is_asked.is_set)
        await theatre.ask()
        due = time.monotonic() + 0.3
        await until(lambda: time.monotonic() > due)
        left = theatre.rollout.comparisons.waiting_rows
        held.may_go.set()
        await waiting
        return left

    assert asyncio.run(scenario("canaries")) == 0
    assert asyncio.run(scenario("shadows")) == 1


def test_a_stop_that_cannot_be_told_holds_in_this_worker_and_is_told_again() -> None:
    async def scenario() -> None:
        theatre = Theatre(Gate(0.9), Gate(0.1), **on_trial("canaries", least_sample=10))
        theatre.orders.is_broken = True
        await theatre.ask(rows=10)
        await until(lambda: theatre.why_stopped is not None)
        assert await theatre.ask() == 1
        theatre.orders.is_broken = False
        theatre.rollout.tend()
        await until(lambda: "gate-xor/2" in theatre.orders.stopped)
        theatre.rollout.tend()
        theatre.orders.stopped.clear()  # as an operator does who has it tried again
        assert theatre.why_stopped is None

    logging.disable()
    try:
        asyncio.run(scenario())
    finally:
        logging.disable(logging.NOTSET)


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


def test_nothing_is_compared_while_anybody_waits() -> None:
    async def scenario() -> None:
        held = Held(0.9)
        theatre = Theatre(Gate(0.9), Gate(0.9), **on_trial("shadows"))
        other = Theatre(held, Gate(0.9))
        theatre.catalog.replace(
            [*theatre.catalog.entries(), Entry("other", 1, State.READY, model=other.one)], {"gate-xor": 1, "other": 1}
        )
        waiting = asyncio.create_task(other.one.infer(inputs(), time.monotonic() + FAR))
        await until(held.is_asked.is_set)
        await theatre.ask()
        due = time.monotonic() + 0.1
        await until(lambda: time.monotonic() > due)
        assert (theatre.rollout.comparisons.waiting_rows, theatre.engines[1].rows) == (1, 0)
        held.may_go.set()
        assert isinstance(await waiting, Answer)
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


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("CANARIES", '{"cnn": {"version": 3, "share": 0}}', "greater than 0"),
        ("CANARIES", '{"cnn": {"version": 3, "share": 1.1}}', "less than or equal to 1"),
        ("CANARIES", '{"cnn": {"version": 3}}', "Field required"),
        ("SHADOWS", '{"cnn": {"version": 0, "share": 1}}', "greater than 0"),
        ("SHADOWS", "cnn", "must be JSON"),
        ("LEAST_SAMPLE", "0", "greater than or equal to 1"),
    ],
)
def test_wrong_settings_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str) -> None:
    monkeypatch.setenv(f"AXON_ROLLOUT__{name}", value)
    with pytest.raises(SettingsError, match=says):
        Settings.load()


def test_a_model_cannot_have_both(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CANARIES", "SHADOWS"):
        monkeypatch.setenv(f"AXON_ROLLOUT__{name}", '{"cnn": {"version": 3, "share": 0.1}}')
    with pytest.raises(SettingsError, match="cnn has a canary and a shadow"):
        Settings.load()

import asyncio
import logging
import math
import time

import pytest

from service.errors import DeadlineExceeded, InternalError
from service.inference.catalog import State
from service.inference.rollout import Canary, Stage
from service.settings import Settings, SettingsError
from tests.steered import until
from tests.trials import FAR, Gate, Held, Theatre, ids, inputs, on_trial


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

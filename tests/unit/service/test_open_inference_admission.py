"""Who is let in through the Open Inference door while others wait: the door itself, before an engine that is held."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from service.doors import open_inference
from service.doors.access import Access
from service.doors.body import Storage
from service.doors.front import FrontDoor
from service.doors.pictures import Pictures
from service.doors.routes import Routes
from service.inference.batcher import Batcher
from service.inference.catalog import Catalog, Entry, LoadedModel, State
from service.inference.pipeline import Pipeline
from service.inference.rollout import Rollout
from service.settings import Settings
from service.telemetry.access_log import AccessLog
from tests.steered import until
from tests.trials import Held, KeptOrders, model

PACE_S = 0.05  # of a row: two hundred take as long as a client waits by default


class House:
    """Everything behind the front door that a request to this door meets."""

    def __init__(self, engine: Held) -> None:
        settings = Settings()
        self.max_body_bytes, self.timeout_ms = settings.http.max_body_bytes, settings.http.timeout_ms
        self.storage = Storage(settings.http.max_stored_bytes)
        self.access, self.access_log = Access(settings.access, settings.http.host), AccessLog(0)
        self.catalog = Catalog((), heartbeat_s=10)
        self.batcher = Batcher("gate-xor", engine, 64, 4096, None, PACE_S)
        xor = LoadedModel(model(1, engine).bundle, self.batcher, "none", 0.0)
        self.catalog.replace([Entry("gate-xor", 1, State.READY, model=xor)], {"gate-xor": 1})
        pipeline = Pipeline(self.catalog, Rollout(self.catalog, settings.rollout, KeptOrders()))
        management: Any = None  # nobody is managed
        self.routes = Routes(open_inference.routes(pipeline, Pictures(1), management, settings))


@asynccontextmanager
async def crowded() -> AsyncIterator[tuple[httpx.AsyncClient, House, Held]]:
    """One row at work, two hundred waiting; let go at the end, when everybody must have been answered."""
    engine = Held(0.9)
    house = House(engine)
    transport = httpx.ASGITransport(FrontDoor(house.routes, house))
    async with httpx.AsyncClient(transport=transport, base_url="http://axon") as client, asyncio.TaskGroup() as others:
        asked = [others.create_task(ask(client, rows, timeout=60_000_000)) for rows in (1, 200)]
        await until(lambda: house.batcher.queued_rows == 200)
        yield client, house, engine
        engine.may_go.set()
        assert [(await each).status_code for each in asked] == [200, 200]


async def ask(client: httpx.AsyncClient, rows: int = 1, **parameters: int) -> httpx.Response:
    tensor = {"name": "inputs", "shape": [rows, 2], "datatype": "FP32", "data": [0] * 2 * rows}
    return await client.post("/v2/models/gate-xor/infer", json={"inputs": [tensor], "parameters": parameters})


def test_who_would_wait_too_long_is_refused() -> None:
    async def scenario() -> None:
        async with crowded() as (client, _, _):
            refused = await ask(client)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "11")

    asyncio.run(scenario())


def test_who_goes_first_waits_for_those_of_its_kind_alone() -> None:
    async def scenario() -> None:
        async with crowded() as (client, house, engine):
            first = asyncio.create_task(ask(client, priority=1))
            await until(lambda: house.batcher.queued_rows == 201)
            assert (await ask(client, priority=3)).status_code == 429
            engine.may_go.set()
            assert (await first).status_code == 200

    asyncio.run(scenario())


def test_who_says_that_it_has_time_is_let_in_and_who_has_none_is_not() -> None:
    async def scenario() -> None:
        async with crowded() as (client, house, engine):
            patient = asyncio.create_task(ask(client, timeout=60_000_000))
            await until(lambda: house.batcher.queued_rows == 201)
            assert (await ask(client, timeout=15_000_000)).status_code == 429
            engine.may_go.set()
            assert (await patient).status_code == 200

    asyncio.run(scenario())


def test_a_model_whose_engine_is_silent_or_that_is_being_stopped_is_not_ready() -> None:
    async def scenario() -> None:
        async with crowded() as (client, house, _):
            ready = "/v2/models/gate-xor/ready"
            assert (await client.get(ready)).status_code == 200
            house.catalog._heartbeat_s = -1.0
            silent = await client.get(ready)
            assert (silent.status_code, "does not answer" in silent.json()["error"]) == (503, True)
            house.catalog._heartbeat_s, house.catalog.is_leaving = 10.0, True
            assert (await client.get(ready)).status_code == 503

    asyncio.run(scenario())

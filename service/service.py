"""The composition root: settings -> catalog -> pipeline -> doors; start and stop; and the Bento door.

BentoML gives worker processes, their socket and their lifecycle. It reads workers and timeouts when this module is
imported, so the settings are read here, once, and nowhere else.
"""

import asyncio
import gc
from collections.abc import Awaitable
from typing import Any

import bentoml
from bentoml._internal.server.http.traffic import TimeoutMiddleware
from starlette.applications import Starlette
from starlette.datastructures import State
from starlette.responses import Response
from starlette.types import ASGIApp

from models.repository import Repository
from service import cores, imaging
from service.doors import open_inference, rest
from service.doors.access import Access
from service.doors.body import Storage
from service.doors.front import FAILURE, FrontDoor
from service.doors.rest.digits import DEFAULT_MODEL, DEFAULT_TOP_K, Digits
from service.doors.rest.exchange import dump
from service.doors.rest.gates import Gates
from service.doors.rest.management import Managed
from service.doors.rest.numbers import Numbers
from service.doors.routes import Routes
from service.errors import JSON, AxonError
from service.inference.board import Board
from service.inference.catalog import Catalog
from service.inference.engine import on_gpu
from service.inference.loader import Loader
from service.inference.management import Management
from service.inference.pipeline import Pipeline
from service.inference.rollout import Rollout, versions_on_trial
from service.inference.steward import Steward
from service.schemas import DigitsAnswer, GateAnswer, ImageList, RowList
from service.settings import Settings
from service.telemetry import access_log, metrics, pulse
from service.telemetry.versions import Versions

SETTINGS = Settings.load()
WORKERS = cores.workers(SETTINGS.http.workers, on_gpu(SETTINGS.inference))
THREADS = SETTINGS.inference.threads or max(1, cores.usable() // WORKERS)


class House:
    """Everything behind the front door of one worker."""

    catalog: Catalog
    routes: ASGIApp
    digits: Digits
    gates: Gates

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.board: Board | None = None  # that this worker shares with others, if there are any
        self.max_body_bytes = settings.http.max_body_bytes
        self.storage = Storage(settings.http.max_stored_bytes)
        self.timeout_ms = settings.http.timeout_ms
        self.access = Access(settings.access, settings.http.host)
        self.access_log = access_log.AccessLog(settings.log.access_sample)

    async def open(self) -> None:
        """Loads the models and opens the doors."""
        self._log = access_log.start(self.settings.log)
        steward, management = await self._open_models()
        pipeline = self._open_doors(management)
        heartbeat_s = self.settings.inference.heartbeat_s
        every_beat = pipeline.flush, pipeline.rollout.tend, self.versions.sweep
        self._tasks = [
            asyncio.create_task(pulse.beat_forever(self.catalog, every_beat, heartbeat_s)),
            asyncio.create_task(steward.watch()),
        ]
        imaging.warm_up()
        metrics.WORKER_STARTS.inc()
        gc.collect()
        gc.freeze()  # what is loaded lives as long as the process; full collections over it are the long tail

    async def _open_models(self) -> tuple[Steward, Management]:
        models, inference = self.settings.models, self.settings.inference
        repository = Repository(models.root)
        board = self.board or Board.of_one(models.orders)
        self.catalog = Catalog(models.required, inference.heartbeat_s)
        self.versions = Versions(self.catalog)
        loader = Loader(repository, inference, THREADS, metrics.BatchMetrics)
        candidates = versions_on_trial(self.settings.rollout)
        steward = Steward(self.catalog, loader, repository, models, board, candidates, self.versions.record)
        await steward.open()
        reaches_all = self.board is not None or WORKERS == 1
        return steward, Management(self.catalog, repository, board, steward, reaches_all=reaches_all)

    def _open_doors(self, management: Management) -> Pipeline:
        metrics.expect_requests()
        rollout = Rollout(self.catalog, self.settings.rollout, management)
        pipeline = Pipeline(self.catalog, rollout)
        self.digits = Digits(pipeline, self.settings)
        self.gates = Gates(pipeline, self.settings)
        numbers = Numbers(pipeline, self.digits.pictures, self.settings)
        managed = Managed(management, self.catalog, rollout, self.settings)
        self.routes = Routes(
            [
                *rest.routes(pipeline, self.digits, numbers, self.gates, managed),
                *open_inference.routes(pipeline, self.digits.pictures, management, self.settings),
            ]
        )
        return pipeline

    def leave(self) -> None:
        """Is not ready from now on."""
        self.catalog.is_leaving = True

    async def close(self) -> None:
        """Finishes what was accepted, then stops."""
        self.leave()
        await self.catalog.close(self.settings.http.drain_s)
        self.digits.pictures.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        metrics.TALLY.flush()
        self._log.stop()


HOUSE = House(SETTINGS)


@bentoml.service(
    name="axon",
    workers=WORKERS,
    traffic={"timeout": 3600},  # a distant backstop; deadlines are the batcher's
    metrics={"enabled": False},  # these would label the raw path
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": [".*"]},
    http={"host": str(SETTINGS.http.host), "port": SETTINGS.http.port},
)
class Axon:
    """Reads handwritten digits and evaluates logic gates."""

    @bentoml.on_startup
    async def open(self) -> None:
        """Called by BentoML before the worker accepts connections."""
        await HOUSE.open()

    @bentoml.on_shutdown
    async def close(self) -> None:
        """Called by BentoML when the last request in flight has been answered."""
        await HOUSE.close()

    @bentoml.api
    async def classify(
        self,
        images: ImageList,
        model: str = DEFAULT_MODEL,
        top_k: int = DEFAULT_TOP_K,
        ctx: bentoml.Context = None,  # type: ignore[assignment]  # BentoML fills it in
    ) -> DigitsAnswer:
        """Reads pictures: base64 text or 28x28 arrays, never addresses of any."""
        return await _said(ctx, _classify(images, model, top_k, ctx.request.state))

    @bentoml.api
    async def gate(
        self,
        gate: str,
        inputs: RowList,
        ctx: bentoml.Context = None,  # type: ignore[assignment]
    ) -> GateAnswer:
        """Evaluates a gate: and, or, nand, nor, xor, xnor."""
        state = ctx.request.state
        return await _said(ctx, HOUSE.gates.evaluate(gate, inputs, state.deadline, state.request_id))


async def _classify(items: list[Any], model: str, top_k: int, state: State) -> dict[str, Any]:
    question = HOUSE.digits.ask(state.request_id, model, top_k=top_k)
    images = await HOUSE.digits.from_items(items, state.deadline)
    return await HOUSE.digits.predict(images, question, state.deadline, state.request_id)


async def _said(ctx: bentoml.Context, document: Awaitable[dict[str, Any]]) -> Any:
    """The document as a response, which spares BentoML's costly output schema; an error goes to the front door."""
    try:
        return Response(dump(await document), media_type=JSON)
    except AxonError as error:
        setattr(ctx.request.state, FAILURE, error)
        ctx.response.status_code = error.status
        return Response()


Axon.add_asgi_middleware(FrontDoor, house=HOUSE)  # type: ignore[attr-defined]  # for BentoML's own tools


def application() -> ASGIApp:
    """What a worker serves: the front door first, then BentoML, without a timer of an hour for each request."""
    bento: Starlette = Axon.to_asgi(is_main=True)  # type: ignore[attr-defined]
    replaced: tuple[Any, ...] = (FrontDoor, TimeoutMiddleware)
    bento.user_middleware = [each for each in bento.user_middleware if each.cls not in replaced]
    return FrontDoor(bento, HOUSE)

"""For operators and their machines: liveness, readiness, metrics."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from service.doors.rest.exchange import Answer, answer
from service.errors import NotReady
from service.inference.pipeline import Pipeline
from service.telemetry import metrics, pulse, tally


class Operations:
    """The handlers of the operators' routes."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    async def live(self, request: Request) -> Answer:
        """200 while the event loop answers."""
        return answer({"live": True})

    async def ready(self, request: Request) -> Answer:
        """200 while required models serve and every engine thread answers; else 503 with the reason."""
        reason = self._pipeline.catalog.why_not_ready()
        if reason is not None:
            raise NotReady(f"the service is not ready: {reason}", retry_after_s=1)
        return answer({"ready": True})

    async def metrics(self, request: Request) -> Response:
        """Everything in `telemetry.metrics`, summed over the workers."""
        pulse.measure(self._pipeline.catalog)
        self._pipeline.flush()
        await asyncio.sleep(tally.SETTLED_S)
        return Response(await asyncio.to_thread(metrics.render), media_type=metrics.CONTENT_TYPE)

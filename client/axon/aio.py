"""The async client: drives the same exchange with httpx.AsyncClient, several requests at once in tasks."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Any, Self

import httpx

from axon import batches, exchange
from axon.client import POLICY, TIMEOUT_S, Closed, address, bearer, lost
from axon.exchange import Lost, Steps, Wait
from axon.protocol import Answer, Request
from axon.readings import Reading
from axon.retry import Policy
from axon.sources import Source, items


class AsyncClient:
    """As Client, in an event loop. Files are read beside the loop."""

    def __init__(
        self,
        url: str = "http://localhost:3000",
        *,
        model: str = "cnn",
        version: int | None = None,
        key: str | None = None,
        batch: int = 64,
        concurrency: int = 3,
        policy: Policy = POLICY,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._model, self._version, self._policy = model, version, policy
        self._batch, self._concurrency = batch, concurrency
        self._http = httpx.AsyncClient(
            base_url=address(url), headers=bearer(key), timeout=TIMEOUT_S, transport=transport
        )

    async def classify(self, sources: Iterable[Source] | Source) -> AsyncIterator[Reading]:
        """Readings in the order of the sources; `concurrency` requests are on their way while the first are used."""
        cut = batches.cut(items(sources), self._batch)
        window: deque[asyncio.Task[list[Reading]]] = deque()
        try:
            while batch := await asyncio.to_thread(next, cut, None):
                steps = exchange.classify(batch, self._model, self._version, self._policy)
                window.append(asyncio.create_task(self._drive(steps)))
                if len(window) >= self._concurrency:
                    for reading in await window.popleft():
                        yield reading
            while window:
                for reading in await window.popleft():
                    yield reading
        finally:
            for task in window:
                task.cancel()
            await asyncio.gather(*window, return_exceptions=True)

    async def gate(self, name: str, rows: list[list[float]]) -> list[int]:
        """What a gate says to rows of two numbers of 0 to 1: 0 or 1 for each."""
        return list(await self._drive(exchange.gate(name, rows, self._policy)))

    async def models(self) -> list[dict[str, str]]:
        """Every version with its state and the reason for it."""
        return list(await self._drive(exchange.models(self._policy)))

    async def close(self) -> None:
        """Ends connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def _drive(self, steps: Steps) -> Any:
        """What the steps return, having done them."""
        outcome: Answer | Lost | None = None
        try:
            while True:
                step = steps.send(outcome)
                outcome = None
                if isinstance(step, Wait):
                    await asyncio.sleep(step.seconds)
                else:
                    outcome = await self._send(step)
        except StopIteration as end:
            return end.value

    async def _send(self, request: Request) -> Answer | Lost:
        if self._http.is_closed:
            raise Closed("the client was closed")
        try:
            response = await self._http.request(
                request.method, request.path, content=request.content, headers=dict(request.headers)
            )
        except httpx.TransportError as error:
            return lost(error)
        return Answer(response.status_code, response.headers, response.content)

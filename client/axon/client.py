"""The sync client: drives the exchange with httpx.Client, several requests at once in threads."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import httpx

from axon import batches, exchange
from axon.exchange import Lost, Steps, Wait
from axon.protocol import Answer, Request
from axon.readings import Reading
from axon.retry import Policy
from axon.sources import Source, items

TIMEOUT_S = 30.0
POLICY = Policy()
SCHEMES = ("http", "https")
PORTS = range(1, 65_536)


class Closed(Exception):
    """The client was closed before it had done what it was asked."""


def address(url: str) -> httpx.URL:
    """Where a server is. Raises ValueError, without what may be a password, for what is no address of HTTP."""
    with suppress(httpx.InvalidURL):
        known = httpx.URL(url)
        if known.scheme in SCHEMES and known.host and (known.port is None or known.port in PORTS):
            return known
    raise ValueError(f"the URL must be http://HOST[:PORT] or https://HOST[:PORT], got {url.rpartition('@')[2]!r}")


def bearer(key: str | None) -> dict[str, str]:
    """The header that presents a key. Raises ValueError, without the key, for one that no header takes."""
    key = (key or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise ValueError("the key must be printable ASCII on one line")
    return {"authorization": f"Bearer {key}"} if key else {}


def lost(error: httpx.TransportError) -> Lost:
    """Why no answer came. Raises ValueError where HTTP does not allow the request, which asking again does not cure.

    The reason for that is not repeated: h11 shows the header that it refuses, and a header holds the key.
    """
    if isinstance(error, httpx.LocalProtocolError):
        raise ValueError("the request cannot be sent: HTTP does not allow it") from None
    return Lost(f"{type(error).__name__}: {error}")


class Client:
    """Asks one server for readings by one model. Raises ServerError and Unreachable when `policy` is exhausted.

    Raises ValueError for a URL or a key that HTTP does not allow.
    """

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
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._model, self._version, self._policy = model, version, policy
        self._batch, self._concurrency = batch, concurrency
        self._http = httpx.Client(base_url=address(url), headers=bearer(key), timeout=TIMEOUT_S, transport=transport)
        self._threads = ThreadPoolExecutor(concurrency, "axon")
        self._closed = threading.Event()

    def classify(self, sources: Iterable[Source] | Source) -> Iterator[Reading]:
        """Readings in the order of the sources; `concurrency` requests are on their way while the first are used."""
        window: deque[Future[list[Reading]]] = deque()
        try:
            for batch in batches.cut(items(sources), self._batch):
                steps = exchange.classify(batch, self._model, self._version, self._policy)
                window.append(self._threads.submit(self._drive, steps))
                if len(window) >= self._concurrency:
                    yield from window.popleft().result()
            while window:
                yield from window.popleft().result()
        finally:
            for future in window:
                future.cancel()

    def gate(self, name: str, rows: list[list[float]]) -> list[int]:
        """What a gate says to rows of two numbers of 0 to 1: 0 or 1 for each."""
        return list(self._drive(exchange.gate(name, rows, self._policy)))

    def models(self) -> list[dict[str, str]]:
        """Every version with its state and the reason for it."""
        return list(self._drive(exchange.models(self._policy)))

    def close(self) -> None:
        """Ends waits and connections; an answer that is on its way is waited for, until 30 s are silent."""
        self._closed.set()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _drive(self, steps: Steps) -> Any:
        """What the steps return, having done them."""
        outcome: Answer | Lost | None = None
        try:
            while True:
                step = steps.send(outcome)
                outcome = None
                if isinstance(step, Wait):
                    self._wait(step)
                else:
                    outcome = self._send(step)
        except StopIteration as end:
            return end.value

    def _wait(self, wait: Wait) -> None:
        if self._closed.wait(wait.seconds):
            raise Closed("the client was closed")

    def _send(self, request: Request) -> Answer | Lost:
        if self._closed.is_set():
            raise Closed("the client was closed")
        try:
            response = self._http.request(
                request.method, request.path, content=request.content, headers=dict(request.headers)
            )
        except httpx.TransportError as error:
            return lost(error)
        return Answer(response.status_code, response.headers, response.content)

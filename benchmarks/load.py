"""Open loop: requests leave at their time, whether or not earlier ones were answered, as users do.

Latency counts from the time at which a request was due, so a server that stalls cannot hide it by holding up the
generator (coordinated omission). How late the generator itself was is recorded beside it.
"""

import asyncio
import contextlib
import gc
import itertools
import selectors
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import uvloop

PATIENCE_S = 30.0  # for the answers that are still out when the last request has left
GULP = 8  # requests that leave together when the generator is late, before it reads answers again


class Exchange(NamedTuple):
    """One request, times in seconds from the start of the run."""

    due: float
    sent: float
    done: float
    status: int
    waited: bool  # for a connection: all of them were busy when it was due
    retry_after: bool

    @property
    def latency_ms(self) -> float:
        """From when it was due to the whole answer."""
        return (self.done - self.due) * 1e3

    @property
    def lateness_ms(self) -> float:
        """How late it left."""
        return (self.sent - self.due) * 1e3


class Run(NamedTuple):
    """All exchanges, in order of their answers, and how many requests were never sent."""

    exchanges: list[Exchange]
    given_up: int
    seconds: float


class Connection(asyncio.Protocol):
    """One keep-alive connection with one request at a time."""

    def __init__(self, load: "Load") -> None:
        self.transport: asyncio.Transport  # set by whoever connects: uvloop calls connection_made later than that
        self._load = load
        self._buffer = bytearray()

    def send(self, request: bytes, due: float, sent: float, waited: bool) -> None:
        self._sent = due, sent, waited
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._buffer[:end]).lower()
        length = int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
        if len(self._buffer) >= end + 4 + length:
            self._buffer.clear()
            due, sent, waited = self._sent
            done = self._load.now()
            self._load.answered(self, Exchange(due, sent, done, int(head[9:12]), waited, b"\r\nretry-after:" in head))

    def connection_lost(self, error: Exception | None) -> None:
        self._load.lost(error)

    def close(self) -> None:
        self.transport.abort()


class Load:
    """Sends requests, in rotation, at the times that are given, over so many connections.

    A request that finds all connections busy waits for one, or, with `give_up`, is never sent.
    """

    def __init__(self, requests: Sequence[bytes], give_up: bool = False) -> None:
        self._requests = itertools.cycle(requests)
        self._give_up = give_up
        self._idle: deque[Connection] = deque()  # in turn, for connections belong to workers
        self._waiting: deque[float] = deque()
        self._is_quiet = asyncio.Event()
        self._pending = 0
        self._given_up = 0
        self._failure: Exception | None = None
        self._is_over = False
        self.exchanges: list[Exchange] = []

    def now(self) -> float:
        """Seconds from the start."""
        return time.perf_counter() - self._began

    async def run(self, port: int, connections: int, times: Iterable[float], patience_s: float = PATIENCE_S) -> Run:
        """Returns when all requests are answered.

        Raises ConnectionError when a connection is lost, TimeoutError when answers are missing after `patience_s`.
        """
        self._loop = asyncio.get_running_loop()
        for _ in range(connections):
            self._idle.append(await self._connect(port))
        everyone = list(self._idle)
        self._began = time.perf_counter()
        try:
            await self._send_all(times)
            seconds = self.now()
            await asyncio.wait_for(self._is_quiet.wait(), patience_s)
            self._check()
        finally:
            self._is_over = True
            for connection in everyone:
                connection.close()
            await asyncio.sleep(0)  # sockets are closed when the loop comes round
        return Run(self.exchanges, self._given_up, seconds)

    def answered(self, connection: Connection, exchange: Exchange) -> None:
        """Takes note, and gives the connection its next request."""
        self.exchanges.append(exchange)
        self._pending -= 1
        if self._waiting:
            connection.send(next(self._requests), self._waiting.popleft(), self.now(), waited=True)
        else:
            self._idle.append(connection)
        if not self._pending:
            self._is_quiet.set()

    def lost(self, error: Exception | None) -> None:
        """A connection has ended; the run fails unless it is over."""
        if not self._is_over:
            self._failure = error or ConnectionError("the server closed a connection")
            self._is_quiet.set()

    async def _connect(self, port: int) -> Connection:
        transport, connection = await self._loop.create_connection(lambda: Connection(self), "127.0.0.1", port)
        connection.transport = transport
        return connection

    async def _send_all(self, times: Iterable[float]) -> None:
        for index, due in enumerate(times):
            if (ahead := due - self.now()) > 0:
                await asyncio.sleep(ahead)
            elif index % GULP == 0:
                await asyncio.sleep(0)
            self._check()
            self._offer(due)
        if not self._pending:
            self._is_quiet.set()

    def _offer(self, due: float) -> None:
        if not self._idle and self._give_up:
            self._given_up += 1
            return
        self._pending += 1
        self._is_quiet.clear()
        if self._idle:
            self._idle.popleft().send(next(self._requests), due, self.now(), waited=False)
        else:
            self._waiting.append(due)

    def _check(self) -> None:
        if self._failure:
            raise self._failure


def pace(load: Load, port: int, connections: int, times: Iterable[float]) -> Run:
    """Runs it on a loop that wakes to the microsecond; uvloop and epoll wake to the millisecond."""
    with _on_time(), asyncio.Runner(loop_factory=_select) as runner:
        return runner.run(load.run(port, connections, times))


def flood(load: Load, port: int, connections: int, times: Iterable[float]) -> Run:
    """Runs it on the loop that sends most."""
    with _on_time(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(load.run(port, connections, times))


def _select() -> asyncio.AbstractEventLoop:
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


@contextlib.contextmanager
def _on_time() -> Iterator[None]:
    """Without the garbage collector, which would stop the generator for milliseconds to find nothing."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()

"""Open loop: requests leave at their time, whether or not earlier ones were answered, as users do.

Latency counts from the time at which a request was due, so a server that stalls cannot hide it by holding up the
generator (coordinated omission). How late the generator itself was is recorded beside it. It shares its processors
with the server that it measures, so it has a loop of its own on bare sockets: 65 us a request, where asyncio's took 92.
"""

import contextlib
import gc
import itertools
import select
import socket
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

PATIENCE_S = 30.0  # for the answers that are still out when the last request has left
GULP = 8  # requests that leave together when the generator is late, before it reads answers again
CHUNK = 1 << 16  # bytes read at once


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


class Connection:
    """One keep-alive connection with one request at a time. Raises ConnectionError when the server ends it."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.settimeout(0)
        self._unsent = memoryview(b"")
        self._answer = b""
        self.sent = (0.0, 0.0, False)  # when the request was due, when it left, and whether it had waited

    def fileno(self) -> int:
        """For epoll."""
        return self._socket.fileno()

    def send(self, request: bytes, due: float, sent: float, waited: bool) -> bool:
        """Begins a request; whether it went out whole."""
        self.sent = due, sent, waited
        self._unsent = memoryview(request)
        return self.send_more()

    def send_more(self) -> bool:
        """Goes on; whether all is out now."""
        with contextlib.suppress(BlockingIOError):
            self._unsent = self._unsent[self._socket.send(self._unsent) :]
        return not self._unsent

    def receive(self) -> tuple[int, bool] | None:
        """Status of the answer and whether it has a Retry-After; None while it is not whole."""
        data = self._socket.recv(CHUNK)
        if not data:
            raise ConnectionResetError("the server closed a connection")
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found:
            return None
        head = head.lower()
        if len(body) < int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]):
            return None
        self._answer = b""
        return int(head[9:12]), b"\r\nretry-after:" in head

    def close(self) -> None:
        self._socket.close()


class Load:
    """Sends requests, in rotation, at the times that are given, over so many connections.

    A request that finds all connections busy waits for one, or, with `give_up`, is never sent.
    """

    def __init__(self, requests: Sequence[bytes], give_up: bool = False) -> None:
        self._requests = itertools.cycle(requests)
        self._give_up = give_up
        self._busy: dict[int, Connection] = {}  # by file descriptor
        self._idle: deque[Connection] = deque()  # in turn, for connections belong to workers
        self._waiting: deque[float] = deque()
        self._given_up = 0
        self.exchanges: list[Exchange] = []

    def run(self, port: int, connections: int, times: Iterable[float], patience_s: float = PATIENCE_S) -> Run:
        """Returns when all requests are answered.

        Raises ConnectionError when a connection is lost, TimeoutError when answers are missing after `patience_s`.
        """
        with contextlib.ExitStack() as stack:
            stack.enter_context(_on_time())
            self._events = stack.enter_context(contextlib.closing(select.epoll()))
            for _ in range(connections):
                connection = stack.enter_context(contextlib.closing(Connection(port)))
                self._events.register(connection, select.EPOLLIN)
                self._idle.append(connection)
            self._began = time.perf_counter()
            self._send_all(times)
            seconds = self._now()
            self._await_answers(seconds + patience_s)
        return Run(self.exchanges, self._given_up, seconds)

    def _now(self) -> float:
        """Seconds from the start."""
        return time.perf_counter() - self._began

    def _send_all(self, times: Iterable[float]) -> None:
        for index, due in enumerate(times):
            if index % GULP == 0:
                self._read(0)
            while (ahead := due - self._now()) > 0:
                self._read(ahead)
            if self._idle:
                self._send(self._idle.popleft(), due, waited=False)
            elif self._give_up:
                self._given_up += 1
            else:
                self._waiting.append(due)

    def _await_answers(self, deadline: float) -> None:
        while self._busy:
            if (left := deadline - self._now()) <= 0:
                raise TimeoutError(f"{len(self._busy) + len(self._waiting)} answers are missing")
            self._read(left)

    def _send(self, connection: Connection, due: float, waited: bool) -> None:
        self._busy[connection.fileno()] = connection
        if not connection.send(next(self._requests), due, self._now(), waited):
            self._events.modify(connection, select.EPOLLIN | select.EPOLLOUT)

    def _read(self, patience_s: float) -> None:
        """Takes what answers there are, or waits for one. epoll alone wakes to the millisecond, select earlier."""
        if patience_s:
            select.select([self._events], [], [], patience_s)
        for number, event in self._events.poll(0):
            connection = self._busy.get(number)
            if connection is None:
                raise ConnectionResetError("the server closed an idle connection")
            if event & select.EPOLLOUT and connection.send_more():
                self._events.modify(connection, select.EPOLLIN)
            if event & ~select.EPOLLOUT and (answer := connection.receive()):
                self._take(connection, *answer)

    def _take(self, connection: Connection, status: int, retry_after: bool) -> None:
        """Notes the answer, and gives the connection its next request."""
        due, sent, waited = connection.sent
        self.exchanges.append(Exchange(due, sent, self._now(), status, waited, retry_after))
        if self._waiting:
            self._send(connection, self._waiting.popleft(), waited=True)
        else:
            del self._busy[connection.fileno()]
            self._idle.append(connection)


@contextlib.contextmanager
def _on_time() -> Iterator[None]:
    """Without the garbage collector, which would stop the generator for milliseconds to find nothing."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()

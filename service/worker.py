"""One worker process: BentoML's application behind the front door, on a socket that the supervisor holds.

BentoML's own worker script puts its middleware before any of the service's: a task, a timer of an hour and a tracing
check for each request. Here the front door comes first, and BentoML sees what is its own (decision 11). Knows
connections; does not know what a request means.
"""

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import uvicorn
from uvicorn._types import ASGI3Application
from uvicorn.config import STARTUP_FAILURE
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.crowd import Crowd
from service.doors.body import AHEAD, ARRIVED, WHOLE
from service.errors import CLIENT_LEFT
from service.inference.board import Board
from service.listener import Connections, Listener, Loads
from service.telemetry import files

LINGER_S = 1.0  # that a connection without a request has to send one, once the worker is leaving


class Gathering:
    """A transport that sends the head of an answer and its body at once: one system call and one packet, not two."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._written: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Sends at the end of this turn of the event loop, if nobody flushes before."""
        if not self._written:
            self._loop.call_soon(self.flush)
        self._written.append(data)

    def flush(self) -> None:
        """Sends."""
        if self._written:
            written, self._written = self._written, []
            self._transport.write(b"".join(written))

    def close(self) -> None:
        """Sends, then closes."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Connection(HttpToolsProtocol):
    """HTTP on one connection. One that may have a request on its way is told to close, not cut off."""

    crowd: Crowd  # of the worker
    is_leaving = False
    is_counted = False  # in the crowd
    task: asyncio.Task[None] | None = None
    transport: Gathering  # type: ignore[assignment]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(Gathering(transport, self.loop))  # type: ignore[arg-type]

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """As uvicorn's own, which forgets whose task it is."""
        self.task = self.loop.create_task(cycle.run_asgi(app))
        self.task.add_done_callback(self.tasks.discard)
        self.tasks.add(self.task)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody waits for the answer any more: what has not run yet shall not."""
        if self.task and not self.is_idle:
            self.task.cancel(CLIENT_LEFT)
        self._leave_crowd()
        super().connection_lost(exc)

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def shutdown(self) -> None:
        """Called by uvicorn when the worker leaves. Its own closes idle connections, whatever is on the way there."""
        self.is_leaving = True
        if self.is_idle:
            self.loop.call_later(LINGER_S, self.hang_up)
        else:
            super().shutdown()

    def on_headers_complete(self) -> None:
        self.scope["state"][ARRIVED] = time.monotonic()  # its task may have to wait for those of a thousand others
        self.scope["state"][AHEAD] = self.crowd.ahead_s
        super().on_headers_complete()
        if self.is_leaving:
            self.cycle.keep_alive = False  # the answer says `connection: close`

    def on_message_complete(self) -> None:
        self.scope["state"][WHOLE] = True
        if not self.is_counted and not self.is_idle:
            self.is_counted = True
            self.crowd.enter()
        super().on_message_complete()
        self.flow.resume_reading()  # uvicorn stops after 64 kB, and would not notice a client that leaves

    def on_response_complete(self) -> None:
        """As uvicorn's own, but without a timer for each request: the server looks for the silent itself."""
        self.server_state.total_requests += 1
        self.transport.flush()  # under overload a turn takes 50 ms
        self._leave_crowd()
        if not self.transport.is_closing():
            self.flow.resume_reading()
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())

    def hang_up(self) -> None:
        """Closes the connection, if it is idle."""
        if self.is_idle:
            self.transport.close()

    def _leave_crowd(self) -> None:
        if self.is_counted:
            self.is_counted = False
            self.crowd.leave()


class Server(uvicorn.Server):
    """Serves one application, and hangs up on whoever keeps a connection without sending a request."""

    def __init__(
        self, config: uvicorn.Config, connections: Connections, silence_s: float, leave: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self.server_state.connections = self._connections = connections
        self._silence_s = silence_s
        self._leave = leave
        self._crowd = Crowd()
        self._parent = os.getppid()  # without whom nobody would end this process
        self._idle: dict[
            Connection, tuple[object, float]
        ] = {}  # what each had last asked when it was seen idle, and when

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's own, but connections are shared out evenly among the workers."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        self.servers: list[Any] = [Listener(each, self._connections, self._connection) for each in sockets or []]
        self.started = True

    async def on_tick(self, counter: int) -> bool:
        """Called by uvicorn ten times a second."""
        if counter % 10 == 0:
            self._hang_up_on_the_silent()
            self.should_exit |= os.getppid() != self._parent
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Called by uvicorn after SIGTERM."""
        self._leave()
        await super().shutdown(sockets)

    def _connection(self) -> Connection:
        connection = Connection(self.config, self.server_state, self.lifespan.state, asyncio.get_running_loop())
        connection.crowd = self._crowd
        return connection

    def _hang_up_on_the_silent(self) -> None:
        """Between requests, in the middle of a head, or in a body that nobody waits for any more."""
        now = time.monotonic()
        before, self._idle = self._idle, {}
        for connection in cast("set[Connection]", self.server_state.connections):
            if connection.is_idle:
                asked, since = before.get(connection, (connection.cycle, now))
                self._idle[connection] = (connection.cycle, since if asked is connection.cycle else now)
                if now - self._idle[connection][1] > self._silence_s:
                    connection.transport.close()


def work(number: int, listening: socket.socket, loads: Loads, drain_s: int, home: Path) -> None:
    """Serves as worker `number`, from 1, until SIGTERM; then requests in flight have `drain_s` seconds to finish.

    `loads`, and the folder `home`, are shared with the other workers.
    """
    files.count_as(number, home / "metrics")
    _call_itself(f"axon-worker-{number}")
    from service.service import HOUSE, application  # makes the metrics

    HOUSE.board = Board(home / "board", number, HOUSE.settings.models.orders)

    config = uvicorn.Config(
        application(),
        http=Connection,
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=drain_s,
    )
    connections = Connections(loads, number - 1)
    Server(config, connections, HOUSE.settings.http.silence_s, HOUSE.leave).run(sockets=[listening])


def _call_itself(name: str) -> None:
    """What `ps` and `top` show; a forked process would look like all others."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(name)

"""One worker process: BentoML's application behind the front door, on a socket that the supervisor holds.

    python -m service.worker --fd 5 --drain-s 30

BentoML's own worker script puts its middleware before any of the service's: a task, a timer of an hour and a tracing
check for each request. Here the front door comes first, and BentoML sees what is its own. Knows processes and
connections; does not know what a request means.
"""

import argparse
import asyncio
import socket
from typing import Any

import uvicorn
from bentoml._internal.context import server_context
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LINGER_S = 1.0  # that a connection without a request has to send one, once the worker is leaving
HEAD_S = 10.0  # that a connection may be open without a whole head of a request; uvicorn sets no bound


class Gathering:
    """A transport that sends what is written in one turn of the event loop at once.

    uvicorn writes the head of an answer and then its body, which would be a system call and a packet each.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._written: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Sends soon."""
        if not self._written:
            self._loop.call_soon(self._send)
        self._written.append(data)

    def close(self) -> None:
        """Sends, then closes."""
        self._send()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _send(self) -> None:
        if self._written:
            written, self._written = self._written, []
            self._transport.write(b"".join(written))


class Connection(HttpToolsProtocol):
    """HTTP on one connection. One that may have a request on its way is told to close, not cut off."""

    is_leaving = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(Gathering(transport, self.loop))  # type: ignore[arg-type]

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
        super().on_headers_complete()
        if self.is_leaving:
            self.cycle.keep_alive = False  # the answer says `connection: close`

    def hang_up(self) -> None:
        """Closes the connection, if it is idle."""
        if self.is_idle:
            self.transport.close()


class Server(uvicorn.Server):
    """Serves one application, and ends connections that send no request."""

    def __init__(self, config: uvicorn.Config, leave: Any) -> None:
        super().__init__(config)
        self._leave = leave
        self._idle_since: dict[Any, tuple[object, float]] = {}

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Called by uvicorn after SIGTERM."""
        self._leave()
        await super().shutdown(sockets)


def main() -> None:
    """Serves until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fd", type=int, required=True, help="of the listening socket")
    parser.add_argument("--drain-s", type=int, default=30, help="seconds that requests in flight have to finish")
    parser.add_argument("--worker-id", type=int, default=1, help="from 1")
    options = parser.parse_args()
    server_context.worker_index = options.worker_id
    from service.service import application

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
        backlog=2048,
        timeout_graceful_shutdown=options.drain_s,
    )
    Server(config, lambda: None).run(sockets=[socket.socket(fileno=options.fd)])


if __name__ == "__main__":
    main()

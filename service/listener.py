"""Accepts connections so that workers who share a socket have equally many.

The kernel wakes all of them, and who is quickest takes what there is: of 16 connections to two workers it was seen to
give 4 and 18, which halves what two cores can do. Here each worker shows the others how many it has, and who has more
than another waits a moment before it takes one.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, MutableSequence
from typing import Any

POLITE_S = 0.001  # far more than a free worker needs to accept
ABSENT = 1 << 30  # connections of a worker that is not there

Loads = MutableSequence[int]  # connections of each worker, in shared memory


class Connections(set[Any]):
    """uvicorn's set of open connections, whose size the other workers see."""

    def __init__(self, loads: Loads, place: int) -> None:
        super().__init__()
        self._loads = loads
        self._place = place
        loads[place] = 0

    def add(self, connection: Any) -> None:
        super().add(connection)
        self._loads[self._place] = len(self)

    def discard(self, connection: Any) -> None:
        super().discard(connection)
        self._loads[self._place] = len(self)

    @property
    def are_more_than_anothers(self) -> bool:
        """Whether another worker should take the next one."""
        return len(self) > min(self._loads)


class Listener:
    """What `loop.create_server` gives, for uvicorn; takes one connection at a time."""

    def __init__(
        self, listening: socket.socket, connections: Connections, protocol: Callable[[], asyncio.Protocol]
    ) -> None:
        self._listening = listening
        self._connections = connections
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[object]] = set()
        self._pause: asyncio.TimerHandle | None = None
        listening.settimeout(0)
        self._loop.add_reader(listening, self._look)

    def close(self) -> None:
        """Accepts no more."""
        if self._pause:
            self._pause.cancel()
        self._loop.remove_reader(self._listening)

    async def wait_closed(self) -> None:
        """Until all that was accepted is a connection."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _look(self) -> None:
        """Somebody waits."""
        if self._connections.are_more_than_anothers:
            self._loop.remove_reader(self._listening)
            self._pause = self._loop.call_later(POLITE_S, self._look_again)
        else:
            self._accept()

    def _look_again(self) -> None:
        """Nobody else has taken them, or more have come."""
        self._accept()
        self._loop.add_reader(self._listening, self._look)

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            accepted, _ = self._listening.accept()
            task = self._loop.create_task(self._loop.connect_accepted_socket(self._protocol, accepted))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

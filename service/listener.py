"""Accepts connections so that workers who share a socket have equally many.

The kernel wakes all of them, and who is quickest takes what there is: of 16 connections to two workers it was seen to
give 4 and 18, which halves what two cores can do. Here each worker shows the others how many it has, and who has more
than another waits a moment before it takes one.
"""

import asyncio
import socket
from collections.abc import Callable, MutableSequence
from typing import Any

POLITE_S = 0.001  # far more than a free worker needs to accept
MOST_AT_ONCE = 16  # between two looks at what is to be answered
ABSENT = 1 << 30  # connections of a worker that is not there

Loads = MutableSequence[int]  # connections of each worker, in shared memory


class Connections(set[Any]):
    """uvicorn's set of open connections, whose size the other workers see."""

    def __init__(self, loads: Loads, place: int) -> None:
        super().__init__()
        self._loads = loads
        self._place = place
        self._arriving = 0
        self._show()

    def add(self, connection: Any) -> None:
        super().add(connection)
        self._show()

    def discard(self, connection: Any) -> None:
        super().discard(connection)
        self._show()

    def expect(self, more: int) -> None:
        """So many more are accepted, but not open yet; fewer, if `more` is negative."""
        self._arriving += more
        self._show()

    @property
    def are_more_than_anothers(self) -> bool:
        """Whether another worker should take the next one."""
        return self._loads[self._place] > min(self._loads) + self.slack

    @property
    def slack(self) -> int:
        """By how much a worker may have more than another: an eighth, where there are many."""
        return len(self) // 8

    def _show(self) -> None:
        self._loads[self._place] = len(self) + self._arriving


class Listener:
    """What `loop.create_server` gives, for uvicorn."""

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
        for _ in range(MOST_AT_ONCE):
            if self._connections.are_more_than_anothers:
                self._loop.remove_reader(self._listening)
                self._pause = self._loop.call_later(POLITE_S, self._look_again)
                return
            if not self._accept():
                return

    def _look_again(self) -> None:
        """Those who have fewer are busy: one more, or an eighth, and then politely again."""
        for _ in range(1 + self._connections.slack):
            self._accept()
        self._loop.add_reader(self._listening, self._look)

    def _accept(self) -> bool:
        """Takes one connection, if there is any."""
        try:
            accepted, _ = self._listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False
        self._connections.expect(1)
        task = self._loop.create_task(self._loop.connect_accepted_socket(self._protocol, accepted))
        self._tasks.add(task)
        task.add_done_callback(self._arrived)
        return True

    def _arrived(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        self._connections.expect(-1)

"""Listeners that share a socket and a table of loads, as those of several workers do; here on one event loop."""

import asyncio
import socket
from collections.abc import Callable

import pytest

from service.listener import ABSENT, Connections, Listener


class Shop:
    """A socket with so many listeners."""

    def __init__(self, loads: list[int]) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.loads = loads
        self.connections = [Connections(loads, place) for place in range(len(loads))]
        self.listeners: list[Listener] = []
        self.sockets: list[socket.socket] = []
        self.clients: list[socket.socket] = []

    def open(self, place: int) -> None:
        connections = self.connections[place]
        self.sockets.append(self.socket.dup())  # a descriptor of its own, as each process has
        self.listeners.append(Listener(self.sockets[-1], connections, lambda: Open(connections)))

    def connect(self, count: int) -> None:
        for _ in range(count):
            self.clients.append(socket.create_connection(self.socket.getsockname()))

    async def close(self) -> None:
        for listener in self.listeners:
            listener.close()
            await listener.wait_closed()
        for client in self.clients:
            client.close()
        for connection in [one for several in self.connections for one in several]:
            connection.transport.close()
        self.socket.close()
        await until(lambda: not any(self.connections))
        for listening in self.sockets:
            listening.close()


class Open(asyncio.Protocol):
    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


def test_a_worker_alone_takes_all() -> None:
    async def scenario() -> None:
        shop = Shop([0])
        shop.open(0)
        shop.connect(100)
        await until(lambda: len(shop.connections[0]) == 100)
        await until(lambda: shop.loads == [100])
        for client in shop.clients[:40]:
            client.close()
        await until(lambda: shop.loads == [60])
        await shop.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("count", [2, 16, 200])
def test_workers_that_are_free_have_equally_many(count: int) -> None:
    async def scenario() -> None:
        shop = Shop([0, 0])
        shop.open(0)
        shop.open(1)
        shop.connect(count)
        await until(lambda: sum(map(len, shop.connections)) == count)
        one, other = map(len, shop.connections)
        assert abs(one - other) <= max(2, count // 8)
        await shop.close()

    asyncio.run(scenario())


def test_who_has_fewer_takes_the_next_ones() -> None:
    async def scenario() -> None:
        shop = Shop([0, 0])
        shop.open(0)
        shop.loads[1] = ABSENT
        shop.connect(10)
        await until(lambda: len(shop.connections[0]) == 10)
        shop.loads[1] = 0
        shop.open(1)
        shop.connect(8)
        await until(lambda: sum(map(len, shop.connections)) == 18)
        assert len(shop.connections[1]) >= 7
        await shop.close()

    asyncio.run(scenario())


def test_a_worker_that_is_too_busy_to_accept_keeps_nobody_waiting() -> None:
    async def scenario() -> None:
        shop = Shop([0, 0])
        shop.open(0)  # and nobody looks for the other
        shop.connect(20)
        await until(lambda: len(shop.connections[0]) == 20)
        await shop.close()

    asyncio.run(scenario())

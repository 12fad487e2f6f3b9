import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from benchmarks.load import Load, Run
from benchmarks.protocols import JSON, Request
from tests.unit.benchmarks.fakes import Reply, answering

DELAY_S = 0.03
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
REQUESTS = [Request("/", JSON, body).raw() for body in (b"aa", b"bb", b"cc")]

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def one_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return await reader.readexactly(int(length))


def slow(answer: bytes = OK, delay_s: float = DELAY_S, bodies: list[bytes] | None = None) -> Handler:
    """Answers each request so long after it came, one after the other on a connection."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                body = await one_request(reader)
                if bodies is not None:
                    bodies.append(body)
                await asyncio.sleep(delay_s)
                for piece in (answer[:20], answer[20:-1], answer[-1:]):  # as a network may deliver it
                    writer.write(piece)
                    await asyncio.sleep(0)

    return handle


@contextlib.asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[int]:
    """The port of a server on this loop; its connections are closed afterwards."""
    writers: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await handler(reader, writer)

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
    for writer in writers:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def offered(
    handler: Handler, times: list[float], connections: int = 1, give_up: bool = False, patience_s: float = 10
) -> Run:
    async def scenario() -> Run:
        async with served(handler) as port:
            try:
                return await asyncio.to_thread(Load(REQUESTS, give_up).run, port, connections, times, patience_s)
            except (ConnectionError, TimeoutError) as error:
                failure = error
        raise failure

    return asyncio.run(scenario())


def test_every_request_is_sent_at_or_after_its_time() -> None:
    times = [0.0, 0.01, 0.02, 0.05]
    run = offered(slow(), times, connections=4)
    assert sorted(exchange.due for exchange in run.exchanges) == times
    for exchange in run.exchanges:
        assert exchange.status == 200
        assert exchange.sent >= exchange.due
        assert exchange.latency_ms >= exchange.lateness_ms + DELAY_S * 1e3 - 1  # a clock may tick a little early
        assert not exchange.waited


def test_waiting_behind_a_slow_answer_counts_as_latency() -> None:
    run = offered(slow(), [0.0] * 4)
    latencies = [exchange.latency_ms for exchange in run.exchanges]
    for place, latency in enumerate(latencies, 1):
        assert latency >= place * DELAY_S * 1e3 - place
    assert [exchange.waited for exchange in run.exchanges] == [False, True, True, True]


def test_connections_share_the_work() -> None:
    run = offered(slow(), [0.0] * 4, connections=4)
    assert not any(exchange.waited for exchange in run.exchanges)


def test_requests_go_in_rotation() -> None:
    bodies: list[bytes] = []
    offered(slow(delay_s=0, bodies=bodies), [0.0] * 5)
    assert bodies == [b"aa", b"bb", b"cc", b"aa", b"bb"]


def test_with_give_up_a_request_without_a_connection_is_never_sent() -> None:
    bodies: list[bytes] = []
    run = offered(slow(bodies=bodies), [0.0] * 4, give_up=True)
    assert (len(run.exchanges), run.given_up) == (1, 3)
    assert len(bodies) == 1


@pytest.mark.parametrize(("header", "expected"), [(b"", False), (b"Retry-After: 1\r\n", True)])
def test_refusals_are_recorded_with_their_advice(header: bytes, expected: bool) -> None:
    refusal = b"HTTP/1.1 429 Too Many Requests\r\n" + header + b"Content-Length: 2\r\n\r\n{}"
    (exchange,) = offered(slow(refusal), [0.0]).exchanges
    assert (exchange.status, exchange.retry_after) == (429, expected)


def test_a_lost_connection_fails_the_run() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await one_request(reader)
        writer.close()

    with pytest.raises(ConnectionError):
        offered(hang_up, [0.0])


def test_an_answer_that_does_not_come_fails_the_run() -> None:
    with pytest.raises(TimeoutError):
        offered(slow(delay_s=60), [0.0], patience_s=0.05)


def test_nothing_to_send_is_over_at_once() -> None:
    with answering(lambda _: Reply()) as server:
        assert Load(REQUESTS).run(server.port, 1, []).exchanges == []


def test_a_large_request_goes_out_in_pieces() -> None:
    large = [Request("/", JSON, bytes(1 << 24)).raw()]
    with answering(lambda _: Reply()) as server:
        [exchange] = Load(large).run(server.port, 1, [0.0]).exchanges
    assert exchange.status == 200
    assert server.bodies == [bytes(1 << 24)]

"""The client against a small server that speaks the protocol, in both shells: retries, bad neighbours, order."""

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
from axon import AsyncClient, Client, Policy, Reading, ServerError, Unreachable
from axon.client import Closed
from axon.protocol import HEADER_LENGTH, SIZE, pack, unpack

from tests.servers import until

QUICK = Policy(attempts=4, first_s=0.001, most_s=0.002)
Read = Callable[..., list[Reading]]


class Fake:
    """Reads the digit that a picture's first byte is. `troubles` are answered first; b"bad" is no picture."""

    def __init__(self, *troubles: httpx.Response | Exception) -> None:
        self.troubles = list(troubles)
        self.sizes: list[int] = []
        self.keys: list[str | None] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.keys.append(request.headers.get("authorization"))
        if self.troubles:
            trouble = self.troubles.pop(0)
            if isinstance(trouble, Exception):
                raise trouble
            return httpx.Response(trouble.status_code, headers=trouble.headers, content=trouble.content)  # used once
        length = int(request.headers[HEADER_LENGTH])
        [tensor] = json.loads(request.content[:length])["inputs"]
        data = request.content[length:]
        assert tensor["parameters"][SIZE] == len(data)
        self.sizes.append(tensor["shape"][0])
        rows = unpack(data) if tensor["datatype"] == "BYTES" else [data[at : at + 1] for at in range(0, len(data), 784)]
        if b"bad" in rows:
            return httpx.Response(415, json={"error": "that is no picture"})
        return answer([row[0] % 10 for row in rows])


def answer(digits: list[int]) -> httpx.Response:
    parts = {
        "probabilities": ("FP32", [len(digits), 10], np.eye(10, dtype="<f4")[digits].tobytes()),
        "digits": ("INT64", [len(digits)], np.array(digits, "<i8").tobytes()),
        "reasons": ("BYTES", [len(digits)], pack([b"ambiguous" if digit == 9 else b"" for digit in digits])),
    }
    outputs = [
        {"name": name, "datatype": kind, "shape": shape, "parameters": {SIZE: len(data)}}
        for name, (kind, shape, data) in parts.items()
    ]
    head = json.dumps({"model_name": "cnn", "outputs": outputs}).encode()
    return httpx.Response(
        200, headers={HEADER_LENGTH: str(len(head))}, content=head + b"".join(data for *_, data in parts.values())
    )


def read_sync(fake: Fake, sources: object, **options: object) -> list[Reading]:
    with Client(transport=httpx.MockTransport(fake), **({"policy": QUICK} | options)) as client:
        return list(client.classify(sources))


def read_async(fake: Fake, sources: object, **options: object) -> list[Reading]:
    async def read() -> list[Reading]:
        async with AsyncClient(transport=httpx.MockTransport(fake), **({"policy": QUICK} | options)) as client:
            return [reading async for reading in client.classify(sources)]

    return asyncio.run(read())


@pytest.fixture(params=[read_sync, read_async])
def read(request: pytest.FixtureRequest) -> Read:
    return request.param


def test_readings_come_in_order(read: Read) -> None:
    fake = Fake()
    readings = read(fake, [bytes([number]) for number in range(100)], batch=7)
    assert [reading.digit for reading in readings] == [number % 10 for number in range(100)]
    assert max(fake.sizes) == 7
    assert readings[3] == Reading("bytes[3]", 3, 1.0, tuple(np.eye(10)[3]), accepted=True)
    assert (readings[9].accepted, readings[9].reason) == (False, "ambiguous")


def test_a_bad_picture_costs_no_neighbour(read: Read) -> None:
    readings = read(Fake(), [b"\x01", b"\x02", b"bad", b"\x04", b"\x05", b"bad"])
    assert [reading.digit for reading in readings] == [1, 2, None, 4, 5, None]
    assert [reading.error for reading in readings if reading.error] == ["that is no picture"] * 2


def test_arrays_and_files_and_what_is_missing(read: Read, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(3, dtype=np.uint8)[:, None, None].repeat(28, 1).repeat(28, 2))
    (tmp_path / "b.png").write_bytes(b"\x08")
    (tmp_path / "c.npy").write_bytes(b"no array")
    (tmp_path / "d.txt").write_bytes(b"\x07")
    readings = read(Fake(), tmp_path)
    assert [reading.digit for reading in readings] == [0, 1, 2, 8, None]
    assert readings[-1].error
    with pytest.raises(FileNotFoundError):
        read(Fake(), tmp_path / "nothing")


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.Response(429, headers={"retry-after": "0"}),
        httpx.Response(503, headers={"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}),
        httpx.Response(502, text="<html>"),
        httpx.ConnectError("refused"),
        httpx.ReadError("dropped"),
    ],
)
def test_what_passes_is_asked_again(read: Read, trouble: httpx.Response | Exception) -> None:
    fake = Fake(trouble, trouble)
    assert [reading.digit for reading in read(fake, b"\x03", key="k")] == [3]
    assert fake.keys == ["Bearer k"] * 3


def test_it_gives_up(read: Read) -> None:
    with pytest.raises(Unreachable, match="refused"):
        read(Fake(*[httpx.ConnectError("refused")] * 4), b"\x03")
    with pytest.raises(ServerError, match="full"):
        read(Fake(httpx.Response(429, headers={"retry-after": "61"}, json={"error": "full"})), b"\x03")
    fake = Fake(httpx.Response(404, json={"error": "unknown model"}))
    with pytest.raises(ServerError, match="unknown model"):
        read(fake, b"\x03")
    assert len(fake.keys) == 1


def test_a_request_that_cannot_be_sent_is_sent_once_and_not_repeated(read: Read) -> None:
    fake = Fake(httpx.LocalProtocolError("Illegal header value b'Bearer secret'"))
    with pytest.raises(ValueError, match=r"^the request cannot be sent") as raised:
        read(fake, b"\x03")
    assert "secret" not in str(raised.value)
    assert len(fake.keys) == 1


def test_a_key_is_stripped(read: Read) -> None:
    fake = Fake()
    read(fake, b"\x03", key=" k k\r\n")
    read(fake, b"\x03", key="\n")
    assert fake.keys == ["Bearer k k", None]


@pytest.mark.parametrize("key", ["secret\nsecond", "secret\tsecond", "secret\0", "secr\u00e9t", "secret\udcff"])
def test_a_key_that_no_header_takes_is_refused_unseen(read: Read, key: str) -> None:
    fake = Fake()
    with pytest.raises(ValueError, match=r"^the key must be printable ASCII on one line$"):
        read(fake, b"\x03", key=key)
    assert not fake.keys


NO_ADDRESS = [
    "http://localhost:port",
    "localhost:3000",
    "localhost",
    "",
    "http://",
    "ftp://localhost",
    "http://h:65536",
]


@pytest.mark.parametrize("url", NO_ADDRESS)
@pytest.mark.parametrize("shell", [Client, AsyncClient])
def test_a_url_that_is_no_address_is_refused(shell: type[Client | AsyncClient], url: str) -> None:
    with pytest.raises(ValueError, match=r"^the URL must be http://HOST\[:PORT\] or https"):
        shell(url)


@pytest.mark.parametrize("shell", [Client, AsyncClient])
def test_a_url_that_is_refused_is_shown_without_its_password(shell: type[Client | AsyncClient]) -> None:
    user = ":".join(("user", "secret"))  # in one piece it would be taken for a real one
    with pytest.raises(ValueError, match=r"got '.*localhost:port'$") as raised:
        shell(f"http://{user}@localhost:port")
    assert "secret" not in str(raised.value)


def test_a_client_that_is_closed_asks_no_more() -> None:
    """Not even for the halves of a batch that is refused."""
    fake = Fake(*[httpx.Response(415)] * 200)

    def closing(request: httpx.Request) -> httpx.Response:
        threading.Thread(target=client.close).start()  # which waits for this request
        until(client._closed.is_set, 10, "closing")
        return fake(request)

    client = Client(transport=httpx.MockTransport(closing))
    with pytest.raises(Closed):
        list(client.classify([b"bad"] * 64))
    assert len(fake.keys) == 1


def test_an_async_client_that_is_closed_asks_no_more() -> None:
    fake = Fake(*[httpx.Response(415)] * 200)

    async def closing(request: httpx.Request) -> httpx.Response:
        await client.close()
        return fake(request)

    async def read() -> list[Reading]:
        return [reading async for reading in client.classify([b"bad"] * 64)]

    client = AsyncClient(transport=httpx.MockTransport(closing))
    with pytest.raises(Closed):
        asyncio.run(read())
    assert len(fake.keys) == 1

"""The golden requests of the unit tests are what the clients send today."""

import pytest

from tests.integration.conformance.golden import calls, capture, essence
from tests.integration.conformance.triton import CLIENTS
from tests.unit.service.golden import asyncio as on_asyncio
from tests.unit.service.golden import sync

GOLDEN = {"sync": sync.REQUESTS, "asyncio": on_asyncio.REQUESTS}


@pytest.fixture(scope="module", params=GOLDEN)
def pairs(request: pytest.FixtureRequest) -> dict[str, tuple[bytes, bytes]]:
    """What was captured once, and what is captured now, by name."""
    sent = capture(CLIENTS[request.param])
    assert set(sent) == set(GOLDEN[request.param])
    return {name: (GOLDEN[request.param][name], now) for name, now in sent.items()}


@pytest.mark.parametrize("name", calls())
def test_the_client_still_sends_the_golden_bytes(pairs: dict[str, tuple[bytes, bytes]], name: str) -> None:
    """All of them but the names of host and client, and how a compressed body is packed."""
    golden, now = pairs[name]
    assert essence(now) == essence(golden)
    assert b"\r\nHost: 127.0.0.1:3000\r\n" in golden

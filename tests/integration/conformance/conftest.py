"""Clients that we did not write, and what the REST door answers to the same images."""

from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from tests.integration.conformance.triton import CLIENTS, Client
from tests.servers import Server
from training import strokes


@pytest.fixture(params=CLIENTS)
def kind(request: pytest.FixtureRequest) -> type[Client]:
    """Which of the clients."""
    return CLIENTS[request.param]


@pytest.fixture
def client(kind: type[Client], server: Server) -> Iterator[Client]:
    """A client of the server that is shared."""
    with closing(kind(f"127.0.0.1:{server.port}")) as opened:
        yield opened


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    """One of each digit: uint8[10, 28, 28]."""
    return strokes.draw_many(10, seed=0)[0]


@pytest.fixture(scope="session")
def probabilities(server: Server, images: np.ndarray) -> np.ndarray:
    """What the REST door answers: float32[10, 10]."""
    answer = server.client.post("/v1/digits?top_k=10", json={"images": images.tolist()})
    assert answer.status_code == 200, answer.text
    rows = [{each["digit"]: each["probability"] for each in one["top"]} for one in answer.json()["predictions"]]
    return np.array([[row[digit] for digit in range(10)] for row in rows]).astype(np.float32)

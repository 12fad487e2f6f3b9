"""Engines whose behaviour can be steered: held at a gate, or poisoned by one row; and a batcher to put before them."""

import asyncio
import threading
import time
from collections.abc import Callable

import numpy as np

from service.inference.batcher import Answer, Batcher, Observer
from service.inference.engine import Outputs, Rows

FAR = 60.0


class Doubling:
    """Answers twice the input, and remembers the sizes of the batches that it ran."""

    any_thread = False

    def __init__(self) -> None:
        self.batches: list[int] = []

    def predict(self, rows: Rows) -> Outputs:
        self.batches.append(len(rows))
        return rows * np.float32(2)


class Gated(Doubling):
    """Waits at a gate before each batch."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()

    def predict(self, rows: Rows) -> Outputs:
        assert self.gate.wait(10)
        return super().predict(rows)


class Poisoned(Gated):
    """Fails on any batch that has a negative number."""

    def predict(self, rows: Rows) -> Outputs:
        answer = super().predict(rows)
        if (rows < 0).any():
            raise RuntimeError("negative")
        return answer


class Counting(Observer):
    def __init__(self) -> None:
        self.events: list[object] = []

    def ran(self, rows: int) -> None:
        self.events.append(rows)

    def rejected(self, reason: str) -> None:
        self.events.append(reason)

    def failed(self) -> None:
        self.events.append("failed")


def batcher(engine: Doubling, rows: int = 8, queue: int = 16, observer: Observer | None = None) -> Batcher:
    return Batcher("fake", engine, rows, queue, observer)


def rows(*values: float) -> Rows:
    return np.array(values, np.float32)[:, None]


def due(seconds: float = FAR) -> float:
    return time.monotonic() + seconds


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0)


async def occupy(one: Batcher, values: Rows) -> "asyncio.Task[Answer]":
    """Submits a request and returns when it runs, so that what comes later must wait."""
    first = asyncio.create_task(one.submit(values, due()))
    await until(lambda: one.inflight_requests == 1 and one.queued_rows == 0)
    return first

"""Trials without a server: a worker's catalog of models whose engines can be steered, and orders that are kept."""

import threading
import time
from collections.abc import Iterator
from itertools import chain, repeat

import numpy as np

from models.bundle import Bundle
from service.inference.batcher import Batcher
from service.inference.catalog import Catalog, Entry, LoadedModel, State
from service.inference.engine import Outputs, Rows
from service.inference.rollout import Rollout
from service.settings import Rollout as Settings
from tests import bundles

FAR = 60.0
SHA256 = "0" * 64


class Gate:
    """An engine of a gate. What it answers, or raises, is told one call after the other; the last goes on for ever."""

    any_thread = True

    def __init__(self, *answers: float | Exception) -> None:
        self._answers: Iterator[float | Exception] = chain(answers, repeat(answers[-1]))
        self.rows = 0

    def predict(self, rows: Rows) -> Outputs:
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        self.rows += len(rows)
        return np.full(len(rows), answer)


class Held(Gate):
    """Waits until it is let go."""

    any_thread = False

    def __init__(self, *answers: float | Exception) -> None:
        super().__init__(*answers)
        self.is_asked, self.may_go = threading.Event(), threading.Event()

    def predict(self, rows: Rows) -> Outputs:
        self.is_asked.set()
        assert self.may_go.wait(10)
        return super().predict(rows)


class KeptOrders:
    """Orders of a server with one worker."""

    def __init__(self) -> None:
        self.stopped: dict[str, str] = {}
        self.is_broken = False

    async def stop(self, name: str, version: int, reason: str) -> None:
        if self.is_broken:
            raise OSError("no room")
        self.stopped[f"{name}/{version}"] = reason


class Theatre:
    """A gate `gate-xor` in version 1, the default, and in version 2, which is on trial as the settings say."""

    def __init__(
        self, one: Gate, two: Gate, state: State = State.READY, heartbeat_s: float = 10, **settings: object
    ) -> None:
        self.catalog = Catalog((), heartbeat_s)
        self.engines = one, two
        self.one, self.two = model(1, one), model(2, two)
        second = Entry("gate-xor", 2, state, model=self.two if state is State.READY else None)
        self.catalog.replace([Entry("gate-xor", 1, State.READY, model=self.one), second], {"gate-xor": 1})
        self.orders = KeptOrders()
        self.rollout = Rollout(self.catalog, Settings.model_validate(settings), self.orders)

    async def ask(self, request_id: str = "", rows: int = 1, patience_s: float = FAR) -> int:
        """Asks once; gives the version that answered."""
        chosen = self.rollout.choose(self.one, request_id)
        return (await self.rollout.ask(inputs(rows), chosen, time.monotonic() + patience_s))[1].version

    @property
    def why_stopped(self) -> str | None:
        return self.rollout.standing("gate-xor", 2).stopped


def on_trial(role: str, share: float = 1.0, **floors: object) -> dict[str, object]:
    """Settings with version 2 on trial."""
    return {role: {"gate-xor": {"version": 2, "share": share}}, **floors}


def model(version: int, engine: Gate) -> LoadedModel:
    """A gate with this engine."""
    manifest = bundles.manifest(
        "gate-xor",
        version,
        input={"name": "inputs", "dtype": "float32", "shape": (-1, 2)},
        output={"name": "logits", "dtype": "float32", "shape": (-1, 1)},
    )
    return LoadedModel(Bundle(manifest, SHA256, {}), Batcher("gate-xor", engine, 64, 4096), "none", 0.0)


def ids(count: int) -> list[str]:
    """Of so many requests."""
    return [f"request-{number}" for number in range(count)]


def inputs(rows: int = 1) -> Rows:
    return np.zeros((rows, 2), np.float32)

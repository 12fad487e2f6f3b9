"""The GPU's runner. Where there is no GPU, on a fake that keeps the promises, and no more, that CUDA makes.

On the fake's stream nothing is done before somebody waits for it, and a graph does again what was recorded, with the
memory that was there: who forgets to wait, to copy, or copies somewhere else, reads what was there before.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from models.bundle import Bundle
from models.repository import Repository
from service.inference import torch_engine
from service.inference.buckets import Bucketed
from tests.servers import REPOSITORY

PUBLISHED = Repository(REPOSITORY / "models" / "published")
MOST = 6
COPY, READ = torch.ops.aten.copy_.default, torch.ops.aten._local_scalar_dense.default


class Recorder(TorchDispatchMode):
    """Notes each operation. It computes too, for the shapes; but a copy that need not be waited for is only noted."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Callable[[], None]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is READ:
            self.read()
        noted = tree_map_only(Tensor, Tensor.detach, (args, kwargs or {}))  # of the same memory, but keeping its shape
        is_async = func is COPY and args[2:] == (True,)
        out = args[0] if is_async else func(*args, **(kwargs or {}))
        kept = tree_map_only(Tensor, Tensor.detach, out)
        self.calls.append(lambda: repeat(kept, func(*noted[0], **noted[1])))
        return out

    def read(self) -> None:
        """The host wants to know a value."""
        raise NotImplementedError


def repeat(out: Any, again: Any) -> None:
    for old, new in zip(out, again, strict=True) if isinstance(out, tuple) else [(out, again)]:
        if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
            old.copy_(new)


class Stream(Recorder):
    pool: object = None  # one for all graphs

    def __init__(self, _: object) -> None:
        super().__init__()

    def wait_stream(self, _: object) -> None:
        pass

    def read(self) -> None:
        self.run(len(self.calls))

    def run(self, count: int) -> None:
        due, self.calls = self.calls[:count], self.calls[count:]
        for call in due:
            call()


class Event:
    def record(self, stream: Stream) -> None:
        self.stream, self.count = stream, len(stream.calls)

    def synchronize(self) -> None:
        self.stream.run(self.count)


class Graph(Recorder):
    current: Stream

    def read(self) -> None:
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing")

    def replay(self) -> None:
        Graph.current.calls += self.calls


@contextlib.contextmanager
def on_stream(stream: Stream) -> Iterator[None]:
    Graph.current = stream
    with stream:
        yield


@contextlib.contextmanager
def recording(graph: Graph, *, pool: object, stream: Stream, capture_error_mode: str) -> Iterator[None]:
    assert capture_error_mode == "thread_local"
    assert stream.pool in (None, pool)
    stream.pool = pool
    with graph:
        yield


@pytest.fixture(params=["fake", "gpu"])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> torch.device:
    if request.param == "gpu":
        if not torch.cuda.is_available():
            pytest.skip("no GPU")
        return torch.device("cuda")
    fakes = {"Stream": Stream, "Event": Event, "CUDAGraph": Graph, "stream": on_stream, "graph": recording}
    for name, fake in fakes.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    monkeypatch.setattr(torch_engine, "_WARM_UPS", 1)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: None)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", object)
    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor: tensor)
    return torch.device("cpu")


@pytest.fixture(params=["cnn", "rnn", "gate-xor"])
def published_bundle(request: pytest.FixtureRequest) -> Bundle:
    return PUBLISHED.open(request.param)


def opened(bundle: Bundle, device: torch.device, network: nn.Module | None = None) -> Bucketed:
    network = network or torch_engine._network(bundle, "float32")
    return torch_engine.on_cuda(network.to(device), device, bundle.manifest, MOST)


def drawn(bundle: Bundle, count: int, seed: int = 0) -> np.ndarray:
    shape, dtype = (count, *bundle.manifest.input.shape[1:]), bundle.manifest.input.dtype
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, shape, np.uint8) if dtype == "uint8" else rng.random(shape, np.float32)


def expected(bundle: Bundle, rows: np.ndarray) -> np.ndarray:
    return torch_engine._network(bundle, "float32")(torch.from_numpy(rows)).numpy()


def test_each_size_answers_as_the_network_does(published_bundle: Bundle, device: torch.device) -> None:
    bucketed = opened(published_bundle, device)
    for seed, count in enumerate((6, 1, 5, 2, 3, 4, 6, 13, 1)):
        rows = drawn(published_bundle, count, seed)
        assert bucketed.predict(rows) == pytest.approx(expected(published_bundle, rows), abs=1e-3)


def test_there_is_a_graph_for_each_size(published_bundle: Bundle, device: torch.device) -> None:
    runner = opened(published_bundle, device)._runner
    assert len(runner._graphs) == len({1, 2, 4, 6})
    assert [launch.__self__ for launch in runner._launches.values()] == runner._graphs


def test_nothing_is_kept_of_a_request(published_bundle: Bundle, device: torch.device) -> None:
    bucketed = opened(published_bundle, device)
    before = bucketed.predict(drawn(published_bundle, 3))
    bucketed.predict(drawn(published_bundle, 6, seed=1))
    assert np.array_equal(bucketed.predict(drawn(published_bundle, 3)), before)
    if device.type == "cuda":
        taken = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
        for seed in range(200):
            bucketed.predict(drawn(published_bundle, 1 + seed % 9, seed))
        assert (torch.cuda.memory_allocated(), torch.cuda.memory_reserved()) == taken


class Waiting(nn.Module):
    """Asks for a value in the midst of its work, which no graph can."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs * inputs.max().item()


def test_a_network_that_cannot_be_recorded_runs_all_the_same(
    device: torch.device, caplog: pytest.LogCaptureFixture
) -> None:
    gate = PUBLISHED.open("gate-and")
    with caplog.at_level(logging.WARNING):
        bucketed = opened(gate, device, Waiting())
        for count in (6, 2, 1, 7):
            rows = drawn(gate, count, seed=count)
            parts = [part * part.max() for part in (rows[:MOST], rows[MOST:]) if len(part)]
            assert bucketed.predict(rows) == pytest.approx(np.concatenate(parts))
    [record] = caplog.records
    assert record.message == "cuda_graphs_off network=Waiting"
    assert "capturing" in str(record.exc_info[1])
    assert len(bucketed._runner._graphs) == 1  # torch's allocator points at it

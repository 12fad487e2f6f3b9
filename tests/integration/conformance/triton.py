"""Both of tritonclient's HTTP clients as they come from the package index, called alike."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from tritonclient import http
from tritonclient.http import InferenceServerClientPlugin, InferInput, InferResult, aio
from tritonclient.utils import np_to_triton_dtype


class Synchronous(http.InferenceServerClient):
    """The client on gevent, which answers several requests at once with greenlets."""

    def __init__(self, address: str, seconds: float = 60, concurrency: int = 8) -> None:
        super().__init__(address, network_timeout=seconds, concurrency=concurrency)

    def together(self, count: int, *arguments: Any, **options: Any) -> list[InferResult]:
        """The answers to so many equal requests, sent without waiting."""
        asked = [self.async_infer(*arguments, **options) for _ in range(count)]
        return [request.get_result() for request in asked]


class Asynchronous:
    """The client on asyncio, each call run to its end on an event loop of its own."""

    def __init__(self, address: str, seconds: float = 60) -> None:
        self._runner = asyncio.Runner()
        self._client = self._runner.run(self._open(address, seconds))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)
        return lambda *arguments, **options: self._runner.run(method(*arguments, **options))

    def together(self, count: int, *arguments: Any, **options: Any) -> list[InferResult]:
        """The answers to so many equal requests, sent without waiting."""

        async def gather() -> list[InferResult]:
            return await asyncio.gather(*(self._client.infer(*arguments, **options) for _ in range(count)))

        return self._runner.run(gather())

    def register_plugin(self, plugin: InferenceServerClientPlugin) -> None:
        self._client.register_plugin(plugin)

    def close(self) -> None:
        self._runner.run(self._client.close())
        self._runner.close()

    @staticmethod
    async def _open(address: str, seconds: float) -> aio.InferenceServerClient:
        return aio.InferenceServerClient(address, conn_timeout=seconds)


Client = Synchronous | Asynchronous
CLIENTS: dict[str, type[Client]] = {"sync": Synchronous, "asyncio": Asynchronous}


def tensor(name: str, values: np.ndarray, *, binary: bool = True, shape: Sequence[int] | None = None) -> InferInput:
    """An input that holds these values, and may say that it has another shape."""
    made = InferInput(name, list(values.shape), np_to_triton_dtype(values.dtype))
    made.set_data_from_numpy(values, binary_data=binary)
    return made if shape is None else made.set_shape(list(shape))

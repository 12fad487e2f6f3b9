"""The one thread that an engine is called from. It is a daemon: an engine that hangs cannot keep the process alive."""

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

Result = TypeVar("Result")
_Task = tuple[Callable[[], Any], "asyncio.Future[Any]", asyncio.AbstractEventLoop]


class EngineThread:
    """Runs calls one after the other and hands each result back to the event loop that asked."""

    def __init__(self, name: str) -> None:
        self._inbox: SimpleQueue[_Task | None] = SimpleQueue()
        Thread(target=self._work, name=f"engine-{name}", daemon=True).start()

    def run(self, call: Callable[[], Result]) -> "asyncio.Future[Result]":
        """Runs `call` after those before it. Called on an event loop; the future belongs to that loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._inbox.put((call, future, loop))
        return future

    def stop(self) -> None:
        """Ends the thread after the calls that it has been given."""
        self._inbox.put(None)

    def _work(self) -> None:
        while (task := self._inbox.get()) is not None:
            call, future, loop = task
            result: Any = None
            failure: Exception | None = None
            try:
                result = call()
            except Exception as error:  # whatever an engine raises is an answer to its caller, not the thread's end
                failure = error
            if not loop.is_closed():
                loop.call_soon_threadsafe(_settle, future, result, failure)
            del task, call, future, result, failure  # an idle thread holds no batch


def _settle(future: "asyncio.Future[Any]", result: Any, failure: Exception | None) -> None:
    if future.done():
        return
    if failure is None:
        future.set_result(result)
    else:
        future.set_exception(failure)

"""What the workers of one server tell each other about models, as files in a folder that they share.

`orders.json` holds what all of them are told; `<number>.json` what one of them has made of it. A file is replaced
whole, so nobody reads half of one, and who takes a dead worker's place writes over its report. Knows files and who is
alive; does not know what is done about an order.
"""

import fcntl
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

log = logging.getLogger(__name__)

ORDERS = "orders.json"


class Sheet(BaseModel):
    """The content of one file."""

    model_config = ConfigDict(frozen=True)


class Orders(Sheet):
    """What all workers are told; `number` grows with each order."""

    number: int = 0
    pins: dict[str, int | None] = {}  # over those of the settings; None: none
    unloaded: frozenset[str] = frozenset()
    loads: dict[str, int] = {}  # by model: the number of the order to load it, whatever was tried before
    stopped: dict[str, str] = {}  # by version ("cnn/3"): why it is a candidate no more


class Finding(Sheet):
    """What a worker made of a version: why it failed, None where it is ready; `attempt` names the files it read."""

    attempt: str
    reason: str | None


class Report(Sheet):
    """What a worker has: the last order that it carried out, its versions, and whether it waits for another's."""

    pid: int
    order: int
    versions: dict[str, Finding]  # by version ("cnn/3")
    is_pending: bool


Content = TypeVar("Content", bound=Sheet)


class Board:
    """A worker's view of the folder. `number` is the worker's; `orders` may lie elsewhere, to outlive the server."""

    def __init__(self, folder: Path, number: int, orders: Path | None = None) -> None:
        self._folder = folder
        self._own = folder / f"{number}.json"
        self._orders = orders or folder / ORDERS
        self._known: dict[Path, tuple[tuple[int, int], Sheet | None]] = {}
        self._last: Report | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @classmethod
    def of_one(cls, orders: Path | None = None) -> "Board":
        """Of a worker that is alone."""
        return cls(Path(tempfile.mkdtemp(prefix="axon-board-")), 1, orders)

    def orders(self) -> Orders:
        """What all workers are told."""
        return self._read(self._orders, Orders) or Orders()

    def order(self, change: Callable[[Orders, int], Orders]) -> int:
        """Tells all workers: `change` makes new orders of the old ones and the new number, which is returned."""
        with self._alone():
            old = self.orders()
            _write(self._orders, change(old, old.number + 1).model_copy(update={"number": old.number + 1}))
        return old.number + 1

    def report(self, report: Report) -> None:
        """Tells the other workers what this one has, if that is news."""
        if report != self._last:
            _write(self._own, report)
            self._last = report

    def others(self) -> list[Report]:
        """The reports of the other workers that live."""
        paths = sorted(path for path in self._folder.glob("[0-9]*.json") if path != self._own)
        return [report for path in paths if (report := self._read(path, Report)) and is_alive(report.pid)]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While nobody else gives an order. Servers may share the orders, so the lock lies beside them."""
        self._orders.parent.mkdir(parents=True, exist_ok=True)
        with self._orders.with_name(f"{self._orders.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _read(self, path: Path, kind: type[Content]) -> Content | None:
        """The content of a file, parsed once for each time that it is written; None where there is none."""
        try:
            status = path.stat()
        except FileNotFoundError:
            return None
        mark = status.st_mtime_ns, status.st_ino
        known = self._known.get(path)
        if known is None or known[0] != mark:
            known = self._known[path] = mark, _parse(path, kind)
        return known[1] if isinstance(known[1], kind) else None


def is_alive(pid: int) -> bool:
    """Whether there is such a process; one of another user has only inherited the number."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _parse(path: Path, kind: type[Content]) -> Content | None:
    try:
        return kind.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        log.error("board_unreadable file=%s", path.name, exc_info=error)
        return None


def _write(path: Path, content: Sheet) -> None:
    """Replaces a file whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.model_dump_json().encode())
        Path(name).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise

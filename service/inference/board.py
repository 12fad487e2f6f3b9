"""What the workers of one server tell each other about models, as files in a folder that they share.

`orders.json` holds what all of them are told; `<number>.json` what one of them has made of it. A file is replaced
whole, so nobody reads half of one, and who takes a dead worker's place writes over its report. Knows files and who is
alive; does not know what is done about an order.
"""

import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from service.inference.catalog import Key

log = logging.getLogger(__name__)

ORDERS = "orders.json"
LOCK_S = 10.0  # that an order waits for another, which takes milliseconds


class Sheet(BaseModel):
    """The content of one file."""

    model_config = ConfigDict(frozen=True)


class Orders(Sheet):
    """What all workers are told; `number` grows with each order."""

    number: int = 0
    pins: dict[str, int | None] = {}  # over those of the settings; None: none
    unloaded: frozenset[str] = frozenset()
    loads: dict[str, int] = {}  # by model: the number of the order to load it, whatever was tried before
    asked: frozenset[str] = frozenset()  # versions ("cnn/1") to be had, so that it is known whether they can serve
    stopped: dict[str, str] = {}  # by version ("cnn/3"): why it is a candidate no more


class Finding(Sheet):
    """What a worker made of a version: why it failed, None where it is ready; `attempt` names the files it read."""

    attempt: str
    reason: str | None


class Attempt(Sheet):
    """That a worker is about to load a version: which files, and how often one has died of that already."""

    attempt: str
    deaths: int


class Report(Sheet):
    """What a worker has: the last order that it carried out, its versions, and whether it waits for another's."""

    pid: int
    order: int
    versions: dict[str, Finding]  # by version ("cnn/3")
    is_pending: bool
    loading: dict[str, Attempt] = {}  # by version: what a worker that dies now has died of


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
        """Tells all workers: `change` makes new orders of the old ones and the new number, which is returned.

        Raises OSError where there is no room, and TimeoutError where somebody else does not come to an end.
        """
        with self._alone():
            old = self.orders()
            _write(
                self._orders, change(old, old.number + 1).model_copy(update={"number": old.number + 1}), lasting=True
            )
        return old.number + 1

    def report(self, report: Report) -> None:
        """Tells the other workers what this one has, if that is news. Where there is no room, it is tried again."""
        if report == self._last:
            return
        try:
            _write(self._own, report)
        except OSError as error:
            log.error("board_full file=%s", self._own.name, exc_info=error)
            return
        self._last = report

    def left_behind(self) -> Report | None:
        """The last report of who had this worker's number before."""
        return self._read(self._own, Report)

    def others(self) -> list[Report]:
        """The reports of the other workers that live, and have opened."""
        paths = sorted(path for path in self._folder.glob("[0-9]*.json") if path != self._own)
        reports = (self._read(path, Report) for path in paths)
        return [report for report in reports if report and report.order >= 0 and is_alive(report.pid)]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While nobody else gives an order. Servers may share the orders, so the lock lies beside them."""
        self._orders.parent.mkdir(parents=True, exist_ok=True)
        with self._orders.with_name(f"{self._orders.name}.lock").open("w") as lock:
            _lock(lock)
            yield

    def _read(self, path: Path, kind: type[Content]) -> Content | None:
        """The content of a file, parsed once for each time that it is written; None where there is none.

        One that cannot be read, such as one that was edited wrongly, counts as what it was before.
        """
        try:
            status = path.stat()
        except FileNotFoundError:
            return None
        mark = status.st_mtime_ns, status.st_ino
        known = self._known.get(path)
        if known is None or known[0] != mark:
            known = self._known[path] = mark, _parse(path, kind) or (known and known[1])
        return known[1] if isinstance(known[1], kind) else None


def label(key: Key) -> str:
    """A version as the board has it."""
    return f"{key[0]}/{key[1]}"


def key_of(label: str) -> Key:
    """The version that the board has so."""
    name, _, version = label.rpartition("/")
    return name, int(version)


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


def _lock(file: IO[str]) -> None:
    """Waits for it, but not for ever. Raises TimeoutError."""
    deadline = time.monotonic() + LOCK_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(f"somebody else has been giving an order for {LOCK_S:.0f} s") from None
            time.sleep(0.01)


def _write(path: Path, content: Sheet, *, lasting: bool = False) -> None:
    """Replaces a file whole; `lasting` also where the power fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.model_dump_json().encode())
            if lasting:
                file.flush()
                os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise

"""Keeps the worker processes: forks them from a process that has imported everything, replaces those that die, and
ends them in peace.

A worker that is forked starts in a third of the time of one that imports, and shares what it imported (decision 9).
Knows processes and sockets; does not know what is served. Imports neither BentoML nor the models.
"""

import importlib
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from service.listener import ABSENT, Loads

WORKER, PRELOADED = "service.worker", "service.preloaded"  # by name: this process imports neither
BACKLOG = 2048  # connections that wait to be accepted
LET_IN_S = 0.1  # a worker accepts within milliseconds
MARGIN_S = 5  # from the end of the drain to SIGKILL
SHORT_LIFE_S = 10  # who lived shorter is started again after a pause, which doubles from one time to the next
LONGEST_PAUSE_S = 30


class Place:
    """One worker after another, all of the same number."""

    def __init__(self, number: int, start: Callable[[int], ForkServerProcess]) -> None:
        self.number = number
        self._start = start
        self._pause_s = 0.0
        self.fill()

    def fill(self) -> None:
        """Starts a worker."""
        self._began = time.monotonic()
        self.process = self._start(self.number)
        self.due: float | None = None  # when the next one is to be started; None while one lives

    def leave_empty(self) -> None:
        """The worker has died: the next one is due at once, unless this one did not live long."""
        lived = time.monotonic() - self._began
        sys.stderr.write(f"axon: worker {self.number} died with {self.process.exitcode} after {lived:.1f} s\n")
        self.process.join()
        short = lived < SHORT_LIFE_S
        self._pause_s = min(LONGEST_PAUSE_S, max(0.5, 2 * self._pause_s)) if short else 0.0
        self.due = time.monotonic() + self._pause_s


def listen(host: str, port: int) -> socket.socket:
    """The socket that all workers accept from. Raises OSError where it cannot be had."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((host, port))
    listening.listen(BACKLOG)
    return listening


def supervise(listening: socket.socket, workers: int, drain_s: int, home: Path) -> None:
    """Keeps so many workers, until SIGTERM or SIGINT has ended them all. `home` is a folder that they share."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PRELOADED])

    loads = context.RawArray("i", [ABSENT] * workers)

    def start(number: int) -> ForkServerProcess:
        process = context.Process(target=_work, args=(number, listening, loads, drain_s, home))
        process.start()
        return process

    told = _told_to_end()
    places = [Place(number, start) for number in range(1, workers + 1)]
    while not _wait(places, told):
        for place in places:
            if place.due is None and not place.process.is_alive():
                place.leave_empty()
                loads[place.number - 1] = ABSENT
            if place.due is not None and place.due <= time.monotonic():
                place.fill()
    _close_the_door(listening)
    _end([place.process for place in places], drain_s)


def _work(number: int, listening: socket.socket, loads: Loads, drain_s: int, home: Path) -> None:
    """In a process of its own."""
    importlib.import_module(WORKER).work(number, listening, loads, drain_s, home)


def _told_to_end() -> int:
    """A file descriptor that can be read once SIGTERM or SIGINT has come."""
    reading, writing = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.write(writing, b"."))
    return reading


def _wait(places: list[Place], told: int) -> bool:
    """Until a worker dies, or one is due, or the end is told, which is true."""
    lives = [place.process.sentinel for place in places if place.due is None]
    dues = [place.due for place in places if place.due is not None]
    return told in wait([told, *lives], max(0.0, min(dues) - time.monotonic()) if dues else None)


def _close_the_door(listening: socket.socket) -> None:
    """Before workers are told to stop: nobody else gets in, and those who wait at the door are let in first.

    With a backlog of 0 the kernel passes over who connects now, who tries again a second later and is refused.
    """
    listening.listen(0)
    time.sleep(LET_IN_S)
    listening.close()  # the workers close theirs as they stop


def _end(processes: list[ForkServerProcess], drain_s: int) -> None:
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + drain_s + MARGIN_S
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
        process.kill()
        process.join()

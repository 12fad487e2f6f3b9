"""Keeps the worker processes: starts them on one socket, replaces those that die, and ends them in peace.

BentoML's `serve` does this with the same parts, but looks for dead workers every ten seconds only, keeps the socket
open while workers drain, so that who connects meanwhile is reset, and loads the whole service where it only watches.
Knows processes and sockets; does not know what is served. Imports neither BentoML nor the models.
"""

import shlex
import sys
import time
from pathlib import Path
from socket import AF_INET, AF_INET6
from typing import Any

from circus.arbiter import Arbiter
from circus.sockets import CircusSocket
from circus.watcher import Watcher

SERVICE = "service.service:Axon"
SOCKET = "http"
BACKLOG = 2048  # connections that wait to be accepted
LOOK_S = 0.5  # how often dead workers are looked for
LET_IN_S = 0.1  # a worker accepts within milliseconds
MARGIN_S = 5  # from the end of the drain to SIGKILL
_ENDPOINT = "ipc://{folder}/{name}"  # of circus's own commands; in a folder that only we may enter


def supervise(host: str, port: int, workers: int, drain_s: int, folder: str) -> None:
    """Returns when SIGTERM or SIGINT has ended all processes. Raises OSError where it cannot listen on the address."""
    family = AF_INET6 if ":" in host else AF_INET
    listening = CircusSocket(name=SOCKET, host=host, port=port, family=family, backlog=BACKLOG)
    arbiter = Arbiter(
        [_watcher(workers, drain_s)],
        endpoint=_ENDPOINT.format(folder=folder, name="control"),
        pubsub_endpoint=_ENDPOINT.format(folder=folder, name="events"),
        check_delay=LOOK_S,
        sockets=[listening],
    )
    arbiter.start().result()  # it keeps what went wrong to itself, otherwise


def _watcher(workers: int, drain_s: int) -> Watcher:
    options = {
        "--fd": f"$(circus.sockets.{SOCKET})",
        "--worker-id": "$(CIRCUS.WID)",
        "--drain-s": str(drain_s),
    }
    return Watcher(
        name="service",
        cmd=shlex.quote(sys.executable),
        args=["-m", "service.worker", *(part for pair in options.items() for part in pair)],
        working_dir=str(Path.cwd()),
        numprocesses=workers,
        copy_env=True,
        use_sockets=True,
        stop_children=True,
        graceful_timeout=drain_s + MARGIN_S,
        hooks={"before_stop": (_close_the_door, False)},
    )


def _close_the_door(arbiter: Arbiter, **_: Any) -> bool:
    """Before workers are told to stop: nobody else gets in, and those who wait at the door are let in first.

    With a backlog of 0 the kernel passes over who connects now, who tries again a second later and is refused.
    """
    arbiter.sockets[SOCKET].listen(0)
    time.sleep(LET_IN_S)
    arbiter.sockets.close_all()  # the workers close theirs as they stop
    return True

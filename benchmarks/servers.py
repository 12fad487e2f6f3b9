"""A server as a tree of processes: started, suspended while others are measured, measured in memory, and ended.

A suspended server (SIGSTOP) costs nothing, whatever it polls; so all can be started once and take turns.
"""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks import environments
from benchmarks.contenders import Contender, Variant

START_S = 90.0
STOP_S = 30.0
PORTS = 3  # MLServer takes three
POLL_S = 0.005


class Memory(NamedTuple):
    """Of one process, MB: resident, and resident with shared pages divided among those who share them."""

    rss_mb: float
    pss_mb: float


class Server:
    """A running server that is ready. `start_s`: from spawning it to its first 200."""

    def __init__(self, contender: Contender, variant: Variant, folder: Path) -> None:
        self.contender = contender
        self.port = free_port()
        self._log = folder / f"{contender.name}.log"
        python = environments.python(contender.requirements)
        command = [str(python), *contender.arguments(self.port), *variant.arguments]
        own = {"PYTHONPATH": str(environments.ROOT), "BENTOML_HOME": str(folder / contender.name)}
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("AXON_", "BENTOML_"))}
        variables = clean | own | {**contender.variables(self.port), **variant.variables}
        with self._log.open("wb") as log:
            began = time.perf_counter()
            self._process = subprocess.Popen(
                command, cwd=environments.ROOT, env=variables, stdout=log, stderr=log, start_new_session=True
            )
        self._pids: list[int] = []
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        self.start_s = time.perf_counter() - began
        self._pids = self.pids()

    def pids(self) -> list[int]:
        """Its processes, parents before children."""
        found = [self._process.pid]
        for pid in found:
            with contextlib.suppress(OSError):
                found += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return found

    def suspend(self) -> None:
        """Stops the processes where they are, parents first, who would miss their children."""
        for pid in self.pids():
            os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Lets them go on, children first, and waits until they are ready."""
        for pid in reversed(self.pids()):
            os.kill(pid, signal.SIGCONT)
        self._wait_until_ready()

    def check(self) -> None:
        """Raises RuntimeError if a process was replaced: what was measured is then not what was started."""
        if self.pids() != self._pids:
            raise RuntimeError(f"{self.contender.title} lost processes\n{self._tail()}")

    def memory(self) -> list[Memory]:
        """Of each process, the largest first."""
        return sorted((_memory(pid) for pid in self.pids()), reverse=True)

    def stop(self) -> None:
        """Ends it with SIGTERM, and what is left after a while with SIGKILL."""
        pids = set(self.pids()) | set(self._pids)
        for pid in pids:
            _signal(pid, signal.SIGCONT)
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S)
        for pid in pids:
            _signal(pid, signal.SIGKILL)
        self._process.wait(STOP_S)
        while any(map(_lives, pids)):
            time.sleep(POLL_S)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_S
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.contender.title} is not ready\n{self._tail()}")
            time.sleep(POLL_S)

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", self.contender.ready)
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _tail(self) -> str:
        return self._log.read_text(errors="replace")[-3000:]


@contextlib.contextmanager
def serving(contender: Contender, variant: Variant) -> Iterator[Server]:
    """A server in a folder of its own, ended afterwards."""
    with tempfile.TemporaryDirectory(prefix="axon-bench-") as folder:
        server = Server(contender, variant, Path(folder))
        try:
            yield server
        finally:
            server.stop()


def free_port() -> int:
    """The first of `PORTS` TCP ports in a row that nobody listens on."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port + PORTS < 65536 and all(_is_free(port + offset) for offset in range(PORTS)):
            return port


def memory_of(read: Callable[[str], str]) -> Memory:
    """From the text of smaps_rollup in /proc."""
    fields = dict(line.split(":", 1) for line in read("smaps_rollup").splitlines()[1:])
    rss, pss = (int(fields[name].split()[0]) / 1000 * 1.024 for name in ("Rss", "Pss"))
    return Memory(rss, pss)


def _memory(pid: int) -> Memory:
    return memory_of(lambda name: Path(f"/proc/{pid}/{name}").read_text())


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _lives(pid: int) -> bool:
    """Whether the process lives; a zombie waits for its parent only."""
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)

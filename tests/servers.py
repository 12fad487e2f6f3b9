"""A real server process: its own process group, a free port, ready within a deadline, its log shown where it fails."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

REPOSITORY = Path(__file__).parents[1]
START_S = 60.0


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Polls until the condition gives something true, and returns it; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {seconds} s")


class Server:
    """`python -m service` with settings from `environment`."""

    def __init__(self, log: Path, **environment: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AXON_", "BENTOML_"))}
        address = {"AXON_HTTP__HOST": "127.0.0.1", "AXON_HTTP__PORT": str(self.port)}
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "service"],
                cwd=REPOSITORY,
                env=inherited | address | environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.client = httpx.Client(base_url=self.url, timeout=30)

    def wait(self, path: str = "/readyz", status: int = 200) -> None:
        """Waits until `path` answers with `status`."""
        until(lambda: self._answers(path, status), START_S, f"{path} answering {status}")

    def wait_for_exit(self, seconds: float = 30) -> int:
        """The exit status."""
        return self._process.wait(seconds)

    def terminate(self) -> None:
        """Asks for an end, as an operator or a container engine does."""
        self._process.send_signal(signal.SIGTERM)

    def worker_pids(self) -> list[int]:
        """The worker processes, in the group that was started."""
        processes = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
        return sorted(pid for pid in processes if self._is_worker(pid))

    def stop(self) -> None:
        """Ends the whole process group, whatever its state."""
        self.client.close()
        with contextlib.suppress(ProcessLookupError):
            self.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(20)

    def _is_worker(self, pid: int) -> bool:
        """Not one that has just gone."""
        try:
            name = Path(f"/proc/{pid}/comm").read_text()
            return name.startswith("axon-worker") and os.getpgid(pid) == self._process.pid
        except (FileNotFoundError, ProcessLookupError):
            return False

    def _answers(self, path: str, status: int) -> bool:
        assert self._process.poll() is None, f"the server exited with {self._process.returncode}"
        try:
            return self.client.get(path).status_code == status
        except httpx.TransportError:
            return False


@contextlib.contextmanager
def serving(log: Path, *, ready: bool = True, **environment: str) -> Iterator[Server]:
    """A server that is ready, and is ended afterwards. Its log is printed where the test fails."""
    server = Server(log, **environment)
    try:
        if ready:
            server.wait()
        yield server
    except BaseException:
        print(log.read_text(errors="replace")[-8000:])
        raise
    finally:
        server.stop()

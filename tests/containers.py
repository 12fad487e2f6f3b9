"""The compose project as an operator starts it, on ports of its own. Docker's COMPOSE_FILE may name further files."""

import contextlib
import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from typing import Any

import httpx

from tests.servers import REPOSITORY, free_port

BUILD_S = 900.0  # the first build of a machine fetches everything
PORTS = ("SERVICE_PORT", "PROMETHEUS_PORT", "ALERTMANAGER_PORT", "GRAFANA_PORT")


def why_no_engine() -> str | None:
    """None where a Docker engine with Compose v2 answers; else the reason."""
    if shutil.which("docker") is None:
        return "docker is not installed"
    for command in (("docker", "info"), ("docker", "compose", "version")):
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return f"`{' '.join(command)}` fails"
    return None


def docker(*arguments: str, timeout: float = 60) -> str:
    """What a docker command writes to standard output. Raises AssertionError with its errors."""
    return _run(["docker", *arguments], os.environ.copy(), timeout)


class Stack:
    """One compose project; `environment` is what `.env` could hold."""

    def __init__(self, **environment: str) -> None:
        self.project = f"axon-test-{uuid.uuid4().hex[:8]}"
        self.ports = {name: free_port() for name in PORTS}
        self.environment = {name: str(port) for name, port in self.ports.items()} | environment
        self.url = f"http://127.0.0.1:{self.ports['SERVICE_PORT']}"

    def compose(self, *arguments: str, timeout: float = 120, **environment: str) -> str:
        """What `docker compose` writes to standard output."""
        command = ["docker", "compose", "--project-name", self.project, *arguments]
        return _run(command, os.environ | self.environment | environment, timeout)

    def container(self, service: str) -> str:
        """The id of a service's container, running or not."""
        return self.compose("ps", "--all", "--quiet", service).strip()

    def inspect(self, service: str) -> Any:
        """What the engine says of it."""
        [said] = json.loads(docker("inspect", self.container(service)))
        return said

    def execute(self, service: str, *command: str) -> str:
        """A command's standard output, inside."""
        return self.compose("exec", "--no-TTY", service, *command)

    def query(self, expression: str, **parameters: Any) -> list[dict[str, Any]]:
        """An instant vector from Prometheus."""
        address = f"http://127.0.0.1:{self.ports['PROMETHEUS_PORT']}/api/v1/query"
        answer = httpx.get(address, params={"query": expression, **parameters}, timeout=10).raise_for_status().json()
        return list(answer["data"]["result"])


@contextlib.contextmanager
def running(*up: str, **environment: str) -> Iterator[Stack]:
    """A project that is up and healthy, and is taken away afterwards, volumes and all. Logs are printed on failure."""
    stack = Stack(**environment)
    try:
        stack.compose(*up, timeout=BUILD_S)
        yield stack
    except BaseException:
        with contextlib.suppress(AssertionError):  # what went wrong first is what counts
            print(stack.compose("logs", "--no-color", "--tail", "50"))
        raise
    finally:
        stack.compose("--profile", "demo", "down", "--volumes", "--timeout", "5")


def _run(command: list[str], environment: dict[str, str], timeout: float) -> str:
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr[-4000:]}"
    return done.stdout

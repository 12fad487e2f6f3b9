"""A real Prometheus process that watches servers of a test with the rules of the repository."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.servers import REPOSITORY, free_port, until

CONFIGURATION = REPOSITORY / "monitoring" / "prometheus"
INTERVAL = "1s"  # of scrapes and rules, so that a test sees in seconds what an operator sees in minutes


class Prometheus:
    """`prometheus` on a free port of loopback, with its data in `folder`."""

    def __init__(self, folder: Path, targets: dict[str, list[str]]) -> None:
        self.port = free_port()
        self.log = folder / "log"
        address = f"127.0.0.1:{self.port}"
        _write_configuration(folder, targets | {"prometheus": [address]})
        command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                [*command, f"--web.listen-address={address}"], stdout=output, stderr=subprocess.STDOUT
            )
        self._client = httpx.Client(base_url=f"http://{address}", timeout=30)

    def wait(self) -> None:
        """Waits until it has read its configuration and its rules, and answers."""
        until(self._is_ready, 30, "Prometheus answering")

    def ask(self, path: str, **parameters: str | float) -> Any:
        """The `data` of an answer of its HTTP API; fails with Prometheus's own words where it refuses."""
        answer = self._client.get(f"/api/v1/{path}", params=parameters).json()
        assert answer["status"] == "success", f"{answer['error']}: {parameters}"
        return answer["data"]

    def stop(self) -> None:
        """Ends the process."""
        self._client.close()
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, f"Prometheus exited with {self._process.returncode}"
        try:
            return self._client.get("/-/ready").status_code == 200
        except httpx.TransportError:
            return False


@contextlib.contextmanager
def watching(folder: Path, **targets: list[str]) -> Iterator[Prometheus]:
    """A Prometheus that is ready, and is ended afterwards; `targets` are addresses by job."""
    prometheus = Prometheus(folder, targets)
    try:
        prometheus.wait()
        yield prometheus
    except BaseException:
        print(prometheus.log.read_text(errors="replace")[-8000:])
        raise
    finally:
        prometheus.stop()


def _write_configuration(folder: Path, targets: dict[str, list[str]]) -> None:
    """The repository's own, but for targets and intervals."""
    configuration = yaml.safe_load((CONFIGURATION / "prometheus.yml").read_text())
    configuration["global"] |= dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), INTERVAL)
    nobody = f"127.0.0.1:{free_port()}"
    configuration["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [nobody]}]}]
    for job in configuration["scrape_configs"]:
        for discovery in [key for key in job if key.endswith("_sd_configs")]:
            del job[discovery]
        job["static_configs"] = [{"targets": targets[job["job_name"]]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    (folder / "rules").mkdir()
    for path in (CONFIGURATION / "rules").glob("*.yml"):
        rules = yaml.safe_load(path.read_text())
        for group in rules["groups"]:
            group["interval"] = INTERVAL
        (folder / "rules" / path.name).write_text(yaml.safe_dump(rules))

"""Alertmanager's configuration: who is told what, and what is kept back, asked of a real Alertmanager."""

import shutil
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from tests.servers import REPOSITORY, free_port, until

CONFIGURATION = REPOSITORY / "monitoring" / "alertmanager" / "alertmanager.yml"
PAGED = {"severity": "page", "objective": "latency", "job": "axon"}
TICKET = {"severity": "ticket", "objective": "latency", "job": "axon"}
DOWN = {"alertname": "TargetDown", "severity": "page", "job": "axon"}

# What fires, what else does, and whether the first keeps the second back.
PAIRS = {
    "a page and the ticket of its objective": (PAGED, TICKET, True),
    "a page and the ticket of another objective": (PAGED, TICKET | {"objective": "availability"}, False),
    "a page and the ticket of another job": (PAGED, TICKET | {"job": "other"}, False),
    "a page of no objective and a ticket of none": ({"severity": "page"}, {"severity": "ticket"}, False),
    "a fast burn and a medium one": (
        PAGED | {"alertname": "LatencyBurnFast"},
        PAGED | {"alertname": "LatencyBurnMedium"},
        True,
    ),
    "an instance that is down and its engine": (DOWN | {"instance": "a"}, {"job": "axon", "instance": "a"}, True),
    "an instance that is down and another's engine": (
        DOWN | {"instance": "a"},
        {"job": "axon", "instance": "b"},
        False,
    ),
    "an instance that is down and a burn rate": (DOWN | {"instance": "a"}, PAGED, False),
    "no instance at all and a burn rate": (DOWN, PAGED, True),
    "two instances that are down": (DOWN | {"instance": "a"}, DOWN | {"instance": "b"}, False),
}


def program(*names: str) -> str:
    """The first of these programs on the path."""
    found = next(filter(None, map(shutil.which, names)), None)
    return found or pytest.skip(f"no {' or '.join(names)} on the path: it comes with Alertmanager")


def amtool(*arguments: str) -> str:
    done = subprocess.run([program("amtool"), *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A real one, by itself."""
    folder, port = tmp_path_factory.mktemp("alertmanager"), free_port()
    options = {
        "config.file": CONFIGURATION,
        "storage.path": folder,
        "web.listen-address": f"127.0.0.1:{port}",
        "cluster.listen-address": "",
    }
    command = [
        program("alertmanager", "prometheus-alertmanager"),
        *(f"--{key}={value}" for key, value in options.items()),
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            until(lambda: is_ready(client), 20, "Alertmanager being ready")
            yield client
        process.terminate()


def is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/-/ready").is_success
    except httpx.TransportError:
        return False


def states(client: httpx.Client, pair: str) -> dict[str, str]:
    """Whether each alert of a pair is told of, by its place in it."""
    alerts = client.get("/api/v2/alerts", params={"filter": f'pair="{pair}"'}).json()
    return {alert["labels"]["place"]: alert["status"]["state"] for alert in alerts}


def test_the_configuration_is_valid() -> None:
    amtool("check-config", str(CONFIGURATION))


@pytest.mark.parametrize("severity", ["page", "ticket"])
def test_who_is_told_goes_by_severity(severity: str) -> None:
    options = ("config", "routes", "test", f"--config.file={CONFIGURATION}")
    assert amtool(*options, f"severity={severity}") == severity


@pytest.mark.parametrize("pair", PAIRS)
def test_what_is_kept_back(alertmanager: httpx.Client, pair: str) -> None:
    first, second, kept_back = PAIRS[pair]
    named = ({"alertname": "Something"} | labels | {"pair": pair} for labels in (first, second))
    alerts = [{"labels": labels | {"place": place}} for place, labels in zip(("first", "second"), named, strict=True)]
    alertmanager.post("/api/v2/alerts", json=alerts).raise_for_status()

    def settled() -> bool:
        return len(states(alertmanager, pair)) == 2 and "unprocessed" not in states(alertmanager, pair).values()

    until(settled, 20, "Alertmanager dealing with both")
    assert states(alertmanager, pair) == {"first": "active", "second": "suppressed" if kept_back else "active"}


def test_no_secret_is_in_the_configuration() -> None:
    keys = ("_url:", "_key:", "password:", "token:", "secret:")
    assert not [line for line in CONFIGURATION.read_text().splitlines() if line.strip().endswith(keys)]

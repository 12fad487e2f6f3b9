"""`docker compose up` on a real engine: confined, watched, and steady when a worker is killed, stopped or replaced."""

import concurrent.futures
import contextlib
import http.client
import json
import time
from typing import Any

import httpx
import pytest

from tests.containers import BUILD_S, Stack, docker, running
from tests.grafana import DASHBOARDS, RUNBOOK
from tests.servers import REPOSITORY, until

pytestmark = pytest.mark.timeout(600)
SEVEN = (REPOSITORY / "examples" / "seven.png").read_bytes()
PNG = {"content-type": "image/png"}
GRACE_S = 40  # stop_grace_period
WORKERS = "grep -l axon-worker /proc/[0-9]*/comm | cut -d / -f 3"


def read_digit(stack: Stack) -> httpx.Response:
    """On a connection of its own."""
    return httpx.post(f"{stack.url}/v1/digits", content=SEVEN, headers=PNG, timeout=20)


def workers(stack: Stack) -> list[str]:
    """Process ids of the workers, as the container sees them."""
    return stack.execute("axon", "sh", "-c", WORKERS).split()


def value(stack: Stack, expression: str) -> float:
    """The only value of an expression, 0 where there is none yet."""
    found = stack.query(expression)
    return float(found[0]["value"][1]) if found else 0.0


def test_a_digit_is_read_through_the_published_port(stack: Stack) -> None:
    answer = read_digit(stack)
    assert answer.status_code == 200
    assert answer.json()["predictions"][0]["digit"] == 7


def test_prometheus_scrapes_the_service_and_rules_evaluate(stack: Stack) -> None:
    until(lambda: value(stack, 'up{job="axon"}') == 1, 60, "the target being up")
    until(lambda: value(stack, "sum(instance_route:axon_http_requests:rate5m)") > 0, 90, "a recorded rate")
    address = f"http://127.0.0.1:{stack.ports['PROMETHEUS_PORT']}/api/v1"
    groups = httpx.get(f"{address}/rules").json()["data"]["groups"]
    assert groups
    assert not [rule["lastError"] for group in groups for rule in group["rules"] if rule.get("lastError")]
    managers = httpx.get(f"{address}/alertmanagers").json()["data"]["activeAlertmanagers"]
    assert [manager["url"] for manager in managers] == ["http://alertmanager:9093/api/v2/alerts"]


def test_the_demo_sends_what_the_service_mostly_likes(stack: Stack) -> None:
    until(lambda: value(stack, 'sum(axon_http_requests_total{status="200"})') > 100, 60, "demo traffic")
    until(lambda: value(stack, 'sum(axon_http_requests_total{status=~"4.."})') > 0, 60, "demo mistakes")


@pytest.mark.parametrize("service", ["axon", "prometheus", "alertmanager", "demo"])
def test_containers_are_confined(stack: Stack, service: str) -> None:
    said = stack.inspect(service)
    host = said["HostConfig"]
    assert said["Config"]["User"] not in ("", "root", "0")
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Memory"] > 0
    assert host["PidsLimit"] > 0
    assert not host["Privileged"]


def test_the_service_has_no_rights(stack: Stack) -> None:
    status = dict(line.split(":\t", 1) for line in stack.execute("axon", "cat", "/proc/1/status").splitlines())
    assert status["Uid"].split() == ["10001"] * 4
    assert status["NoNewPrivs"] == "1"
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert "Read-only file system" in stack.execute("axon", "sh", "-c", "touch /tmp/x && ! touch /axon/x 2>&1")


def test_a_killed_worker_is_replaced(stack: Stack) -> None:
    before = workers(stack)
    assert len(before) == 2
    stack.execute("axon", "python", "-c", f"import os; os.kill({before[0]}, 9)")
    until(lambda: len(now := workers(stack)) == 2 and before[0] not in now, 60, "a new worker")
    until(lambda: all(read_digit(stack).status_code == 200 for _ in range(20)), 60, "answers from both")
    assert stack.inspect("axon")["State"]["Health"]["Status"] == "healthy"
    assert stack.inspect("axon")["RestartCount"] == 0


def test_a_new_version_of_the_image_keeps_the_history(stack: Stack) -> None:
    """As docs/operations.md says it: the new tag, then `up`."""
    counted = until(lambda: value(stack, "count(up)"), 60, "a sample before")
    before = time.time()
    old, old_tag = stack.container("axon"), stack.environment["IMAGE_TAG"]
    newer = "axon:under-test-and-newer"
    docker("build", "--quiet", "--label", "newer=yes", "--tag", newer, ".", timeout=BUILD_S)
    try:
        stack.environment["IMAGE_TAG"] = newer.partition(":")[2]
        stack.compose("up", "--detach", "--wait")
        assert stack.container("axon") != old
        assert stack.inspect("axon")["Config"]["Image"] == newer
        assert stack.inspect("axon")["Config"]["Labels"]["newer"] == "yes"
        until(lambda: value(stack, 'up{job="axon"}') == 1, 60, "the new target being up")
        [then] = stack.query("count(up)", time=before)
        assert float(then["value"][1]) == counted
    finally:
        stack.environment["IMAGE_TAG"] = old_tag
        stack.compose("up", "--detach", "--wait")
        docker("rmi", newer)


@pytest.mark.parametrize("password", ["", "pa}word"])
def test_grafana_gets_the_password_that_the_environment_has(stack: Stack, password: str) -> None:
    shown = stack.compose("--profile", "*", "config", "--format", "json", GRAFANA_ADMIN_PASSWORD=password)
    environment = json.loads(shown)["services"]["grafana"]["environment"]
    assert environment["GF_SECURITY_ADMIN_PASSWORD"] == password
    assert environment["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == ("false" if password else "")


def test_a_stop_under_load_loses_nothing_and_exits_with_0(image: str) -> None:
    """Whoever was connected before the stop is answered; who comes later finds the door closed."""
    tag = image.partition(":")[2]
    with running("up", "--detach", "--wait", "axon", IMAGE_TAG=tag) as stack:
        address = ("127.0.0.1", stack.ports["SERVICE_PORT"])
        asked: list[tuple[float, int | None]] = []

        def ask_until_closed() -> None:
            while True:
                connection = http.client.HTTPConnection(*address, timeout=20)
                try:
                    connection.connect()
                except OSError:
                    return
                with contextlib.closing(connection):
                    began = time.monotonic()
                    try:
                        asked.append((began, read_many(connection)))
                    except (OSError, http.client.HTTPException):
                        asked.append((began, None))
                        return

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            clients = [pool.submit(ask_until_closed) for _ in range(8)]
            until(lambda: len(asked) > 200, 60, "load")
            stopped = time.monotonic()
            stack.compose("stop", "axon")
            took = time.monotonic() - stopped
            concurrent.futures.wait(clients, timeout=60)
        before = [status for began, status in asked if began < stopped]
        print(f"{len(before)} asked before the stop, {len(asked) - len(before)} after; stopped in {took:.1f} s")
        assert set(before) == {200}
        assert stack.inspect("axon")["State"]["ExitCode"] == 0
        assert not stack.inspect("axon")["State"]["OOMKilled"]
        assert took < GRACE_S


def read_many(connection: http.client.HTTPConnection) -> int:
    """The status of 64 images: so many that there is always something in flight."""
    document: dict[str, Any] = {"images": [[[0] * 28] * 14 + [[255] * 28] * 14] * 64}
    connection.request("POST", "/v1/digits", json.dumps(document), {"Content-Type": "application/json"})
    return connection.getresponse().status


def test_grafana_has_the_dashboards_and_shows_them_to_everybody(stack: Stack) -> None:
    if "grafana" not in stack.compose("config", "--services").split():
        pytest.skip("this project has no Grafana here; COMPOSE_FILE leaves it out")
    address = f"http://127.0.0.1:{stack.ports['GRAFANA_PORT']}/api/search?type=dash-db"
    found = httpx.get(address, timeout=20).raise_for_status().json()
    assert {dashboard["uid"] for dashboard in found} == {f"axon-{path.stem}" for path in (*DASHBOARDS, RUNBOOK)}

"""Versions on trial behind the doors of a real server with two workers."""

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests import bundles
from tests.servers import Server, serving, until

Ask = Callable[[Server, str], int]  # the version that answers a request id
ASKED = 400
IMAGE = bundles.image_of(3)


def rest(server: Server, request_id: str) -> int:
    answer = server.client.post("/v1/digits", json={"images": [IMAGE.tolist()]}, headers={"X-Request-ID": request_id})
    return int(answer.raise_for_status().json()["model"]["version"])


def open_inference(server: Server, request_id: str) -> int:
    tensor = {"name": "images", "shape": [1, 28, 28], "datatype": "UINT8", "data": IMAGE.ravel().tolist()}
    answer = server.client.post("/v2/models/cnn/infer", json={"id": request_id, "inputs": [tensor]})
    return int(answer.raise_for_status().json()["model_version"])


def bento(server: Server, request_id: str) -> int:
    answer = server.client.post("/classify", json={"images": [IMAGE.tolist()]}, headers={"X-Request-ID": request_id})
    return int(answer.raise_for_status().json()["model"]["version"])


DOORS = pytest.mark.parametrize("ask", [rest, open_inference, bento])


def ids(count: int = ASKED) -> list[str]:
    return [f"request-{number}" for number in range(count)]


@contextmanager
def trying(tmp_path: Path, role: str, share: float, **settings: str) -> Iterator[Server]:
    """Two workers with cnn/1, and cnn/2 on trial."""
    trial = json.dumps({"cnn": {"version": 2, "share": share}})
    environment = {
        "AXON_HTTP__WORKERS": "2",
        "AXON_MODELS__ROOT": str(tmp_path / "models"),
        f"AXON_ROLLOUT__{role.upper()}": trial,
        **settings,
    }
    with serving(tmp_path / "log", **environment) as running:
        until(lambda: metric(running, "axon_worker_starts_total") == 2, 30, "both workers' start")
        yield running


def metric(server: Server, line: str) -> float:
    """The value of a series, written as in the exposition; 0 where there is none."""
    found = [each for each in server.client.get("/metrics").text.splitlines() if each.startswith(line + " ")]
    return float(found[0].rpartition(" ")[2]) if found else 0.0


def compared(server: Server, outcome: str) -> float:
    return metric(server, f'axon_comparisons_total{{model="cnn",outcome="{outcome}",version="2"}}')


def candidate(server: Server) -> dict[str, object]:
    models = server.client.get("/v1/models").json()["models"]
    return next(model for model in models if model["version"] == 2)


def fresh(server: Server, request_id: str, ask: Ask) -> int:
    """Over a connection of its own, so that any worker may take it."""
    with httpx.Client(base_url=server.url, timeout=30) as client:
        server.client, kept = client, server.client
        try:
            return ask(server, request_id)
        finally:
            server.client = kept


@DOORS
def test_a_canary_answers_its_share_and_an_id_keeps_its_version(tmp_path: Path, ask: Ask) -> None:
    for version in (1, 2):
        bundles.publish(tmp_path / "models", "cnn", version)
    with trying(tmp_path, "canaries", 0.3) as server:
        first = [ask(server, each) for each in ids()]
        again = [fresh(server, each, ask) for each in ids(60)]
        assert abs(first.count(2) - 0.3 * ASKED) < 4 * math.sqrt(ASKED * 0.3 * 0.7)
        assert again == first[:60]
        until(lambda: compared(server, "agree") > 0, 10, "a comparison")
        assert compared(server, "differ") == 0
        shown = candidate(server)
        assert (shown["role"], shown["share"], shown["stopped"], shown["default"]) == ("canary", 0.3, None, False)
        until(
            lambda: metric(server, 'axon_candidate_state{model="cnn",role="canary",state="active",version="2"}') == 1,
            10,
            "the state in the metrics",
        )


def test_explanations_are_the_defaults(tmp_path: Path) -> None:
    for version in (1, 2):
        bundles.publish(tmp_path / "models", "cnn", version)
    with trying(tmp_path, "canaries", 1) as server:
        assert rest(server, "a") == 2
        explained = server.client.post("/v1/digits?explain=true", json={"images": [IMAGE.tolist()]})
        assert explained.raise_for_status().json()["model"]["version"] == 1


def test_a_canary_that_reads_otherwise_is_stopped_in_both_workers(tmp_path: Path) -> None:
    bundles.publish(tmp_path / "models", "cnn", 1)
    bundles.publish(tmp_path / "models", "cnn", 2, other=bundles.shifted(1))
    with trying(tmp_path, "canaries", 0.5, AXON_ROLLOUT__LEAST_SAMPLE="20") as server:
        until(lambda: [rest(server, each) for each in ids(20)] and candidate(server)["stopped"], 30, "the stop")
        assert "rows agree, the floor is 97.0%" in str(candidate(server)["stopped"])
        until(lambda: {fresh(server, each, rest) for each in ids(40)} == {1}, 10, "both workers' obedience")
        until(
            lambda: metric(server, 'axon_candidate_state{model="cnn",role="canary",state="stopped",version="2"}') == 1,
            10,
            "the state in the metrics",
        )
        assert '"event":"candidate_stopped name=cnn version=2' in (tmp_path / "log").read_text()
        server.client.post("/v2/repository/models/cnn/load").raise_for_status()
        assert candidate(server)["stopped"] is None


def test_a_canary_that_raises_loses_nothing_and_is_stopped(tmp_path: Path) -> None:
    bundles.publish(tmp_path / "models", "cnn", 1)
    bundles.publish(tmp_path / "models", "cnn", 2, trap="raise")
    trap = {"images": [bundles.trapped(3).tolist()]}
    with trying(tmp_path, "canaries", 1, AXON_ROLLOUT__LEAST_SAMPLE="20") as server:

        def ask() -> httpx.Response:
            return server.client.post("/v1/digits", json=trap)

        answers = [ask() for _ in range(100)]
        assert {(each.status_code, each.json()["model"]["version"]) for each in answers} == {(200, 1)}
        until(lambda: candidate(server)["stopped"], 10, "the stop")
        assert metric(server, 'axon_canary_requests_total{model="cnn",outcome="failed",version="2"}') >= 20
        assert metric(server, 'axon_engine_failures_total{model="cnn",version="2"}') >= 20


def test_a_candidate_that_fails_to_load_answers_nobody(tmp_path: Path) -> None:
    bundles.publish(tmp_path / "models", "cnn", 1)
    bundles.publish(tmp_path / "models", "cnn", 2, other={"model.onnx": bundles.graph(scale=1.01)})
    with trying(tmp_path, "canaries", 1) as server:
        assert {rest(server, each) for each in ids(20)} == {1}
        assert candidate(server)["state"] == "FAILED"
        until(
            lambda: metric(server, 'axon_candidate_state{model="cnn",role="canary",state="waiting",version="2"}') == 1,
            10,
            "the state in the metrics",
        )


def stage_s(server: Server, stage: str) -> float:
    """Seconds of all requests to version 1 in a stage."""
    return metric(server, f'axon_inference_stage_duration_seconds_sum{{model="cnn",stage="{stage}",version="1"}}')


def test_a_shadow_that_takes_long_delays_nobody(tmp_path: Path) -> None:
    bundles.publish(tmp_path / "models", "cnn", 1)
    bundles.publish(tmp_path / "models", "cnn", 2, trap="slow")
    body = {"images": [bundles.trapped(3, level=64).tolist()]}  # a second: after 7.5 s it would be stopped as silent
    with trying(tmp_path, "shadows", 1) as server:
        taken_s = server.client.post("/v1/digits?version=2", json=body).json()["timing_ms"]["compute"] / 1e3
        assert taken_s > 0.2
        for _ in range(50):
            assert server.client.post("/v1/digits", json=body).json()["model"]["version"] == 1
        assert compared(server, "agree") < 50, "the shadow has more to do than it has done"
        assert stage_s(server, "queue") + stage_s(server, "compute") < taken_s / 2, "of 50 requests"
        until(lambda: compared(server, "agree") > 0, 60, "a comparison")


@DOORS
def test_a_shadow_reads_what_comes_through_any_door(tmp_path: Path, ask: Ask) -> None:
    bundles.publish(tmp_path / "models", "cnn", 1)
    bundles.publish(tmp_path / "models", "cnn", 2)
    with trying(tmp_path, "shadows", 1) as server:
        assert Counter(ask(server, each) for each in ids(100)) == {1: 100}
        until(lambda: compared(server, "agree") >= 50, 20, "comparisons")


def test_a_shadow_is_dropped_where_the_workers_have_no_time(tmp_path: Path) -> None:
    for version in (1, 2):
        bundles.publish(tmp_path / "models", "cnn", version)
    with trying(tmp_path, "shadows", 1, AXON_ROLLOUT__SHADOW_ROWS="8") as server:
        with ThreadPoolExecutor(16) as pool:
            versions = Counter(pool.map(lambda each: rest(server, each), ids(2_000)))
        assert versions == {1: 2_000}
        until(lambda: sum(compared(server, each) for each in ("agree", "dropped")) == 2_000, 20, "all being told of")
        assert compared(server, "dropped") > 0
        print(f"dropped {compared(server, 'dropped'):.0f} of 2000")


def test_a_shadow_that_hangs_is_stopped_and_the_service_stays_ready(tmp_path: Path) -> None:
    bundles.publish(tmp_path / "models", "cnn", 1)
    bundles.publish(tmp_path / "models", "cnn", 2, trap="hang")
    body = {"images": [bundles.trapped(3).tolist()]}
    with trying(tmp_path, "shadows", 1, AXON_INFERENCE__HEARTBEAT_S="4") as server:
        ready: list[int] = []

        def stopped() -> object:
            with httpx.Client(base_url=server.url, timeout=30) as client:  # either worker
                assert client.post("/v1/digits", json=body).json()["model"]["version"] == 1
                ready.append(client.get("/readyz").status_code)
                return candidate(server)["stopped"]

        until(stopped, 30, "the stop")
        assert candidate(server)["stopped"] == "its engine does not answer"
        due = time.monotonic() + 2 * 4 + 2  # a worker with an engine that hangs would have been replaced by then
        until(lambda: stopped() and time.monotonic() > due, 60, "the time passing")
        assert set(ready) == {200}
        assert metric(server, "axon_worker_starts_total") == 2

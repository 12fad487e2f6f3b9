import concurrent.futures
import os
import secrets
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from models.repository import Repository
from tests.servers import Server, serving, until


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Server:
    """Two workers that nobody else has asked anything."""
    with serving(tmp_path_factory.mktemp("metrics") / "log", AXON_HTTP__WORKERS="2") as running:
        yield running


def samples(server: Server) -> dict[tuple[str, frozenset], float]:
    answer = httpx.get(f"{server.url}/metrics", timeout=30)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def total(samples: dict[tuple[str, frozenset], float], name: str, **labels: str) -> float:
    return sum(
        value for (found, has), value in samples.items() if found == name and labels.items() <= dict(has).items()
    )


def send(server: Server, count: int, request: object) -> None:
    """From many connections, so that both workers get some."""

    def one(_: int) -> None:
        with httpx.Client(base_url=server.url, timeout=30) as client:
            request(client)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(count)))


def test_failures_are_counted_from_0(fresh: Server) -> None:
    shown = samples(fresh)
    for route in ("/v1/digits", "/v1/gates/{gate}", "/classify", "/gate"):
        for status in ("429", "500", "503", "504"):
            found = [v for (name, has), v in shown.items() if name == "axon_http_requests_total"
                     and {"route": route, "status": status, "method": "POST"}.items() <= dict(has).items()]  # fmt: skip
            assert found == [0]


def test_a_gates_surface_is_computed_once_in_a_worker(fresh: Server) -> None:
    for _ in range(20):  # one after the other, for two at once may both find nothing
        send(fresh, 1, lambda client: client.get("/v1/gates/nor").raise_for_status())
    points, corners = 41 * 41, 4
    assert total(samples(fresh), "axon_inference_rows_total", model="gate-nor") <= 2 * points + 20 * corners


def test_counts_are_exact_over_two_workers(fresh: Server) -> None:
    assert len(fresh.worker_pids()) == 2
    before = samples(fresh)
    image = [[0] * 28] * 14 + [[255] * 28] * 14
    send(fresh, 100, lambda client: client.post("/v1/digits", json={"images": [image, image]}).raise_for_status())
    digits = {"door": "rest", "route": "/v1/digits", "method": "POST", "status": "200"}
    answered = total(before, "axon_http_requests_total", **digits) + 100
    until(lambda: total(samples(fresh), "axon_http_requests_total", **digits) >= answered, 30, "both workers' counts")
    after = samples(fresh)

    def grown(name: str, **labels: str) -> float:
        return total(after, name, **labels) - total(before, name, **labels)

    assert grown("axon_http_requests_total", **digits) == 100
    assert grown("axon_http_request_duration_seconds_count", **digits) == 100
    assert grown("axon_inference_rows_total", model="cnn") == 200
    assert grown("axon_predictions_total", model="cnn") == 200
    assert grown("axon_prediction_confidence_count", model="cnn") == 200
    for stage in ("decode", "normalise", "queue", "compute", "encode"):
        assert grown("axon_inference_stage_duration_seconds_count", model="cnn", stage=stage) == 100
    assert grown("axon_batch_rows_sum", model="cnn") == 200
    until(lambda: total(samples(fresh), "axon_inflight_requests") == 0, 30, "both workers' next pulse")


def test_random_paths_and_methods_add_no_series(fresh: Server) -> None:
    def strange(client: httpx.Client) -> None:
        for _ in range(50):
            assert client.get("/" + secrets.token_urlsafe(8)).status_code == 404
            assert client.get("/v1/models/" + secrets.token_hex(4)).status_code == 404
            client.request("PURGE", "/" + secrets.token_hex(4))

    send(fresh, 2, strange)
    before = {name for name in samples(fresh) if "pid" not in dict(name[1])}
    send(fresh, 4, strange)
    assert {name for name in samples(fresh) if "pid" not in dict(name[1])} == before


def test_states_of_models_and_the_process_are_shown(fresh: Server) -> None:
    shown = samples(fresh)
    assert total(shown, "axon_model_state", model="cnn", version="1", state="READY") == 1
    assert total(shown, "axon_model_state", model="cnn", version="1", state="FAILED") == 0
    assert total(shown, "axon_model_info", model="gate-xor", version="1") == 1

    def loaded() -> bool:
        resident = [value for (name, _), value in samples(fresh).items() if name == "axon_process_resident_bytes"]
        return len(resident) == 2 and all(30e6 < value < 400e6 for value in resident)

    until(loaded, 30, "both workers' memory")


def test_what_traffic_is_compared_with_is_exported(fresh: Server, published: Path) -> None:
    manifest = Repository(published).open("cnn").manifest
    shown, version = samples(fresh), str(manifest.version)
    for feature in ("digit", "confidence", "ink", "width", "height", "grey"):
        assert total(shown, "axon_reference_ratio", model="cnn", version=version, feature=feature) == pytest.approx(1)
    sevens = manifest.reference["digit"].shares[7]
    assert total(
        shown, "axon_reference_ratio", model="cnn", version=version, feature="digit", bin="7"
    ) == pytest.approx(sevens)
    assert 0.09 < sevens < 0.12


def test_two_servers_do_not_touch_each_others_counts(fresh: Server, tmp_path: Path) -> None:
    before = total(samples(fresh), "axon_http_requests_total")
    assert before > 0
    with serving(tmp_path / "log", AXON_HTTP__WORKERS="1"):
        assert total(samples(fresh), "axon_http_requests_total") >= before


def test_a_new_worker_goes_on_counting_where_the_dead_one_stopped(tmp_path: Path) -> None:
    with serving(tmp_path / "log", AXON_HTTP__WORKERS="2") as running:
        until(lambda: total(samples(running), "axon_worker_starts_total") == 2, 30, "both workers' start")

        def answered() -> float:
            return total(samples(running), "axon_http_requests_total", route="/livez")

        send(running, 20, lambda client: client.get("/livez"))
        until(lambda: answered() >= 20, 30, "both workers' counts")
        before = answered()
        killed = running.worker_pids()[0]
        os.kill(killed, 9)
        until(lambda: total(samples(running), "axon_worker_starts_total") == 3, 30, "the new worker's start")
        assert killed not in running.worker_pids()
        assert answered() >= before
        numbers = {dict(has)["pid"] for name, has in samples(running) if name == "axon_process_resident_bytes"}
        assert numbers == {"1", "2"}, "a series for each worker, however often it is replaced"

"""Keys against the real process: every door, every route that needs none, and who manages models."""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service import keys
from tests import bundles
from tests.malformed import picture
from tests.servers import REPOSITORY, Server, serving

PHONE, ROBOT, BOSS, STRANGER = (keys.make() for _ in range(4))
SEVEN = {"images": [bundles.image_of(7).tolist()]}
ROWS = {"inputs": [[0, 1]]}
DOORS = [
    ("POST", "/v1/digits", SEVEN),
    ("POST", "/v1/gates/xor", ROWS),
    ("GET", "/v1/gates", None),
    ("GET", "/v1/models", None),
    ("GET", "/v1/models/cnn", None),
    ("POST", "/classify", SEVEN),
    ("POST", "/gate", {"gate": "xor"} | ROWS),
    ("POST", "/schema.json", None),
    ("GET", "/docs.json", None),
]
OPEN = ["/livez", "/readyz", "/healthz", "/metrics", "/ui/", "/ui/page.js", "/docs", "/openapi.json", "/", "/ui"]
LOAD = "/v2/repository/models/cnn/load"


def admitting(users: tuple[str, ...] = (), managers: tuple[str, ...] = ()) -> dict[str, str]:
    """The settings that admit these keys."""
    named = {"AXON_ACCESS__KEYS": users, "AXON_ACCESS__MANAGEMENT_KEYS": managers}
    hashes = {
        name: {f"key-{index}": keys.hash_line(key) for index, key in enumerate(group)} for name, group in named.items()
    }
    return {name: json.dumps(group) for name, group in hashes.items() if group}


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader with a trap, and a gate."""
    root = tmp_path_factory.mktemp("models")
    bundles.publish(root, "cnn", trap="raise")
    shutil.copytree(REPOSITORY / "models" / "published" / "gate-xor" / "1", root / "gate-xor" / "1")
    return root


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Server]:
    """A server for everybody who has a key; only one of three keys manages."""
    settings = {"AXON_HTTP__HOST": "0.0.0.0", "AXON_HTTP__WORKERS": "1", "AXON_MODELS__ROOT": str(models)}
    log = tmp_path_factory.mktemp("locked") / "log"
    with serving(log, **settings, **admitting((PHONE, ROBOT), (BOSS,))) as running:
        yield running


@pytest.mark.parametrize(("method", "path", "body"), DOORS, ids=[f"{method} {path}" for method, path, _ in DOORS])
def test_every_door_takes_each_of_the_keys_and_nothing_else(
    server: Server, locked: Server, method: str, path: str, body: object
) -> None:
    without = server.client.request(method, path, json=body)
    for headers in (bearer(PHONE), bearer(ROBOT), bearer(BOSS), {"x-api-key": PHONE}):
        answer = locked.client.request(method, path, json=body, headers=headers)
        assert answer.status_code == without.status_code != 401
    for headers in (
        {},
        bearer(STRANGER),
        {"x-api-key": STRANGER},
        {"authorization": PHONE},
        {"cookie": f"key={PHONE}"},
    ):
        answer = locked.client.request(method, path, json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert set(answer.json()) == {"error", "code", "detail", "request_id"}
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["x-request-id"] == answer.json()["request_id"]


def test_keys_that_are_right_give_the_answer(locked: Server) -> None:
    """Two at once, so that one can follow the other without a gap."""
    for key in (PHONE, ROBOT):
        answer = locked.client.post("/v1/digits", json=SEVEN, headers=bearer(key))
        assert answer.json()["predictions"][0]["digit"] == 7
        fired = locked.client.post("/gate", json={"gate": "xor"} | ROWS, headers={"x-api-key": key})
        assert fired.json()["outputs"][0]["output"] == 1


def test_bentomls_own_client_hands_its_token_over(locked: Server, tmp_path: Path) -> None:
    code = (
        "import sys, bentoml\n"
        "with bentoml.SyncHTTPClient(sys.argv[1], token=sys.stdin.read()) as client:\n"
        "    print(client.gate(gate='xor', inputs=[[0, 1]])['outputs'][0]['output'])"
    )
    environment = os.environ | {"BENTOML_HOME": str(tmp_path), "BENTOML_DO_NOT_TRACK": "true"}
    for key, status, said in ((PHONE, 0, "1\n"), (STRANGER, 1, "")):
        command = [sys.executable, "-c", code, locked.url]
        done = subprocess.run(command, input=key, env=environment, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout) == (status, said), done.stderr


@pytest.mark.parametrize("path", OPEN)
def test_health_metrics_and_the_page_need_no_key(server: Server, locked: Server, path: str) -> None:
    for method in ("GET", "HEAD"):
        assert locked.client.request(method, path).status_code == server.client.request(method, path).status_code < 400
    assert locked.client.options(path).status_code == 401


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", "/v2/models/cnn/ready"])
def test_health_of_the_open_inference_door_is_not_refused_for_want_of_a_key(locked: Server, path: str) -> None:
    assert locked.client.get(path).status_code != 401


@pytest.mark.parametrize("path", ["/nothing", "/v1", "/v1/", "/.env", "/v2/nothing", "/livez/", "/ui/a/b"])
def test_who_has_no_key_learns_no_routes(locked: Server, path: str) -> None:
    for method in ("GET", "HEAD", "OPTIONS", "POST", "DELETE", "PATCH"):
        assert locked.client.request(method, path).status_code == 401
    assert locked.client.get(path, headers=bearer(PHONE)).status_code == 404
    assert locked.client.delete("/v1/digits").status_code == 401
    assert locked.client.delete("/v1/digits", headers=bearer(PHONE)).status_code == 405


def test_a_key_may_come_in_either_header_or_both(locked: Server) -> None:
    for headers in (bearer(STRANGER) | {"x-api-key": PHONE}, bearer(PHONE) | {"x-api-key": STRANGER}):
        assert locked.client.get("/v1/models", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "value",
    [b"Bearer", b"Basic eDp4", b"\xff\xfe", b"Bearer sch\xc3\xbcssel", b"Bearer " + b"x" * 30_000, b"x" * 30_000],
)
def test_what_is_no_key_is_refused_like_any_other(locked: Server, value: bytes) -> None:
    for name in (b"Authorization", b"X-API-Key"):
        answer = locked.client.get("/v1/models", headers=[(name, value)])
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert len(answer.content) < 500


def test_a_refusal_does_not_wait_for_the_body(locked: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", locked.port, timeout=5)
    connection.putrequest("POST", "/v1/digits")
    connection.putheader("content-type", "image/png")
    connection.putheader("content-length", "1000000")
    connection.endheaders()
    assert connection.getresponse().status == 401
    connection.close()


def test_a_connection_lives_on_after_a_refusal(locked: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", locked.port, timeout=5)
    for headers, status in (({}, 401), ({"X-API-Key": PHONE}, 415), ({}, 401), ({"X-API-Key": PHONE}, 415)):
        connection.request("POST", "/v1/digits", body=b"x" * 200_000, headers=headers | {"content-type": "text/plain"})
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (status, True)
    connection.close()


def test_refusals_are_counted_in_closed_sets(locked: Server) -> None:
    for index in range(5):
        locked.client.get(f"/nothing-{index}", headers=bearer(STRANGER))
    text = locked.client.get("/metrics").text
    refused = {
        re.sub(r'(method|status)="[^"]*",?', "", line.rpartition("}")[0])
        for line in text.splitlines()
        if line.startswith("axon_http_requests_total") and 'status="401"' in line
    }
    assert refused
    for line in refused:
        assert re.search(r'door="other",.*route="other"|door="bento",.*route="/\w+(\.json)?"', line), line


MANAGEMENT = [
    ("POST", LOAD),
    ("POST", "/v2/repository/models/cnn/unload"),
    ("PUT", "/v1/models/cnn/pin"),
    ("DELETE", "/v1/models/cnn/pin"),
    ("POST", "/v1/models/cnn/rollback"),
]


def manage(server: Server, method: str, path: str, headers: dict[str, str] | None = None) -> int:
    """With a model that nobody has, so that nothing is changed."""
    return server.client.request(method, path.replace("cnn", "nobody"), headers=headers).status_code


@pytest.mark.parametrize(("method", "path"), MANAGEMENT)
def test_management_takes_a_management_key(locked: Server, method: str, path: str) -> None:
    assert manage(locked, method, path) == 401
    assert manage(locked, method, path, bearer(STRANGER)) == 401
    assert manage(locked, method, path, bearer(PHONE)) == 403
    for headers in (bearer(BOSS), {"x-api-key": BOSS}, bearer(BOSS) | {"origin": "https://console.example"}):
        assert manage(locked, method, path, headers) not in (200, 401, 403)


@pytest.mark.parametrize(("method", "path"), MANAGEMENT)
def test_a_local_service_is_managed_from_its_host_but_by_no_page(server: Server, method: str, path: str) -> None:
    own = {"origin": server.url, "sec-fetch-site": "same-origin"}
    for headers in ({}, own, bearer(STRANGER)):
        assert manage(server, method, path, headers) not in (200, 401, 403)
    other_port = {"origin": "http://127.0.0.1:1", "sec-fetch-site": "same-site"}
    rebound = {"host": "evil.example", "origin": "http://evil.example", "sec-fetch-site": "same-origin"}
    proxied = {"x-forwarded-for": "192.0.2.7"}
    for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}, other_port, rebound, proxied):
        assert manage(server, method, path, headers) == 403


def test_a_service_for_all_is_managed_by_nobody_without_a_key(tmp_path: Path, models: Path) -> None:
    settings = {"AXON_HTTP__HOST": "0.0.0.0", "AXON_HTTP__WORKERS": "1", "AXON_MODELS__ROOT": str(models)}
    with serving(tmp_path / "log", **settings) as running:
        for method, path in MANAGEMENT:
            answer = running.client.request(method, path)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert running.client.post("/v1/digits", json=SEVEN).status_code == 200, "all else needs no key"


def test_no_page_of_another_origin_reads_an_answer(server: Server, locked: Server) -> None:
    asked = {"origin": "http://evil.example", "access-control-request-method": "PUT"}
    for one in (server, locked):
        for method, path in (("GET", "/v1/models"), ("OPTIONS", "/v1/models/cnn/pin"), ("OPTIONS", "/classify")):
            answer = one.client.request(method, path, headers=asked)
            assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_keys_are_neither_logged_nor_counted(tmp_path: Path, models: Path) -> None:
    log = tmp_path / "log"
    noisy = {"AXON_LOG__LEVEL": "DEBUG", "AXON_LOG__ACCESS_SAMPLE": "1", "AXON_HTTP__WORKERS": "1"}
    known = admitting((PHONE,), (BOSS,))
    trapped = {"images": [bundles.trapped(3).tolist()]}
    statuses = set()
    with serving(log, AXON_MODELS__ROOT=str(models), **noisy, **known) as running:
        for key in (PHONE, BOSS, STRANGER):
            for headers in (bearer(key), {"x-api-key": key}, {"authorization": key}):
                for method, path, body in [*DOORS, ("POST", "/v1/digits", trapped), ("POST", LOAD, None)]:
                    answer = running.client.request(method, path, json=body, headers=headers)
                    statuses.add(answer.status_code)
                    assert key not in answer.text
                running.client.post("/classify", json=trapped, headers=headers)
                running.client.post(
                    "/v1/digits", content=picture()[:99], headers=headers | {"content-type": "image/png"}
                )
                httpx.get(
                    f"{running.url}/v1/models", headers=headers | {"connection": "upgrade", "upgrade": "websocket"}
                )
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as raw:
            raw.sendall(f"GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization Bearer {PHONE}\r\n\r\n".encode())
            raw.recv(65536)
        counted = running.client.get("/metrics").text
        running.terminate()
        assert running.wait_for_exit() == 0
    assert {200, 401, 403, 500} <= statuses
    written = log.read_text(errors="replace")
    assert '"status":401' in written
    assert "Traceback" in written, "the 500 must have been logged with its cause"
    for key in (PHONE, BOSS, STRANGER):
        for secret in (key, key[5:], keys.hash_line(key).removeprefix(keys.SCHEME)):
            assert secret not in written
            assert secret not in counted


def test_a_key_in_the_place_of_its_hash_stops_the_start_and_is_not_repeated(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with serving(log, ready=False, AXON_ACCESS__KEYS=json.dumps({"mobile": PHONE})) as running:
        assert running.wait_for_exit() == 2
    assert "AXON_ACCESS__KEYS must be" in log.read_text()
    assert PHONE not in log.read_text()

"""No secret is in the repository, and none that a client or an operator hands over comes out of the service's log."""

import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import httpx
import pytest
from detect_secrets import SecretsCollection
from detect_secrets.settings import default_settings

from tests.malformed import CASES, JSON, MULTIPART, PNG, digits, form, picture
from tests.servers import REPOSITORY, Server, serving

CANARY = "canary5c1f0e"
HEADERS = {
    "authorization": f"Bearer {CANARY}",
    "cookie": f"session={CANARY}",
    "referer": f"http://127.0.0.1/{CANARY}",
    "traceparent": CANARY,
    "user-agent": CANARY,
    "x-api-key": CANARY,
    "x-request-id": f"{CANARY} is not plain, so not taken",
}
UPGRADE = {
    "connection": "upgrade",
    "upgrade": "websocket",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",  # of RFC 6455  # pragma: allowlist secret
    "sec-websocket-version": "13",
}
RAW = (
    f"GET /{CANARY} HTTP/1.1\r\nhost: x\r\nno colon {CANARY}\r\n\r\n",
    f"{CANARY}\r\n\r\n",
    f"POST /v1/digits?{CANARY} HTTP/1.1\r\nhost: x\r\ncontent-length: {CANARY}\r\n\r\n",
    f"POST /v1/digits HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{CANARY}\r\n",
    f"POST /classify HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{CANARY}",
)
EXPLAINED = re.compile(r"[0-9a-f]{64}|[0-9a-f]{40}")  # hashes of files and of commits, in manifests


def secrets(files: Iterable[Path]) -> list[str]:
    """Where something looks like a secret, as `file:line kind`."""
    found = SecretsCollection()
    with default_settings():
        for file in files:
            found.scan_file(str(file))
    return [
        f"{file}:{secret.line_number} {secret.type}"
        for file, secret in found
        if not (file.endswith("/manifest.json") and EXPLAINED.fullmatch(secret.secret_value or ""))
    ]


def test_no_tracked_file_holds_a_secret() -> None:
    if shutil.which("git") is None or not (REPOSITORY / ".git").exists():
        pytest.skip("git, or the repository's history, is not here to say which files are tracked")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    tracked = [REPOSITORY / name for name in listed.stdout.split("\0") if name and name != "uv.lock"]
    assert tracked
    assert secrets(path for path in tracked if path.is_file()) == []


@pytest.mark.parametrize(
    "planted",
    ["AWS = 'AKIA" + "Q7" * 8 + "'", "-----BEGIN RSA PRIVATE" + " KEY-----", "password" + " = 'correct-horse-9'"],
    ids=["cloud key", "private key", "password"],
)  # fmt: skip
def test_a_secret_would_be_found(planted: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.py"
    file.write_text(f"{planted}\n")
    assert [line.rpartition(":")[0] for line in secrets([file])] == [str(file)]


def test_headers_queries_paths_and_the_environment_are_not_logged(tmp_path: Path) -> None:
    def wrong_requests(running: Server) -> None:
        for case in CASES:
            path = case.path + ("&" if "?" in case.path else "?") + f"token={CANARY}"
            for place in (path, case.path):
                running.client.request(case.method, place, content=case.content, headers=HEADERS | dict(case.headers))
        for path in ("/", "/v1/digits", "/classify", f"/v1/models/{CANARY}", f"/v1/gates/{CANARY}", f"/{CANARY}"):
            running.client.get(f"{path}?token={CANARY}", headers=HEADERS)
            httpx.get(f"{running.url}{path}?token={CANARY}", headers=HEADERS | UPGRADE)  # a connection of its own
        running.client.post("/v1/digits", content=picture(), headers=PNG | {"x-request-timeout-ms": CANARY})

    assert CANARY not in logged(tmp_path / "log", wrong_requests)


def test_bodies_are_not_logged(tmp_path: Path) -> None:
    def wrong_requests(running: Server) -> None:
        for path in ("/v1/digits", "/classify", "/gate", "/v1/gates/xor"):
            for body in (digits([CANARY]), digits(CANARY), CANARY.encode(), f'{{"gate": "{CANARY}"}}'.encode()):
                running.client.post(path, content=body, headers=JSON)
        running.client.post("/gate", content=f'{{"gate": "{CANARY}", "inputs": [[0, 1]]}}'.encode(), headers=JSON)
        running.client.post("/v1/digits", content=picture() + CANARY.encode(), headers=PNG)
        running.client.post("/v1/digits", content=form(CANARY, picture()), headers=MULTIPART)

    assert CANARY not in logged(tmp_path / "log", wrong_requests)


def test_what_is_not_http_is_not_logged(tmp_path: Path) -> None:
    def noise(running: Server) -> None:
        for raw in RAW:
            with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
                connection.sendall(raw.encode())
                connection.shutdown(socket.SHUT_WR)
                connection.recv(65536)

    assert CANARY not in logged(tmp_path / "log", noise)


def logged(log: Path, talk: Callable[[Server], None]) -> str:
    """All that a server with secrets in its environment writes at its most talkative, from start to end."""
    noisy = {"AXON_LOG__LEVEL": "DEBUG", "AXON_LOG__ACCESS_SAMPLE": "1", "AXON_HTTP__DRAIN_S": "1"}
    with serving(log, **noisy, DATABASE_PASSWORD=CANARY, AWS_SECRET_ACCESS_KEY=CANARY) as running:
        talk(running)
        assert CANARY not in running.client.get("/metrics").text
        running.terminate()
        assert running.wait_for_exit() == 0
    text = log.read_text(errors="replace")
    assert '"route":"/metrics"' in text, "the log must have been at work"
    return text


def test_a_secret_under_a_name_that_is_no_setting_is_not_repeated(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with serving(log, ready=False, AXON_PASSWORD=CANARY) as running:
        assert running.wait_for_exit() == 2
    assert "AXON_PASSWORD is not a setting" in log.read_text()
    assert CANARY not in log.read_text()

import http.client
import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests import malformed
from tests.servers import REPOSITORY, Server, serving


@pytest.mark.parametrize("case", malformed.CASES, ids=lambda case: case.what)
def test_a_wrong_request_gets_a_clear_error_in_the_one_shape(server: Server, case: malformed.Case) -> None:
    answer = malformed.send(server.client, case)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (case.status, case.code), body
    assert set(body) == {"error", "code", "detail", "request_id"}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"] == body["request_id"]
    assert len(body["error"]) > 20, "a sentence, not a word"
    assert len(answer.content) < 3_000, "an error does not echo what it was sent"
    for leak in ("Traceback", "/site-packages", "object at 0x", "<class"):
        assert leak not in answer.text


def test_a_wrong_verb_is_told_every_right_one(server: Server) -> None:
    answer = server.client.put("/v1/gates/xor")
    assert answer.status_code == 405
    assert {method.strip() for method in answer.headers["allow"].split(",")} == {"GET", "HEAD", "POST"}


def test_a_form_field_that_is_no_file_keeps_its_bytes(server: Server) -> None:
    content = (REPOSITORY / "examples" / "seven.png").read_bytes()
    body = malformed.field("image", content)
    answer = server.client.post("/v1/digits", content=body, headers=malformed.MULTIPART)
    assert answer.json()["predictions"][0]["digit"] == 7


def test_large_pictures_hold_nobody_up(tmp_path: Path) -> None:
    """One worker, one request with twenty pictures of 36 megapixels: others are answered while they are decoded."""
    large = io.BytesIO()
    Image.new("L", (6000, 6000), 255).save(large, "PNG")
    files = [("image", ("x.png", large.getvalue(), "image/png"))] * 20
    with serving(tmp_path / "log", AXON_HTTP__WORKERS="1") as running, ThreadPoolExecutor(1) as pool:
        pictures = pool.submit(httpx.post, running.url + "/v1/digits", files=files, timeout=60)
        waits = []
        while not pictures.done():
            waits.append(running.client.get("/livez").elapsed.total_seconds())
        assert pictures.result().status_code == 200
        taken = pictures.result().elapsed.total_seconds()
    assert max(waits) < taken / 3, f"somebody waited {max(waits):.2f} s of the {taken:.2f} s that the pictures took"


def test_the_client_may_name_its_request(server: Server) -> None:
    assert server.client.get("/x", headers={"x-request-id": "order-66"}).json()["request_id"] == "order-66"
    for unusable in ("a b", "x" * 129, 'a"b'):
        named = server.client.get("/x", headers={"x-request-id": unusable}).json()["request_id"]
        assert len(named) == 16
        assert named != unusable


def test_a_body_that_grows_past_the_bound_is_cut_off(server: Server) -> None:
    def endless() -> object:
        for _ in range(12):
            yield b"x" * 1_000_000

    for path, kind in (("/v1/digits", "image/png"), ("/classify", "application/json")):
        answer = httpx.post(server.url + path, content=endless(), headers={"content-type": kind}, timeout=30)
        assert answer.status_code == 413
        assert answer.json()["code"] == "too_large"


def test_a_body_that_never_comes_ends_at_the_deadline(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    promised = {"content-type": "image/png", "content-length": "100", "x-request-timeout-ms": "50"}
    connection.request("POST", "/v1/digits", headers=promised)
    answer = connection.getresponse()
    assert answer.status == 504
    assert json.load(answer)["code"] == "deadline_exceeded"
    connection.close()

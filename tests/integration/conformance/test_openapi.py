"""What the OpenAPI document promises, the real server keeps: hundreds of requests made from it, right and wrong."""

import http.client
import math
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import httpx
import pytest
import schemathesis
from schemathesis import Case
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.openapi.checks import UndefinedStatusCode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from service.doors import document
from tests.servers import Server, serving

EXAMPLES = 25  # a route, besides those that try each keyword of its schemas
DEADLINE = "X-Request-Timeout-Ms"
# A schema cannot say which text is a picture, nor which tensors a model takes.
UNSAID = ("/v1/digits", "/v1/numbers", "/infer")
CONFIG = SchemathesisConfig.from_dict(
    {
        "dictionaries": {
            "models": {"values": ["cnn", "rnn", "line", "gate-xor"]},
            "gates": {"values": ["and", "xor"]},
            "deadlines": {"values": [5_000, 60_000]},
            "encodings": {"values": ["identity"]},  # what is made for the others is never compressed
        },
        "parameters": {
            "path.name": {"dictionary": "models", "probability": 0.5},
            "path.gate": {"dictionary": "gates", "probability": 0.5},
            "query.model": {"dictionary": "models", "probability": 0.5},
            f"header.{DEADLINE}": {"dictionary": "deadlines", "probability": 0.9},
            "header.Content-Encoding": {"dictionary": "encodings", "probability": 0.9},
        },
        "generation": {"max-examples": EXAMPLES, "deterministic": True, "database": "none"},
        "checks": {
            "not_a_server_error": {"expected-statuses": ["2xx", "4xx", 504]},
            "positive_data_acceptance": {"expected-statuses": ["2xx", 404, 422, 429, 504]},
        },
    }
)
schemathesis.serializer.alias(["image/bmp", "image/tiff"], "image/png")  # it knows the other formats
DOCUMENT = schemathesis.openapi.from_dict(document.describe(), config=CONFIG)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of their own: what others count is not disturbed."""
    with serving(tmp_path_factory.mktemp("fuzzed") / "log", AXON_HTTP__WORKERS="1") as running:
        yield running


def test_the_document_that_is_served_is_the_one_tried_here(fuzzed: Server) -> None:
    assert fuzzed.client.get("/openapi.json").json() == document.describe()


@DOCUMENT.parametrize()
def test_the_server_does_what_the_document_says(case: Case, fuzzed: Server) -> None:
    """No 5xx, no status, header, media type or shape but those of the document, in answers and in errors alike."""
    unsaid = [positive_data_acceptance] if case.operation.path.endswith(UNSAID) else []
    answer = case.call_and_validate(base_url=fuzzed.url, excluded_checks=unsaid)
    assert answer.status_code != 504 or DEADLINE in case.headers, "only a deadline that was set may pass"


@pytest.mark.parametrize("is_binary", [False, True], ids=["json", "binary"])
@pytest.mark.parametrize(("model", "row", "rows"), [("gate-xor", [2], 150), ("cnn", [28, 28], 30)])
def test_what_inference_answers_is_what_the_document_says(
    server: Server, model: str, row: list[int], rows: int, is_binary: bool
) -> None:
    """Nearly all that is made from the schema is refused, for want of a tensor's name and shape."""
    datatype, name = ("FP32", "inputs") if model == "gate-xor" else ("UINT8", "images")
    tensor = {"name": name, "shape": [rows, *row], "datatype": datatype, "data": [0] * rows * math.prod(row)}
    case = DOCUMENT["/v2/models/{name}/infer"]["POST"].Case(
        path_parameters={"name": model},
        headers={"Accept-Encoding": "gzip"},
        body={"inputs": [tensor], "parameters": {"binary_data_output": is_binary}},
        media_type="application/json",
    )
    answer = case.call_and_validate(base_url=server.url)
    assert answer.status_code == 200
    assert answer.headers["content-encoding"] == ["gzip"]
    assert ("inference-header-content-length" in answer.headers) is is_binary


OPERATIONS = [
    (method.upper(), path, operation)
    for path, operations in document.describe()["paths"].items()
    for method, operation in operations.items()
]
EACH = pytest.mark.parametrize(
    ("method", "path", "operation"), OPERATIONS, ids=[f"{one} {two}" for one, two, _ in OPERATIONS]
)
NOBODY = {"name": "nobody", "gate": "nobody", "version": "1"}
SOMEBODY = {"name": "gate-xor", "gate": "xor", "version": "1"}
WRONG: list[dict[str, Any]] = [
    {"params": {"nothing": "1"}},
    {"params": {"model": "nobody"}},
    {"headers": {DEADLINE: "0"}},
    {"headers": {DEADLINE: "0.000001"}},
    {"content": b"{", "headers": {"content-type": "application/json"}},
    {"content": b"{", "headers": {"content-type": "text/plain", "content-encoding": "br"}},
    {"json": {"version": 1}},
    {"json": {"inputs": [[0, 1]]}},
]
TRIED = {"400", "404", "413", "415"}  # what these requests, and one that is too long, are refused with


def statuses(server: Server, method: str, path: str, names: dict[str, str]) -> set[str]:
    """What is answered to every wrong request."""
    answers = {server.client.request(method, path.format(**names), **wrong).status_code for wrong in WRONG}
    return {str(status) for status in (*answers, too_long(server, method, path.format(**names)))}


def too_long(server: Server, method: str, path: str) -> int:
    """The answer to a body that is never sent."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        connection.putrequest(method, path)
        connection.putheader("Content-Length", "10000001")
        connection.endheaders()
        return connection.getresponse().status


@EACH
def test_each_operation_has_the_errors_of_its_own_and_no_others(
    server: Server, method: str, path: str, operation: dict[str, Any]
) -> None:
    """What is managed here is a model that is not there, so that nothing changes."""
    documented = set(operation["responses"])
    got = statuses(server, method, path, NOBODY)
    if "403" not in documented:
        got |= statuses(server, method, path, SOMEBODY)
    assert got <= documented
    assert got & TRIED == documented & TRIED


@EACH
def test_a_status_that_is_not_documented_is_found(method: str, path: str, operation: dict[str, Any]) -> None:
    """What Schemathesis says where an operation answers what the document gives to others alone."""
    others = {status for _, _, other in OPERATIONS for status in other["responses"]} - set(operation["responses"])
    request = httpx.Request(method, "http://localhost" + path)
    for status in others | {"418"}:
        answer = httpx.Response(int(status), request=request, json={"error": "", "code": "", "detail": []})
        answer.elapsed = timedelta(0)
        with pytest.raises(FailureGroup) as found:
            DOCUMENT[path][method].Case(path_parameters=SOMEBODY).validate_response(answer)
        assert any(isinstance(each, UndefinedStatusCode) for each in found.value.exceptions)

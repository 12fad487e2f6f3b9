"""What the OpenAPI document promises, the real server keeps: hundreds of requests made from it, right and wrong."""

from collections.abc import Iterator

import pytest
import schemathesis
from schemathesis import Case
from schemathesis.config import SchemathesisConfig
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
        },
        "parameters": {
            "path.name": {"dictionary": "models", "probability": 0.5},
            "path.gate": {"dictionary": "gates", "probability": 0.5},
            "query.model": {"dictionary": "models", "probability": 0.5},
            f"header.{DEADLINE}": {"dictionary": "deadlines", "probability": 0.9},
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

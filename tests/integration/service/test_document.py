import re
from types import SimpleNamespace

import httpx
import pytest
from pydantic import TypeAdapter

from service import schemas
from service.doors import document, open_inference
from service.doors.access import MANAGED, READS, is_open
from service.doors.open_inference import schemas as told
from service.settings import Settings
from tests.servers import REPOSITORY, Server
from training import strokes


def test_every_route_is_described(server: Server) -> None:
    described = set(server.client.get("/openapi.json").json()["paths"])
    source = (REPOSITORY / "service" / "doors" / "rest" / "__init__.py").read_text()
    routes = set(re.findall(r'Route\("(/[^"]*)"', source))
    routes |= {route.path for route in open_inference.routes(SimpleNamespace(catalog=None), None, None, Settings())}
    assert routes - described == {"/", "/docs", "/openapi.json", "/ui", "/ui/", "/ui/{file}"}
    assert described <= routes


def test_the_page_asks_no_other_host(server: Server) -> None:
    page = server.client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert not re.findall(r"https?://|src=|@import", page.text)


IMAGE = {"images": [strokes.draw_many(1, seed=0)[0][0].tolist()]}


@pytest.mark.parametrize(
    ("method", "path", "body", "schema"),
    [
        ("POST", "/v1/digits", IMAGE, schemas.DigitsAnswer),
        ("POST", "/v1/digits?explain=true", IMAGE, schemas.DigitsAnswer),
        ("GET", "/v1/gates", None, schemas.Gates),
        ("GET", "/v1/gates/xor", None, schemas.GateDetails),
        ("POST", "/v1/gates/xor", {"inputs": [[0, 1]]}, schemas.GateAnswer),
        ("GET", "/v1/models", None, schemas.Listings),
        ("GET", "/v1/models/cnn", None, schemas.ListingWithManifest),
        ("GET", "/nothing", None, schemas.Error),
        ("GET", "/v2/models/cnn/config", None, told.ModelConfiguration),
        ("GET", "/v2/models/gate-xor/config", None, told.ModelConfiguration),
        ("GET", "/v2/models/stats", None, told.ModelStatistics),
    ],
)
def test_answers_are_what_the_document_says(server: Server, method: str, path: str, body: object, schema: type) -> None:
    answer: httpx.Response = server.client.request(method, path, json=body)
    TypeAdapter(schema).validate_json(answer.content)


def test_the_document_is_closed() -> None:
    text = str(document.describe())
    references = set(re.findall(r"#/components/schemas/(\w+)", text))
    assert references <= set(document.describe()["components"]["schemas"])


def test_the_document_says_which_routes_take_a_key() -> None:
    described = document.describe()
    schemes = described["components"]["securitySchemes"]
    assert [set(way) for way in described["security"]] == [set(), *({name} for name in schemes)]
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            scope = {"path": path, "method": method.upper()}
            assert ("security" in operation) == is_open(scope), path
            assert operation.get("security", []) == []
            is_managed = path.startswith(MANAGED) and method.upper() not in READS
            assert ("401" in operation["responses"]) == (not is_open(scope)), path
            assert ("403" in operation["responses"]) == is_managed, path


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("get", "/v2/health/live", {"200", "413", "500"}),
        ("get", "/v2/models/{name}", {"200", "401", "404", "413", "500", "503"}),
        (
            "post",
            "/v2/models/{name}/infer",
            {"200", "400", "401", "404", "413", "415", "429", "500", "503", "504"},
        ),
        (
            "post",
            "/v2/repository/models/{name}/load",
            {"200", "400", "401", "403", "404", "413", "422", "429", "500", "503", "504"},
        ),
    ],
)
def test_an_operation_has_no_errors_but_its_own(method: str, path: str, statuses: set[str]) -> None:
    """Liveness is never 422: whoever documents every error everywhere would not notice it."""
    assert set(document.describe()["paths"][path][method]["responses"]) == statuses


def test_inference_says_which_headers_it_takes_and_gives() -> None:
    infer = document.describe()["paths"]["/v2/models/{name}/infer"]["post"]
    taken = {each["name"] for each in infer["parameters"] if each["in"] == "header"}
    encodings = {"Content-Encoding", "Accept-Encoding"}
    assert taken == {"X-Request-Timeout-Ms", "Inference-Header-Content-Length", *encodings}
    assert set(infer["responses"]["200"]["headers"]) == {"Inference-Header-Content-Length", "Content-Encoding"}


STATISTICS = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss")


def test_statistics_are_described_to_the_last_number() -> None:
    described = document.describe()["components"]["schemas"]
    assert set(described["InferenceStatistics"]["required"]) == set(STATISTICS)
    assert set(described["Duration"]["required"]) == {"count", "ns"}
    configured = described["ModelConfiguration"]["properties"]
    assert {str(configured[name]["items"]) for name in ("input", "output")} == {
        "{'$ref': '#/components/schemas/ConfiguredTensor'}"
    }

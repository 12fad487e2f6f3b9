"""Requests of tritonclient, to the byte as it sends them, before the door itself, without the client.

tests/integration/conformance/golden.py captured them; test_golden.py beside it says that they are still what is sent.
"""

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from service.doors.open_inference.request import Question, Wanted, decompress, parse, split
from service.doors.open_inference.tensors import Tensor, numbers, texts
from tests import bundles
from tests.unit.service.golden import asyncio as on_asyncio
from tests.unit.service.golden import sync
from tests.unit.service.golden.door import LENGTH, Door, Reader

CAPTURED = {"sync": sync.REQUESTS, "asyncio": on_asyncio.REQUESTS}


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """The event loop of the door."""
    with asyncio.Runner() as running:
        yield running


@pytest.fixture(scope="module")
def door(runner: asyncio.Runner, published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """Open while the module's tests run."""

    async def open_door() -> Door:
        return Door(published, tmp_path_factory.mktemp("models"))

    opened = runner.run(open_door())
    yield opened
    runner.run(opened.close())


@pytest.fixture(params=CAPTURED)
def golden(request: pytest.FixtureRequest) -> dict[str, bytes]:
    """What one of the clients sends, by name."""
    return CAPTURED[request.param]


UNKNOWN = "Request for unknown model"
TOLD: dict[str, tuple[str, dict[str, Any]]] = {
    "live": ("GET /v2/health/live", {"live": True}),
    "ready": ("GET /v2/health/ready", {"ready": True, "live": True}),
    "model-ready": ("GET /v2/models/cnn/ready", {"name": "cnn", "ready": True}),
    "version-ready": ("GET /v2/models/cnn/versions/1/ready", {"name": "cnn", "ready": True}),
    "server": ("GET /v2", {"name": "axon"}),
    "metadata": ("GET /v2/models/gate-xor", {"inputs": [{"name": "inputs", "datatype": "FP32", "shape": [-1, 2]}]}),
    "version-metadata": ("GET /v2/models/cnn/versions/1", {"name": "cnn", "versions": ["1"]}),
    "query": ("GET /v2/models/cnn?tenant=x+y%26z", {"name": "cnn"}),
    "config": ("GET /v2/models/gate-xor/config", {"name": "gate-xor", "max_batch_size": 1024}),
    "version-config": ("GET /v2/models/cnn/versions/1/config", {"name": "cnn"}),
    "load": ("POST /v2/repository/models/gate-xor/load", {}),
    "unload": ("POST /v2/repository/models/gate-xor/unload", {}),
}


@pytest.mark.parametrize("name", TOLD)
def test_a_question_is_answered(runner: asyncio.Runner, door: Door, golden: dict[str, bytes], name: str) -> None:
    line, expected = TOLD[name]
    assert golden[name].startswith(f"{line} HTTP/1.1\r\n".encode())
    status, headers, document, _ = runner.run(door.ask(golden[name]))
    assert status == 200
    assert document | expected == document
    assert "content-encoding" not in headers, "the asyncio client asks for it always, and could not read it"


def test_orders_reach_the_management(runner: asyncio.Runner, door: Door, golden: dict[str, bytes]) -> None:
    door.orders.given.clear()
    assert [runner.run(door.ask(golden[name])).status for name in ("load", "unload")] == [200, 200]
    assert door.orders.given == [("load", "gate-xor"), ("unload", "gate-xor")]


def test_the_index_needs_no_body(runner: asyncio.Runner, door: Door, golden: dict[str, bytes]) -> None:
    assert Reader(golden["index"]).sent.body == b""
    listed = runner.run(door.ask(golden["index"])).document
    assert [(each["name"], each["version"], each["state"]) for each in listed] == [
        ("cnn", "1", "READY"),
        ("gate-xor", "1", "READY"),
    ]


@pytest.mark.parametrize(("name", "versions"), [("stats", {"cnn", "gate-xor"}), ("version-stats", {"gate-xor"})])
def test_statistics_are_of_what_is_asked_for(
    runner: asyncio.Runner, door: Door, golden: dict[str, bytes], name: str, versions: set[str]
) -> None:
    counted = runner.run(door.ask(golden[name])).document["model_stats"]
    assert {each["name"] for each in counted} == versions


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("odd-name", 404, f"{UNKNOWN}: there is no model 'a b%?#é'"),
        ("load-config", 400, "'config' cannot be given"),
        ("infer-mixed", 400, "'inputs' is given 2 times"),
    ],
)
def test_what_is_refused_is_told_why(
    runner: asyncio.Runner, door: Door, golden: dict[str, bytes], name: str, status: int, said: str
) -> None:
    answer = runner.run(door.ask(golden[name]))
    assert (answer.status, said in answer.document["error"]) == (status, True), answer.document


ALL = Question(None, [], [], is_binary=True, timeout_s=None, priority=2)
PROBABILITIES, OUTPUTS = Wanted("probabilities", True, 0), Wanted("outputs", False, 0)
ROW = ("inputs", "FP32", (1, 2), [[0.0, 1.0]])
IMAGE = ("images", "UINT8", (1, 28, 28), [bundles.image_of(7).tolist()])
PICTURE = ("images", "BYTES", (1,), [(12, 12)])
ASKED: dict[str, tuple[Question, list[tuple]]] = {
    "infer": (ALL, [ROW]),
    "infer-version": (ALL, [ROW]),
    "infer-id": (ALL._replace(id="42"), [ROW]),
    "infer-json": (ALL, [ROW]),
    "infer-json-json": (ALL._replace(wanted=[OUTPUTS], is_binary=False), [ROW]),
    "infer-outputs": (ALL._replace(wanted=[OUTPUTS, PROBABILITIES], is_binary=False), [ROW]),
    "infer-mixed": (ALL, [ROW, ROW]),
    "infer-scheduled": (ALL._replace(timeout_s=1.5, priority=1), [ROW]),
    "infer-sequence": (ALL, [ROW]),
    "infer-classes": (ALL._replace(wanted=[PROBABILITIES._replace(classes=2)], is_binary=False), [PICTURE]),
    "infer-picture-json": (ALL, [PICTURE]),
    "infer-gzip": (ALL, [IMAGE]),
    "infer-deflate": (ALL, [IMAGE]),
}


def content(given: Tensor) -> list:
    """The numbers of a tensor, or how wide and high its pictures are."""
    if given.datatype == "BYTES":
        return [Image.open(io.BytesIO(file)).size for file in texts(given)]
    return numbers(given).tolist()


@pytest.mark.parametrize("name", ASKED)
def test_inference_asks_what_was_meant(golden: dict[str, bytes], name: str) -> None:
    """By the door's own parts, one after the other."""
    sent = Reader(golden[name]).sent
    body = decompress(sent.body, sent.headers.get("content-encoding", ""), 10_000)
    question = parse(*split(body, sent.headers.get(LENGTH, "")))
    asked, tensors = ASKED[name]
    assert question._replace(inputs=[]) == asked
    assert [(*given[:3], content(given)) for given in question.inputs] == tensors


@pytest.mark.parametrize("name", ["infer-gzip", "infer-deflate"])
def test_a_compressed_request_says_how_long_its_json_was(golden: dict[str, bytes], name: str) -> None:
    sent = Reader(golden[name]).sent
    assert int(sent.headers[LENGTH]) > len(sent.body), "so it is split after it is unpacked"


BINARY, JSON = True, False
GIVEN: dict[str, dict[str, bool]] = {
    "infer": {"probabilities": BINARY, "outputs": BINARY},
    "infer-version": {"probabilities": BINARY, "outputs": BINARY},
    "infer-id": {"probabilities": BINARY, "outputs": BINARY},
    "infer-json": {"probabilities": BINARY, "outputs": BINARY},
    "infer-json-json": {"outputs": JSON},
    "infer-outputs": {"outputs": JSON, "probabilities": BINARY},
    "infer-scheduled": {"probabilities": BINARY, "outputs": BINARY},
    "infer-sequence": {"probabilities": BINARY, "outputs": BINARY},
    "infer-classes": {"probabilities": BINARY},
    "infer-picture-json": {"probabilities": BINARY, "digits": BINARY},
    "infer-gzip": {"probabilities": BINARY, "digits": BINARY},
    "infer-deflate": {"probabilities": BINARY, "digits": BINARY},
}


@pytest.mark.parametrize("name", GIVEN)
def test_inference_is_answered_as_it_was_asked(
    runner: asyncio.Runner, door: Door, golden: dict[str, bytes], name: str
) -> None:
    """0 xor 1 is 1, and the fake reader reads the image as 7."""
    status, _, document, tensors = runner.run(door.ask(golden[name]))
    assert status == 200, document
    assert document.get("id") == ASKED[name][0].id
    given = [(output["name"], "data" not in output) for output in document["outputs"]]
    assert given == list(GIVEN[name].items())
    assert tensors.get("outputs", [1]) == [1]
    if ASKED[name][1] == [IMAGE]:
        assert tensors["digits"] == [7]


def test_classes_come_as_text(runner: asyncio.Runner, door: Door, golden: dict[str, bytes]) -> None:
    answer = runner.run(door.ask(golden["infer-classes"]))
    assert answer.document["outputs"][0]["shape"] == [1, 2]
    assert [len(each.split(b":")) for each in answer.tensors["probabilities"]] == [3, 3], "value, index and label"


def test_every_golden_request_is_tried(golden: dict[str, bytes]) -> None:
    tried = {*TOLD, *ASKED, "index", "stats", "version-stats", "odd-name", "load-config"}
    assert set(golden) == tried

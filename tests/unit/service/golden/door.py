"""The Open Inference door in this process, for requests as they come from a socket.

A request is read by the server's own parser; the models are the fake reader, as `cnn`, and the published `gate-xor`.
"""

from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import httptools
import numpy as np
import orjson

from models.repository import Repository
from service.doors import open_inference
from service.doors.front import REQUEST_ID
from service.doors.pictures import Pictures
from service.doors.routes import Routes
from service.errors import AxonError
from service.inference.catalog import Catalog
from service.inference.loader import Loader
from service.inference.pipeline import Pipeline
from service.inference.rollout import Rollout
from service.settings import Settings
from tests import bundles, trials

LENGTH = "inference-header-content-length"
TYPES = {"FP32": "<f4", "INT64": "<i8"}


class Sent(NamedTuple):
    """A request as the server's parser reads it."""

    method: str
    target: bytes
    headers: dict[str, str]
    body: bytes


class Reader:
    """Called by the parser."""

    def __init__(self, request: bytes) -> None:
        self.target, self.headers, self.body, self.is_whole = b"", {}, b"", False
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(request)
        assert self.is_whole, "the body is shorter than its head says"
        self.sent = Sent(parser.get_method().decode(), self.target, self.headers, self.body)

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.is_whole = True


class Answer(NamedTuple):
    """What the door says: JSON, and tensors wherever they are in the answer."""

    status: int
    headers: dict[str, str]
    document: Any
    tensors: dict[str, list]


class KeptOrders:
    """Management that carries out nothing."""

    def __init__(self) -> None:
        self.given: list[tuple[str, str]] = []

    async def load(self, name: str) -> None:
        self.given.append(("load", name))

    async def unload(self, name: str) -> None:
        self.given.append(("unload", name))


class Door:
    """The routes of the door, as a worker has them."""

    def __init__(self, published: Path, root: Path) -> None:
        settings, self.orders = Settings(), KeptOrders()
        bundles.publish(root, "cnn")
        shelves = {"cnn": root, "gate-xor": published}
        self._catalog = Catalog(("cnn",), heartbeat_s=600)
        entries = [Loader(Repository(shelf), settings.inference, 1).load(name, 1) for name, shelf in shelves.items()]
        self._catalog.replace(entries, dict.fromkeys(shelves, 1))
        pipeline = Pipeline(self._catalog, Rollout(self._catalog, settings.rollout, trials.KeptOrders()))
        self._pictures = Pictures(settings.imaging.max_pixels)
        self._routes = Routes(open_inference.routes(pipeline, self._pictures, self.orders, settings))

    async def ask(self, request: bytes) -> Answer:
        """Answers what a client sent."""
        sent, said = Reader(request).sent, []
        path, _, query = sent.target.partition(b"?")
        headers = [(name.encode(), value.encode()) for name, value in sent.headers.items()]
        scope = {"type": "http", "method": sent.method, "path": unquote(path.decode()), "root_path": ""}
        scope |= {"query_string": query, "headers": headers, "state": {REQUEST_ID: "golden"}}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": sent.body}

        async def send(message: dict[str, Any]) -> None:
            said.append(message)

        try:
            await self._routes(scope, receive, send)
        except AxonError as error:  # which the front door would render
            return Answer(error.status, {}, orjson.loads(error.body("golden")), {})
        return unpacked(said)

    async def close(self) -> None:
        """Ends the threads."""
        await self._catalog.close(1)
        self._pictures.close()


def unpacked(said: list[dict[str, Any]]) -> Answer:
    """An answer from its messages."""
    headers = {name.decode(): value.decode() for name, value in said[0]["headers"]}
    body = b"".join(message["body"] for message in said[1:])
    assert len(body) == int(headers["content-length"])
    length = int(headers.get(LENGTH, len(body)))
    document, place, tensors = orjson.loads(body[:length]), length, {}
    for output in document.get("outputs", []) if isinstance(document, dict) else []:
        size = output.get("parameters", {}).get("binary_data_size", 0)
        binary, place = body[place : place + size], place + size
        tensors[output["name"]] = output["data"] if "data" in output else values(output["datatype"], binary)
    assert place == len(body)
    return Answer(said[0]["status"], headers, document, tensors)


def values(datatype: str, binary: bytes) -> list:
    """The elements of a binary tensor."""
    if datatype in TYPES:
        return np.frombuffer(binary, TYPES[datatype]).tolist()
    elements = []
    while binary:
        size = int.from_bytes(binary[:4], "little")
        elements, binary = [*elements, binary[4 : 4 + size]], binary[4 + size :]
    return elements

"""What tritonclient sends, whole and as it is, taken from a plain socket: the golden requests of the unit tests.

`python -m tests.integration.conformance.golden` writes them anew into tests/unit/service/golden.
"""

import base64
import re
import socketserver
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from tritonclient.http import InferInput, InferRequestedOutput

from tests import bundles
from tests.integration.conformance.triton import CLIENTS, Client, tensor
from tests.servers import REPOSITORY

ROOM = REPOSITORY / "tests" / "unit" / "service" / "golden"
PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x0c\x00\x00\x00\x0c\x01\x00\x00\x00\x00~\x0eaJ\x00\x00\x00'IDATx"
    b"\xda\x05\xc1\x01\x11\x00 \x08\x00\xb1\xe7\x8f\x1eT\xb6\xa2\x114\x00\xb0\xc5<!\xef\xb1\x88\xfe\x82\x83`#\x98\x08"
    b"\x0b\xb8\xc5\x07\x8a>\x811\xf8\x00\x00\x00\x00IEND\xaeB`\x82"
)  # 12x12, a seven
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
HOST = b"127.0.0.1:3000"  # in the fixtures, whatever the port was
PIECE = 24  # bytes of a tensor in a line
WIDE = 100  # bytes of JSON in a line


class Call(NamedTuple):
    """A method of both clients, and what it is given."""

    method: str
    arguments: tuple[Any, ...] = ()
    options: Mapping[str, Any] = MappingProxyType({})


def wanted(name: str, *, binary: bool, classes: int = 0) -> InferRequestedOutput:
    return InferRequestedOutput(name, binary_data=binary, class_count=classes)


def row(*, binary: bool = True) -> InferInput:
    """A row of a gate."""
    return tensor("inputs", np.array([[0, 1]], np.float32), binary=binary)


def image() -> InferInput:
    """An image that the fake reader reads as 7."""
    return tensor("images", np.stack([bundles.image_of(7)]))


def infer(model: str, given: InferInput | list[InferInput], **options: Any) -> Call:
    return Call("infer", (model, given if isinstance(given, list) else [given]), options)


def calls() -> dict[str, Call]:
    """Everything that is captured, by the name of its fixture; made anew, for the clients write into their options."""
    return {
        "live": Call("is_server_live"),
        "ready": Call("is_server_ready"),
        "model-ready": Call("is_model_ready", ("cnn",)),
        "version-ready": Call("is_model_ready", ("cnn", "1")),
        "server": Call("get_server_metadata"),
        "metadata": Call("get_model_metadata", ("gate-xor",)),
        "version-metadata": Call("get_model_metadata", ("cnn", "1")),
        "query": Call(
            "get_model_metadata", ("cnn",), {"query_params": {"tenant": "x y&z"}, "headers": {"X-Mine": "1"}}
        ),
        "odd-name": Call("get_model_metadata", ("a b%?#é",)),
        "config": Call("get_model_config", ("gate-xor",)),
        "version-config": Call("get_model_config", ("cnn", "1")),
        "index": Call("get_model_repository_index"),
        "load": Call("load_model", ("gate-xor",)),
        "load-config": Call("load_model", ("gate-xor",), {"config": "{}", "files": {"file:1/model.onnx": b"anything"}}),
        "unload": Call("unload_model", ("gate-xor",)),
        "stats": Call("get_inference_statistics"),
        "version-stats": Call("get_inference_statistics", ("gate-xor", "1")),
        **inferences(),
    }


def inferences() -> dict[str, Call]:
    """Inference, in all that a client may choose."""
    mixed = [wanted("outputs", binary=False), wanted("probabilities", binary=True)]
    classes = [wanted("probabilities", binary=True, classes=2)]
    scheduled = {"priority": 1, "timeout": 1_500_000, "parameters": {"mine": "x"}}
    picture, text = (np.array([file], np.object_) for file in (PNG, base64.b64encode(PNG)))
    return {
        "infer": infer("gate-xor", row()),
        "infer-version": infer("gate-xor", row(), model_version="1"),
        "infer-id": infer("gate-xor", row(), request_id="42"),
        "infer-json": infer("gate-xor", row(binary=False)),
        "infer-json-json": infer("gate-xor", row(binary=False), outputs=[wanted("outputs", binary=False)]),
        "infer-outputs": infer("gate-xor", row(), outputs=mixed),
        "infer-mixed": infer("gate-xor", [row(binary=False), row()]),
        "infer-scheduled": infer("gate-xor", row(), **scheduled),
        "infer-sequence": infer("gate-xor", row(), sequence_id=7, sequence_start=True),
        "infer-classes": infer("cnn", tensor("images", picture), outputs=classes),
        "infer-picture-json": infer("cnn", tensor("images", text, binary=False)),
        **{f"infer-{way}": infer("cnn", image(), **compressed(way)) for way in ("gzip", "deflate")},
    }


def compressed(way: str) -> dict[str, Any]:
    return {"request_compression_algorithm": way, "response_compression_algorithm": way}


class Recorder(socketserver.StreamRequestHandler):
    """Keeps a request as it came."""

    def handle(self) -> None:
        head = b"".join(iter(self.rfile.readline, b"\r\n")) + b"\r\n"
        length = re.search(rb"(?i)^content-length: (\d+)\r$", head, re.MULTILINE)
        self.server.requests.append(head + self.rfile.read(int(length[1]) if length else 0))
        self.wfile.write(ANSWER)


@contextmanager
def recording() -> Iterator[socketserver.TCPServer]:
    """A server that answers everybody alike; `requests` are what it was sent."""
    with socketserver.TCPServer(("127.0.0.1", 0), Recorder) as server:
        server.requests = []
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def capture(kind: type[Client]) -> dict[str, bytes]:
    """What a client sends for each of the calls."""
    sent = {}
    with recording() as server:
        for name, (method, arguments, options) in calls().items():
            with closing(kind(f"127.0.0.1:{server.server_address[1]}")) as client:
                getattr(client, method)(*arguments, **options)
            [request] = server.requests
            server.requests.clear()
            sent[name] = re.sub(rb"(?i)(\r\nhost: )[^\r]*", rb"\g<1>" + HOST, request, count=1)
    return sent


def essence(request: bytes) -> tuple[list[bytes], bytes]:
    """The head without names and versions of the machine, and the body; one that is compressed, as it was before."""
    head, _, body = request.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not re.match(rb"(?i)(host|user-agent):", line)]
    if not re.search(rb"(?i)\r\ncontent-encoding:", head):
        return lines, body
    # Another zlib packs otherwise, and gzip writes the time into it.
    lines = [line for line in lines if not re.match(rb"(?i)content-length:", line)]
    return lines, zlib.decompress(body, zlib.MAX_WBITS | 32)


def write(kind: str, requests: dict[str, bytes]) -> Path:
    """Writes what was captured as a module of bytes."""
    file = ROOM / f"{kind}.py"
    client = f"tritonclient {version('tritonclient')} ({kind})"
    entries = (f'"{name}": (\n{literals(request)}),\n' for name, request in requests.items())
    said = f"What {client} sends, as tests/integration/conformance/golden.py saw it."
    file.write_text(f'"""{said}"""\n\nREQUESTS = {{\n{"".join(entries)}}}\n')
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", str(file)], check=True)
    return file


def literals(request: bytes) -> str:
    """Bytes as lines of Python: each header, JSON and tensors for themselves."""
    head, _, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ninference-header-content-length: (\d+)", head)
    is_compressed = re.search(rb"(?i)\r\ncontent-encoding:", head)
    split = 0 if is_compressed else int(length[1]) if length else len(body)
    pieces = [line + b"\r\n" for line in [*head.split(b"\r\n"), b""]]
    pieces += [body[place : min(place + WIDE, split)] for place in range(0, split, WIDE)]
    pieces += [body[place : place + PIECE] for place in range(split, len(body), PIECE)]
    return "".join(f"{piece!r}\n" for piece in pieces)


if __name__ == "__main__":
    for name, kind in CLIENTS.items():
        print(write(name, capture(kind)))

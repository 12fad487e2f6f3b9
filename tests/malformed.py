"""Requests that are wrong, one of each kind, with the status and code that they must get. Used by the tests, and
`python -m tests.malformed URL` prints the table with the answers of a running server."""

import base64
import io
import struct
import sys
import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import httpx
import orjson
from PIL import Image

JSON = {"content-type": "application/json"}
PNG = {"content-type": "image/png"}
ROW = [0] * 28


class Case(NamedTuple):
    """A wrong request, and the answer that it must get."""

    what: str
    method: str
    path: str
    status: int
    code: str
    content: bytes = b""
    headers: Mapping[str, str] = MappingProxyType({})


def picture(side: int = 28, kind: str = "PNG") -> bytes:
    """A black picture."""
    out = io.BytesIO()
    Image.new("L", (side, side)).save(out, kind)
    return out.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header claims so many pixels and whose body has none."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def digits(images: Any) -> bytes:
    return orjson.dumps({"images": images})


def form(name: str, data: bytes) -> bytes:
    return (
        f'--b\r\ncontent-disposition: form-data; name="{name}"; filename="x"\r\n\r\n'.encode() + data + b"\r\n--b--\r\n"
    )


def field(name: str, data: bytes) -> bytes:
    """A form with one part that is no file."""
    return f'--b\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n'.encode() + data + b"\r\n--b--\r\n"


STRANGE = {"content-type": "multipart/form-data; boundary=b; charset=unicode_escape"}
MULTIPART = {"content-type": "multipart/form-data; boundary=b"}
SOON = {"x-request-timeout-ms": "soon"}
PASSED = {"x-request-timeout-ms": "0.000001"}
PICKLE = {"content-type": "application/vnd.bentoml+pickle"}
STRANGER = {"images": [[ROW] * 28], "model": "x"}
NOT_A_NUMBER = b'{"gate": "xor", "inputs": [[NaN, 0]]}'
NAN_PIXEL = b'{"images": [' + orjson.dumps([ROW] * 28).replace(b"0", b"NaN", 1) + b"]}"
LONG = b'{"gate": "' + b"x" * 1_000_000 + b'", "inputs": [[0, 1]]}'
DEEP = b'{"images": ' + b"[" * 5000 + b"]" * 5000 + b"}"
D, X, BENTO = "/v1/digits", "/v1/gates/xor", "/classify"

CASES = (
    Case("not JSON", "POST", D, 400, "invalid_input", b"{images", JSON),
    Case("empty body as JSON", "POST", D, 400, "invalid_input", b"", JSON),
    Case("a list instead of an object", "POST", D, 400, "invalid_input", b"[1, 2]", JSON),
    Case("key missing", "POST", D, 400, "invalid_input", b"{}", JSON),
    Case("unknown key", "POST", D, 400, "invalid_input", b'{"images": [], "colour": 1}', JSON),
    Case("no images", "POST", D, 400, "invalid_input", digits([]), JSON),
    Case("images is text", "POST", D, 400, "invalid_input", digits("seven"), JSON),
    Case("27 rows", "POST", D, 400, "invalid_input", digits([[ROW] * 27]), JSON),
    Case("a row of 29", "POST", D, 400, "invalid_input", digits([[ROW] * 27 + [[0] * 29]]), JSON),
    Case("a pixel of 256", "POST", D, 400, "invalid_input", digits([[ROW] * 27 + [[256] * 28]]), JSON),
    Case("a pixel of -1", "POST", D, 400, "invalid_input", digits([[ROW] * 27 + [[-1] * 28]]), JSON),
    Case("a pixel of 1e999", "POST", D, 400, "invalid_input", b'{"images": [[[1e999]]]}', JSON),
    Case("text as a pixel", "POST", D, 400, "invalid_input", digits([[ROW] * 27 + [["x"] * 28]]), JSON),
    Case("null as an image", "POST", D, 400, "invalid_input", digits([None]), JSON),
    Case("pixels scaled to 0..1", "POST", D, 422, "unusable_input", digits([[[0.5] * 28] * 28]), JSON),
    Case("1,025 images", "POST", D, 413, "too_large", digits([0] * 1025), JSON),
    Case("JSON 5,000 deep", "POST", D, 400, "invalid_input", DEEP, JSON),
    Case("JSON 900 deep", "POST", D, 400, "invalid_input", b'{"images": ' + b"[" * 900 + b"]" * 900 + b"}", JSON),
    Case("text that is not base64", "POST", D, 400, "invalid_input", digits(["sév€n"]), JSON),
    Case("base64 of no picture", "POST", D, 415, "not_an_image", digits([base64.b64encode(b"hello").decode()]), JSON),
    Case("data URL without base64", "POST", D, 400, "invalid_input", digits(["data:image/png,abc"]), JSON),
    Case("an address, not a picture", "POST", D, 400, "invalid_input", digits(["http://example.com/7.png"]), JSON),
    Case("text called image/png", "POST", D, 415, "not_an_image", b"hello", PNG),
    Case("no bytes called image/png", "POST", D, 415, "not_an_image", b"", PNG),
    Case("truncated PNG", "POST", D, 400, "invalid_image", picture(200)[:60], PNG),
    Case("truncated JPEG", "POST", D, 400, "invalid_image", picture(200, "JPEG")[:300], {"content-type": "image/jpeg"}),
    Case("header of 2.5 gigapixels", "POST", D, 413, "too_large", bomb(50_000, 50_000), PNG),
    Case("11 MB", "POST", D, 413, "too_large", b"x" * 11_000_000, PNG),
    Case("no Content-Type", "POST", D, 415, "not_an_image", picture()),
    Case("Content-Type of a page", "POST", D, 415, "not_an_image", b"<html>", {"content-type": "text/html"}),
    Case("a form with another part", "POST", D, 400, "invalid_input", form("file", picture()), MULTIPART),
    Case("a form without an end", "POST", D, 400, "invalid_input", b"--b\r\ncontent-disp", MULTIPART),
    Case("1,025 parts", "POST", D, 413, "too_large", b"".join([form("image", b"x")[:-7]] * 1025) + b"--b--", MULTIPART),
    Case("a form in a strange charset", "POST", D, 415, "not_an_image", field("image", b"\\ud800"), STRANGE),
    Case("a form without a boundary", "POST", D, 400, "invalid_input", b"x", {"content-type": "multipart/form-data"}),
    Case("unknown model", "POST", D + "?model=gpt", 404, "unknown_model", picture(), PNG),
    Case("a gate as a reader", "POST", D + "?model=gate-xor", 404, "unknown_model", picture(), PNG),
    Case("unknown version", "POST", D + "?version=99", 404, "unknown_model", picture(), PNG),
    Case("version that is no number", "POST", D + "?version=new", 400, "invalid_input", picture(), PNG),
    Case("top_k of 11", "POST", D + "?top_k=11", 400, "invalid_input", picture(), PNG),
    Case("unknown parameter", "POST", D + "?color=1", 400, "invalid_input", picture(), PNG),
    Case("deadline that is no number", "POST", D, 400, "invalid_input", picture(), PNG | SOON),
    Case("wrong verb", "GET", D, 405, "method_not_allowed"),
    Case("unknown verb", "PURGE", D, 405, "method_not_allowed"),
    Case("unknown path", "GET", "/v1/nothing", 404, "unknown_route"),
    Case("path that climbs", "GET", "/v1/models/..%2f..%2fetc%2fpasswd", 404, "unknown_route"),
    Case("unknown gate", "POST", "/v1/gates/maybe", 404, "unknown_model", b'{"inputs": [[0, 1]]}', JSON),
    Case("three inputs", "POST", X, 400, "invalid_input", b'{"inputs": [[0, 1, 1]]}', JSON),
    Case("an input of 2", "POST", X, 400, "invalid_input", b'{"inputs": [[0, 2]]}', JSON),
    Case("a boolean among numbers", "POST", X, 400, "invalid_input", b'{"inputs": [[true, 0]]}', JSON),
    Case("a deadline that has passed", "POST", D, 504, "deadline_exceeded", picture(), PNG | PASSED),
    Case("wrong verb for a gate", "PUT", X, 405, "method_not_allowed"),
    Case("booleans as inputs", "POST", X, 400, "invalid_input", b'{"inputs": [[true, false]]}', JSON),
    Case("ragged inputs", "POST", X, 400, "invalid_input", b'{"inputs": [[0, 1], [0]]}', JSON),
    Case("Bento: a number as images", "POST", BENTO, 400, "invalid_input", b'{"images": 3}', JSON),
    Case("Bento: 100 wrong images", "POST", BENTO, 400, "invalid_input", digits(["a"] * 100), JSON),
    Case("Bento: a form", "POST", BENTO, 415, "not_an_image", form("images", b"[" * 200_000), MULTIPART),
    Case("Bento: JSON 5,000 deep", "POST", BENTO, 400, "invalid_input", DEEP, JSON),
    Case("Bento: top_k of 0", "POST", BENTO, 400, "invalid_input", b'{"images": [""], "top_k": 0}', JSON),
    Case("Bento: deadline that is no number", "POST", BENTO, 400, "invalid_input", b"{}", JSON | SOON),
    Case("Bento: not JSON", "POST", BENTO, 400, "invalid_input", b"{", JSON),
    Case("Bento: base64 of no picture", "POST", BENTO, 415, "not_an_image", b'{"images": ["aaaa"]}', JSON),
    Case("Bento: unknown model", "POST", BENTO, 404, "unknown_model", orjson.dumps(STRANGER), JSON),
    Case("Bento: a pickle", "POST", BENTO, 415, "not_an_image", b"x", PICKLE),
    Case("Bento: 11 MB", "POST", BENTO, 413, "too_large", b"x" * 11_000_000, JSON),
    Case("Bento: wrong verb", "GET", BENTO, 405, "method_not_allowed"),
    Case("Bento: NaN as an input", "POST", "/gate", 400, "invalid_input", NOT_A_NUMBER, JSON),
    Case("Bento: NaN as a pixel", "POST", BENTO, 400, "invalid_input", NAN_PIXEL, JSON),
    Case("Bento: a megabyte as a gate", "POST", "/gate", 404, "unknown_model", LONG, JSON),
    Case("Bento: unknown gate", "POST", "/gate", 404, "unknown_model", b'{"gate": "maybe", "inputs": [[0, 1]]}', JSON),
)  # fmt: skip


def send(client: httpx.Client, case: Case) -> httpx.Response:
    """Sends the wrong request as it is."""
    return client.request(case.method, case.path, content=case.content, headers=case.headers)


def main() -> None:
    with httpx.Client(base_url=sys.argv[1], timeout=30) as client:
        print("| request | status | body |\n|---|---|---|")
        for case in CASES:
            answer = send(client, case)
            print(f"| {case.what} | {answer.status_code} | `{answer.text[:200]}` |")


if __name__ == "__main__":
    main()

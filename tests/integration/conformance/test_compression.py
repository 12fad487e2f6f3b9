"""Compressed requests and answers, as the clients send and ask for them."""

import gzip
import zlib

import httpx
import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from tests.integration.conformance.triton import Client, tensor
from tests.servers import Server

ALGORITHMS = (None, "gzip", "deflate")
INFER = "/v2/models/cnn/infer"


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
@pytest.mark.parametrize("answer", ALGORITHMS)
@pytest.mark.parametrize("request_", ALGORITHMS)
def test_requests_and_answers_may_be_compressed(
    client: Client, images: np.ndarray, probabilities: np.ndarray, request_: str, answer: str, binary: bool
) -> None:
    result = client.infer(
        "cnn",
        [tensor("images", images, binary=binary)],
        outputs=[InferRequestedOutput("probabilities", binary_data=binary)],
        request_compression_algorithm=request_,
        response_compression_algorithm=answer,
    )
    assert np.array_equal(result.as_numpy("probabilities"), probabilities)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_an_error_is_readable_whatever_was_asked_for(client: Client, images: np.ndarray, algorithm: str) -> None:
    """The clients never decompress one."""
    compression = {"request_compression_algorithm": algorithm, "response_compression_algorithm": algorithm}
    with pytest.raises(InferenceServerException, match="unknown model") as refused:
        client.infer("nobody", [tensor("images", images)], **compression)
    assert refused.value.status() == "404"


def body(images: np.ndarray) -> tuple[bytes, dict[str, str]]:
    """What the client itself would send, and the header that belongs to it."""
    sent, length = InferenceServerClient.generate_request_body([tensor("images", images)])
    return sent, {"Inference-Header-Content-Length": str(length)}


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip, deflate, br", "gzip"),
        ("br", None),
        ("zstd, identity", None),
        ("gzip;q=0", None),
        ("", None),
    ],
)
def test_an_answer_is_compressed_only_as_asked(
    server: Server, images: np.ndarray, accepted: str, encoding: str | None
) -> None:
    sent, headers = body(np.tile(images, (10, 1, 1)))
    url, headers = server.url + INFER, headers | {"accept-encoding": accepted}
    with httpx.stream("POST", url, content=sent, headers=headers) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.status_code == 200
    assert answer.headers.get("content-encoding") == encoding
    whole = {"gzip": gzip.decompress, "deflate": zlib.decompress, None: bytes}[encoding](raw)
    head = int(answer.headers["inference-header-content-length"])
    assert len(whole) == head + 100 * 40 + 100 * 8
    assert encoding is None or len(raw) < len(whole)


@pytest.mark.parametrize("path", ["/v2", "/v2/models/cnn", "/v2/models/cnn/config", "/v2/models/stats"])
def test_nothing_but_inference_is_compressed(server: Server, path: str) -> None:
    """The asyncio client says that it accepts gzip, always, and then does not decompress."""
    with httpx.stream("GET", server.url + path, headers={"accept-encoding": "gzip, deflate, br"}) as answer:
        assert answer.status_code == 200
        assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    ("encoding", "content", "status"),
    [
        ("gzip", b"not gzip", 400),
        ("gzip", gzip.compress(b"x" * 100)[:-9], 400),
        ("deflate", b"not deflate", 400),
        ("gzip", gzip.compress(bytes(20_000_000)), 413),
        ("deflate", zlib.compress(bytes(20_000_000)), 413),
        ("br", b"whatever", 415),
        ("gzip, gzip", b"whatever", 415),
    ],
    ids=["no-gzip", "cut-gzip", "no-deflate", "gzip-bomb", "deflate-bomb", "brotli", "twice"],
)
def test_what_cannot_be_decompressed_is_refused(server: Server, encoding: str, content: bytes, status: int) -> None:
    answer = server.client.post(INFER, content=content, headers={"content-encoding": encoding})
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error", "code", "detail", "request_id"}

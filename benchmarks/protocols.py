"""What each server is asked and how its answer is understood: paths, media types, JSON shapes."""

import base64
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

Images = NDArray[np.uint8]
Reading = dict[int, float]  # of one image: the probability of each digit that the answer names

JSON, PNG, BYTES = "application/json", "image/png", "application/octet-stream"
HEADER_LENGTH = "inference-header-content-length"  # Open Inference Protocol, binary tensor data extension


class Sample(NamedTuple):
    """What a request is about: images uint8[N, 28, 28], or one picture file."""

    images: Images
    picture: bytes = b""


class Request(NamedTuple):
    """A POST request."""

    path: str
    media_type: str
    body: bytes
    headers: Mapping[str, str] = {}

    def raw(self, **headers: str) -> bytes:
        """As it goes through the wire."""
        lines = {"host": "127.0.0.1", "content-type": self.media_type, "content-length": str(len(self.body))}
        lines |= {**self.headers, **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"POST {self.path} HTTP/1.1\r\n{head}\r\n".encode() + self.body


class Answer(NamedTuple):
    """A response; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Protocol(NamedTuple):
    """How a sample is written for a server, and how its answer is read. One that is `optional` may be missing: 404."""

    write: Callable[[Sample], Request]
    read: Callable[[Answer], list[Reading]]
    optional: bool = False


def json_arrays(path: str) -> Callable[[Sample], Request]:
    """Images as nested lists, under the key "images"."""
    return lambda sample: Request(path, JSON, orjson.dumps({"images": sample.images.tolist()}))


def file(path: str) -> Callable[[Sample], Request]:
    """A picture file as the body."""
    return lambda sample: Request(path, PNG, sample.picture)


def form(path: str, field: str) -> Callable[[Sample], Request]:
    """A picture file as the only part of a form."""
    border = "4e1f"
    head = f'--{border}\r\nContent-Disposition: form-data; name="{field}"; filename="digit.png"\r\nContent-Type: {PNG}'
    kind = f"multipart/form-data; boundary={border}"
    return lambda sample: Request(
        path, kind, f"{head}\r\n\r\n".encode() + sample.picture + f"\r\n--{border}--\r\n".encode()
    )


def base64_picture(path: str, field: str) -> Callable[[Sample], Request]:
    """A picture file as base64 text in JSON."""
    return lambda sample: Request(path, JSON, orjson.dumps({field: _text(sample)}))


def tensor_bytes(path: str) -> Callable[[Sample], Request]:
    """784 bytes an image, and nothing else."""
    return lambda sample: Request(path, BYTES, sample.images.tobytes())


def open_inference_json(path: str) -> Callable[[Sample], Request]:
    """Open Inference Protocol, a tensor as numbers in JSON."""

    def write(sample: Sample) -> Request:
        tensor = _tensor(sample) | {"data": sample.images.ravel().tolist()}
        return Request(path, JSON, orjson.dumps({"inputs": [tensor]}))

    return write


def open_inference_binary(path: str) -> Callable[[Sample], Request]:
    """Open Inference Protocol, tensors as bytes behind a JSON header; the answer too."""

    def write(sample: Sample) -> Request:
        tensor = _tensor(sample) | {"parameters": {"binary_data_size": sample.images.nbytes}}
        output = {"name": "probabilities", "parameters": {"binary_data": True}}
        header = orjson.dumps({"inputs": [tensor], "outputs": [output]})
        return Request(path, BYTES, header + sample.images.tobytes(), {HEADER_LENGTH: str(len(header))})

    return write


def open_inference_picture(path: str) -> Callable[[Sample], Request]:
    """Open Inference Protocol, a picture file as base64 text."""

    def write(sample: Sample) -> Request:
        tensor = {"name": "picture", "shape": [1], "datatype": "BYTES", "parameters": {"content_type": "base64"}}
        return Request(path, JSON, orjson.dumps({"inputs": [{**tensor, "data": [_text(sample)]}]}))

    return write


def axon_readings(answer: Answer) -> list[Reading]:
    """Axon's REST door: the likeliest digits of each image."""
    return [
        {candidate["digit"]: candidate["probability"] for candidate in prediction["top"]}
        for prediction in orjson.loads(answer.body)["predictions"]
    ]


def peer_readings(answer: Answer) -> list[Reading]:
    """The peers' own shape (`peers/reader.py`): ten probabilities an image."""
    return [dict(enumerate(row["probabilities"])) for row in orjson.loads(answer.body)["predictions"]]


def open_inference_readings(answer: Answer) -> list[Reading]:
    """Open Inference Protocol: the tensor "probabilities", in JSON or behind it."""
    length = int(answer.headers.get(HEADER_LENGTH, len(answer.body)))
    offset = length
    for output in orjson.loads(answer.body[:length])["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        if output["name"] == "probabilities":
            raw = answer.body[offset : offset + size] if size else None
            flat = np.frombuffer(raw, "<f4") if raw is not None else np.array(output["data"])
            return [dict(enumerate(row)) for row in flat.reshape(output["shape"]).tolist()]
        offset += size or 0
    return []


def _tensor(sample: Sample) -> dict[str, Any]:
    return {"name": "images", "shape": list(sample.images.shape), "datatype": "UINT8"}


def _text(sample: Sample) -> str:
    return base64.b64encode(sample.picture).decode()

"""What is asked: the cases, their samples, and the proof that a server answers them rightly."""

import http.client
import io
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image

from benchmarks.peers.reader import BUNDLE
from benchmarks.protocols import Answer, Images, Protocol, Request, Sample
from models.repository import Repository
from service.inference.onnx_engine import OnnxEngine
from service.inference.predictions import softmax
from training import strokes

VARIETY = 8  # different samples in rotation
TOLERANCE = 1e-3
GRAIN = 8  # levels of 255 that the paper of a large picture is uneven by: without it a PNG has nothing to pack
FEW, MANY = (1, 16, 64), (16,)  # connections


class Case(NamedTuple):
    """A kind of request. `side` is that of a picture file, pixels; 0: there is none."""

    name: str
    title: str
    images: int = 1
    side: int = 0
    connections: tuple[int, ...] = FEW

    def samples(self, seed: int) -> list[Sample]:
        """Different ones, the same for a seed."""
        if self.side:
            rng = np.random.default_rng(seed)
            return [_picture(digit, self.side, rng) for digit in range(VARIETY)]
        drawn, _ = strokes.draw_many(VARIETY * self.images, seed)
        return [Sample(images) for images in drawn.reshape(VARIETY, self.images, 28, 28)]


CASES = {
    case.name: case
    for case in (
        Case("json-1", "one image, JSON"),
        Case("png-28", "one PNG, 28 x 28", side=28),
        Case("png-512", "one PNG, 512 x 512 RGB", side=512, connections=MANY),
        Case("v2-json-1", "one image, /v2 JSON"),
        Case("binary-1", "one image, bytes"),
        Case("json-64", "64 images, JSON", images=64, connections=MANY),
        Case("binary-64", "64 images, bytes", images=64, connections=MANY),
    )
}


class WrongAnswer(Exception):
    """A server answered something else than the engine."""


class Judge:
    """Knows what the published model says: Axon's engine, called directly."""

    def __init__(self) -> None:
        bundle = Repository(BUNDLE.parents[1]).open("cnn", int(BUNDLE.name))
        self._engine = OnnxEngine(bundle, threads=1)
        self._temperature = bundle.manifest.temperature

    def check(self, port: int, protocol: Protocol, sample: Sample, look: Callable[[bytes], Images]) -> bool:
        """False where the server has no such door, which an optional protocol may.

        Raises WrongAnswer for another status than 200, another digit, or a probability that is off by `TOLERANCE`.
        """
        request = protocol.write(sample)
        answer = ask(port, request)
        if answer.status == http.client.NOT_FOUND and protocol.optional:
            return False
        if answer.status != http.client.OK:
            raise WrongAnswer(f"{request.path} answered {answer.status}: {answer.body[:300]!r}")
        images = look(sample.picture).reshape(1, 28, 28) if sample.picture else sample.images
        expected = softmax(self._engine.predict(images), self._temperature)
        readings = protocol.read(answer)
        if len(readings) != len(expected):
            raise WrongAnswer(f"{request.path} answered {len(readings)} readings for {len(expected)} images")
        for row, reading in zip(expected, readings, strict=True):
            wrong = max(abs(row[digit] - probability) for digit, probability in reading.items())
            if max(reading, key=reading.__getitem__) != row.argmax() or wrong > TOLERANCE:
                raise WrongAnswer(f"{request.path} reads {reading}, the engine {row.tolist()}")
        return True


def ask(port: int, request: Request) -> Answer:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", request.path, request.body, {"content-type": request.media_type, **request.headers})
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())
    finally:
        connection.close()


def _picture(digit: int, side: int, rng: np.random.Generator) -> Sample:
    ink = strokes.draw(digit, rng, side)
    image = Image.fromarray(ink)
    if side > 28:
        paper = np.maximum(ink, rng.integers(0, GRAIN, ink.shape, np.uint8))
        image = Image.fromarray(paper).convert("RGB")
    packed = io.BytesIO()
    image.save(packed, "PNG")
    return Sample(ink[None], packed.getvalue())

"""Parts of a request in one process, without HTTP: processor time, beside that of what cannot be done without."""

import io
import time
from collections.abc import Callable, Iterator
from hmac import compare_digest
from ipaddress import ip_address
from typing import NamedTuple

import numpy as np
from PIL import Image

from benchmarks.results import PartCost, Parts
from service import keys, settings
from service.doors.access import Access
from service.imaging import read_image
from training import strokes

MAX_PIXELS = 40_000_000
KEYS = 10
LEAST_S = 0.02  # of calls in a round, for the clock to be exact


class Part(NamedTuple):
    """What is measured, and its yardstick: the part of the work that nobody could leave out."""

    what: str
    beside: str
    ours: Callable[[], object]
    yardstick: Callable[[], object]


def measure_parts(rounds: int, seed: int) -> Parts:
    """Every part, ours and the yardstick in turn."""
    parts = list(_parts(np.random.default_rng(seed)))
    costs = [PartCost(what=part.what, beside=part.beside, ours_us=[], beside_us=[]) for part in parts]
    for _ in range(rounds):
        for part, cost in zip(parts, costs, strict=True):
            cost.ours_us.append(_microseconds(part.ours))
            cost.beside_us.append(_microseconds(part.yardstick))
    for cost in costs:
        print(f"part: {cost}", flush=True)
    return Parts(costs=costs)


def _parts(rng: np.random.Generator) -> Iterator[Part]:
    drawing = Image.fromarray(255 - strokes.draw(4, rng, 512))
    photograph = Image.fromarray(255 - strokes.draw(5, rng, 1000)).resize((4000, 3000)).convert("RGB")
    yield _picture("a PNG of 28 x 28, to the image that is read", Image.fromarray(strokes.draw(7, rng)), "PNG")
    yield _picture("a PNG of 512 x 512, grey", drawing, "PNG")
    yield _picture("a PNG of 512 x 512, RGB", drawing.convert("RGB"), "PNG")
    yield _picture("a JPEG of 12 megapixels", photograph, "JPEG")
    yield _check_of_a_key()


def _picture(what: str, picture: Image.Image, kind: str) -> Part:
    file = io.BytesIO()
    picture.save(file, kind)
    data = file.getvalue()

    def decode() -> None:
        opened = Image.open(io.BytesIO(data))
        opened.draft("L", (1000, 750))  # a JPEG is reduced as it is decoded; nothing happens to a PNG
        opened.load()

    return Part(what, "Pillow's decoding of it", lambda: read_image(data, MAX_PIXELS), decode)


def _check_of_a_key() -> Part:
    made = [keys.make() for _ in range(KEYS)]
    known = {str(index): keys.hash_line(key) for index, key in enumerate(made)}
    access = Access(settings.Access.model_validate({"keys": known}), ip_address("127.0.0.1"))
    hashes, right = [keys.digest(key.encode()) for key in made], made[-1].encode()
    scope = {"method": "POST", "path": "/v1/digits", "headers": [(b"authorization", b"Bearer " + right)]}

    def compare() -> None:
        presented = keys.digest(right)
        for digest in hashes:
            compare_digest(digest, presented)

    what = f"the check of a key, {KEYS} are known"
    return Part(what, "a hash, and as many comparisons", lambda: access.check(scope), compare)


def _microseconds(work: Callable[[], object]) -> float:
    """Processor time of a call, over calls of `LEAST_S` together."""
    calls, began = 0, time.thread_time()
    while (elapsed := time.thread_time() - began) < LEAST_S:
        work()
        calls += 1
    return elapsed / calls * 1e6

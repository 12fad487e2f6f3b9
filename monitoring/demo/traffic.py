"""Traffic as a service meets it, so that dashboards live: digits as scans, photographs and arrays, gates, and mistakes.

Open loop: requests leave at their time (Poisson arrivals around a rate that swells and ebbs), whether or not the ones
before them were answered, as users do. Needs what the serving image holds; the digits are the golden inputs that were
published with the model.

    python monitoring/demo/traffic.py --url http://localhost:3000 --rate 20 --seconds 60 --seed 0
"""

import argparse
import asyncio
import base64
import io
import math
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from safetensors.numpy import load_file

Request = dict[str, Any]  # what httpx.AsyncClient.request takes

SWELL_S, SWELL = 600.0, 0.5  # the rate moves by half, up and down, in ten minutes
BURST, BURST_SHARE = 8, 0.02  # one arrival in fifty brings eight requests at once: batches form
MOST_AT_ONCE = 128
DIGITS = 24  # of the 32 golden inputs; the others are letters and noise
REPORT_S = 10.0


class Client:
    """Somebody who asks, and who now and then errs."""

    def __init__(self, models: Path, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        newest = max(models.glob("cnn/*/golden.safetensors"), key=lambda path: int(path.parent.name))
        self._digits: NDArray[np.uint8] = load_file(newest)["inputs"][:DIGITS]
        self._weights = np.array([weight for weight, _ in MIXTURE], dtype=float)
        self._weights /= self._weights.sum()

    def next_request(self) -> Request:
        """One request of the mixture."""
        return MIXTURE[self._rng.choice(len(MIXTURE), p=self._weights)][1](self)

    def wait_s(self, rate: float) -> float:
        """Time to the next arrival, seconds."""
        return float(self._rng.exponential(1 / rate))

    def crowd(self) -> int:
        """How many requests an arrival brings."""
        return BURST if self._rng.random() < BURST_SHARE else 1

    def scan(self, model: str = "cnn") -> Request:
        """Ink on white paper, as a scanner gives it."""
        return _upload("image/png", self._paper(size=140), model)

    def photograph(self, model: str = "cnn") -> Request:
        """Ink on grey paper, askew, in uneven light."""
        paper = self._paper(size=240).rotate(self._rng.uniform(-12, 12), fillcolor=255)
        light = np.linspace(self._rng.uniform(0.6, 0.8), 1, paper.width)
        return _upload("image/jpeg", Image.fromarray((np.asarray(paper) * light).astype(np.uint8)), model)

    def arrays(self, model: str = "cnn", most: int = 1) -> Request:
        """Images in MNIST's own form."""
        count = int(self._rng.integers(1, most + 1))
        return _json(f"/v1/digits?model={model}", {"images": [self._digit().tolist() for _ in range(count)]})

    def form(self) -> Request:
        """Several scans in one form."""
        scans = [("image", ("scan.png", _encoded("image/png", self._paper(140)), "image/png")) for _ in range(3)]
        return {"method": "POST", "url": "/v1/digits", "files": scans}

    def bento(self) -> Request:
        """A picture through the Bento door."""
        return _json("/classify", {"images": [base64.b64encode(_encoded("image/png", self._paper(140))).decode()]})

    def gate(self) -> Request:
        """Some rows through some gate."""
        name = self._rng.choice(("and", "or", "nand", "nor", "xor", "xnor"))
        return _json(f"/v1/gates/{name}", {"inputs": self._rng.integers(0, 2, (4, 2)).tolist()})

    def look(self) -> Request:
        """Somebody reads what is served."""
        return _get(str(self._rng.choice(("/v1/models", "/v1/models/cnn", "/v1/gates/xor", "/docs"))))

    def blank(self) -> Request:
        """Empty paper."""
        return _upload("image/png", Image.new("L", (140, 140), 255), "cnn")

    def scribble(self) -> Request:
        """Ink that is no digit."""
        paper = Image.new("L", (140, 140), 255)
        points = [tuple(point) for point in self._rng.integers(15, 125, (12, 2)).tolist()]
        ImageDraw.Draw(paper).line(points, fill=0, width=5)
        return _upload("image/png", paper, "cnn")

    def mistake(self) -> Request:
        """What clients get wrong."""
        mistakes: tuple[Request, ...] = (
            _json("/v1/digits", {"images": [[[0] * 28] * 27]}),
            _json("/v1/digits?model=transformer", {"images": [[[0] * 28] * 28]}),
            _json("/v1/gates/implies", {"inputs": [[0, 1]]}),
            _json("/v1/gates/and", {"inputs": [[0, 2]]}),
            {"method": "POST", "url": "/v1/digits", "content": b"%PDF-1.7", "headers": {"content-type": "image/png"}},
            {"method": "DELETE", "url": "/v1/models"},
            _get("/wp-login.php"),
        )
        return mistakes[self._rng.integers(len(mistakes))]

    def haste(self) -> Request:
        """A deadline that cannot be kept: 50 microseconds."""
        return self.arrays() | {"headers": {"x-request-timeout-ms": "0.05"}}

    def _digit(self) -> NDArray[np.uint8]:
        digit: NDArray[np.uint8] = self._digits[self._rng.integers(len(self._digits))]
        return digit

    def _paper(self, size: int) -> Image.Image:
        ink = Image.fromarray(255 - self._digit()).resize((size, size), Image.Resampling.BICUBIC)
        paper = Image.new("L", (size * 3 // 2, size * 3 // 2), 255)
        paper.paste(ink, tuple(self._rng.integers(0, size // 2, 2).tolist()))
        return paper


# How often each kind of request comes. One in thirty is wrong; what is hasty, one in 5,000, spends a fifth of the error
# budget of an availability of 99.9 %.
MIXTURE: tuple[tuple[float, Callable[[Client], Request]], ...] = (
    (40, Client.scan),
    (15, Client.photograph),
    (10, Client.arrays),
    (6, lambda client: client.scan("rnn")),
    (4, lambda client: client.arrays("rnn", most=16)),
    (4, Client.form),
    (3, Client.bento),
    (8, Client.gate),
    (3, Client.look),
    (1, Client.blank),
    (2, Client.scribble),
    (3, Client.mistake),
    (0.02, Client.haste),
)


def _get(path: str) -> Request:
    return {"method": "GET", "url": path}


def _json(path: str, document: Any) -> Request:
    return {"method": "POST", "url": path, "json": document}


def _upload(media_type: str, picture: Image.Image, model: str) -> Request:
    content = _encoded(media_type, picture)
    return {
        "method": "POST",
        "url": f"/v1/digits?model={model}",
        "content": content,
        "headers": {"content-type": media_type},
    }


def _encoded(media_type: str, picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, media_type.rpartition("/")[2])
    return file.getvalue()


class Traffic:
    """Sends, and counts what comes back."""

    def __init__(self, client: Client, url: str, rate: float) -> None:
        self._client = client
        self._rate = rate
        self._http = httpx.AsyncClient(base_url=url, timeout=10, limits=httpx.Limits(max_connections=MOST_AT_ONCE))
        self._asked: set[asyncio.Task[None]] = set()
        self.counts: Counter[str] = Counter()

    async def flow(self, seconds: float) -> None:
        """Sends for so long, then waits for the last answers."""
        began = reported = time.monotonic()
        async with self._http:
            while (now := time.monotonic()) < began + seconds:
                for _ in range(self._client.crowd()):
                    self._ask()
                if now > reported + REPORT_S:
                    reported = now
                    self.report()
                swell = 1 + SWELL * math.sin(2 * math.pi * (now - began) / SWELL_S)
                await asyncio.sleep(self._client.wait_s(self._rate * swell))
            await asyncio.gather(*self._asked)
        self.report()

    def report(self) -> None:
        """One line on standard output."""
        sys.stdout.write("traffic " + " ".join(f"{key}={count}" for key, count in sorted(self.counts.items())) + "\n")
        sys.stdout.flush()

    def _ask(self) -> None:
        if len(self._asked) >= MOST_AT_ONCE:
            self.counts["withheld"] += 1
            return
        task = asyncio.create_task(self._exchange(self._client.next_request()))
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)

    async def _exchange(self, request: Request) -> None:
        try:
            answer = await self._http.request(**request)
        except httpx.TransportError:
            self.counts["unanswered"] += 1
        else:
            self.counts[f"{answer.status_code // 100}xx"] += 1


async def main(options: argparse.Namespace) -> None:
    """Sends until time is up or SIGTERM comes."""
    traffic = Traffic(Client(options.models, options.seed), options.url, options.rate)
    flow = asyncio.create_task(traffic.flow(options.seconds))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, flow.cancel)
    try:
        await flow
    except asyncio.CancelledError:
        traffic.report()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Sends a realistic mixture of requests to Axon.")
    parser.add_argument("--url", default="http://127.0.0.1:3000")
    parser.add_argument("--rate", type=float, default=20.0, help="arrivals a second, on average")
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", type=Path, default=Path("models/published"), help="where golden inputs come from")
    return parser


if __name__ == "__main__":
    asyncio.run(main(_parser().parse_args()))

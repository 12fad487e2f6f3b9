"""What HTTP costs: Axon's REST door beside the same engine called in a loop, in one run on one machine.

    make bench        python -m benchmarks.overhead [--seconds 2] [--rounds 5]

The two take turns, round by round, and medians over the rounds are reported, for a shared machine is noisy: read the
ratios. One connection, one worker, one engine thread; images are drawn (seed 0).
"""

import argparse
import http.client
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

from models.repository import Repository
from service.inference.onnx_engine import OnnxEngine
from training import strokes

ROOT = Path(__file__).resolve().parents[1]
PORT = 3999
SIZES = (1, 64)


@contextmanager
def server() -> Iterator[http.client.HTTPConnection]:
    """One worker on loopback, and a connection to it."""
    settings = {"AXON_HTTP__HOST": "127.0.0.1", "AXON_HTTP__PORT": str(PORT), "AXON_HTTP__WORKERS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "service"], cwd=ROOT, env=os.environ | settings, stderr=-3, stdout=-3
    )
    try:
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
        deadline = time.monotonic() + 60
        while not is_ready(connection):
            if time.monotonic() > deadline:
                sys.exit("the server was not ready within 60 s")
            time.sleep(0.05)
        yield connection
    finally:
        process.terminate()
        process.wait(30)


def is_ready(connection: http.client.HTTPConnection) -> bool:
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        answer.read()
    except OSError:
        connection.close()
        return False
    return answer.status == 200


def rate(call: Callable[[], object], seconds: float) -> float:
    """Calls a second."""
    calls, began = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - began) < seconds:
        call()
        calls += 1
    return calls / elapsed


def ask(connection: http.client.HTTPConnection, body: bytes) -> None:
    connection.request("POST", "/v1/digits", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        sys.exit(f"the server answered {answer.status}")


def compare(
    connection: http.client.HTTPConnection, engine: OnnxEngine, images: NDArray[np.uint8], seconds: float, rounds: int
) -> tuple[float, float]:
    """Median images a second through the door and through the engine alone, taking turns."""
    through_door = partial(ask, connection, orjson.dumps({"images": images.tolist()}))
    alone = partial(engine.predict, images)
    pairs = [(rate(through_door, seconds), rate(alone, seconds)) for _ in range(rounds)]
    return tuple(statistics.median(column) * len(images) for column in zip(*pairs, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    engine = OnnxEngine(Repository(ROOT / "models" / "published").open("cnn"), threads=1)
    images, _ = strokes.draw_many(max(SIZES), seed=0)
    print("| images a request | REST door, images/s | engine alone, images/s | ratio |\n|---|---|---|---|")
    with server() as connection:
        for size in SIZES:
            door, alone = compare(connection, engine, images[:size].copy(), options.seconds, options.rounds)
            print(f"| {size} | {door:,.0f} | {alone:,.0f} | {door / alone:.2f} |")


if __name__ == "__main__":
    main()

"""The engine without HTTP: called in a loop on the same images, in one process or several at once.

python -m benchmarks.engine IMAGES SECONDS     waits for a line, runs, prints images a second
"""

import subprocess
import sys
import time

from benchmarks.environments import ROOT
from benchmarks.peers.reader import BUNDLE
from models.repository import Repository
from service.inference.onnx_engine import OnnxEngine
from training import strokes

WARM_UP = 20


def alone(size: int, seconds: float, processes: int) -> float:
    """Images a second of all processes together; they begin at the same time."""
    command = [sys.executable, "-m", "benchmarks.engine", str(size), str(seconds)]
    pipe = subprocess.PIPE
    loops = [subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) for _ in range(processes)]
    try:
        for loop in loops:
            assert loop.stdout
            loop.stdout.readline()
        for loop in loops:
            assert loop.stdin
            loop.stdin.write("go\n")
            loop.stdin.flush()
        return sum(float(loop.stdout.readline()) for loop in loops if loop.stdout)
    finally:
        for loop in loops:
            loop.communicate()


def main(size: int, seconds: float) -> None:
    engine = OnnxEngine(Repository(BUNDLE.parents[1]).open("cnn", int(BUNDLE.name)), threads=1)
    images, _ = strokes.draw_many(size, seed=0)
    for _ in range(WARM_UP):
        engine.predict(images)
    print("ready", flush=True)
    sys.stdin.readline()
    calls, began = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - began) < seconds:
        engine.predict(images)
        calls += 1
    print(calls * size / elapsed, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))

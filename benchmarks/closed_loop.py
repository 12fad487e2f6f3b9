"""Closed loop: each connection asks again as soon as it is answered, and wrk does the asking. It finds saturation."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from benchmarks import meter

SCRIPT = Path(__file__).with_name("wrk.lua")
MARK = "JSON "
CALM = 0.1  # of the processors in the hands of others; above it a run is tried once more, and the calmer one counts
ATTEMPTS = 2


class Saturated(BaseModel):
    """One run: requests a second, the latency at that rate, milliseconds, and where known who used the processors:
    CPU microseconds of the server for a request, and the share of all processors that others used."""

    rate: float
    p50_ms: float
    p99_ms: float
    cpu_us: float = 0.0
    foreign: float = 0.0


def find_wrk() -> str:
    """The program. Exits with a sentence where it is missing."""
    wrk = shutil.which("wrk")
    if not wrk:
        sys.exit("benchmarks need wrk, an HTTP load generator, which is not installed; on Debian: apt-get install wrk")
    return wrk


def saturate(port: int, requests: Sequence[bytes], connections: int, seconds: int) -> Saturated:
    """Sends the requests in rotation. Raises RuntimeError if any is not answered with 2xx."""
    with tempfile.TemporaryDirectory(prefix="axon-bench-") as folder:
        for index, request in enumerate(requests):
            Path(folder, str(index)).write_bytes(request)
        command = [find_wrk(), "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
        command += ["--timeout", "10s", "--script", str(SCRIPT), f"http://127.0.0.1:{port}/"]
        done = subprocess.run(
            command, env=os.environ | {"REQUESTS": folder}, capture_output=True, text=True, check=True
        )
    return parse(done.stdout)


def calmest(pids: Sequence[int], port: int, requests: Sequence[bytes], connections: int, seconds: int) -> Saturated:
    """The run with the least disturbance, of one or two; `pids` are the server's processes."""
    runs: list[Saturated] = []
    while not runs or (runs[-1].foreign > CALM and len(runs) < ATTEMPTS):
        runs.append(_metered(pids, port, requests, connections, seconds))
    return min(runs, key=lambda run: run.foreign)


def _metered(pids: Sequence[int], port: int, requests: Sequence[bytes], connections: int, seconds: int) -> Saturated:
    before, began = meter.read(pids), time.perf_counter()
    run = saturate(port, requests, connections, seconds)
    used, elapsed = meter.read(pids).since(before), time.perf_counter() - began
    run.cpu_us = used.server / (run.rate * elapsed) * 1e6
    run.foreign = used.foreign / elapsed / (os.cpu_count() or 1)
    return run


def parse(output: str) -> Saturated:
    """What `wrk.lua` wrote. Raises RuntimeError if a request failed, for a rate of refusals is no rate."""
    line = next(line for line in output.splitlines() if line.startswith(MARK))
    document = json.loads(line.removeprefix(MARK))
    if document["refused"] or document["broken"] or not document["requests"]:
        counts = "of {requests} requests {refused} were refused and {broken} got no answer"
        raise RuntimeError(counts.format_map(document))
    return Saturated(
        rate=document["requests"] / document["duration_us"] * 1e6,
        p50_ms=document["p50_us"] / 1e3,
        p99_ms=document["p99_us"] / 1e3,
    )

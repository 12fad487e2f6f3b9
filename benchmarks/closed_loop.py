"""Closed loop: each connection asks again as soon as it is answered, and wrk does the asking. It finds saturation."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from benchmarks import meter

SCRIPT = Path(__file__).with_name("wrk.lua")
MARK = "JSON "


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


def saturate_calmly(
    pids: Sequence[int], port: int, requests: Sequence[bytes], connections: int, seconds: int
) -> Saturated:
    """The same, again where others were busy; tells who used the processors. `pids` are the server's processes."""
    metered = meter.calmest(lambda: saturate(port, requests, connections, seconds), pids)
    run = metered.result
    run.cpu_us = metered.server_s / (run.rate * metered.seconds) * 1e6
    run.foreign = metered.foreign
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

"""The command and both clients against the real server."""

import asyncio
import contextlib
import csv
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from axon import AsyncClient, Client, Policy, Unreachable
from pyarrow import parquet

from tests.servers import REPOSITORY, Server, free_port, serving


def axon(*arguments: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "client")}
    command = [sys.executable, "-m", "axon", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def on_a_terminal(*arguments: object, stdout: int | None = None) -> str:
    """What a terminal gets to see of the command; without its standard output, where that goes elsewhere."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "client"), "TERM": "xterm"}
    command = [sys.executable, "-m", "axon", *map(str, arguments)]
    screen, terminal = pty.openpty()
    with subprocess.Popen(command, env=environment, stdout=stdout or terminal, stderr=terminal) as process:
        os.close(terminal)
        seen = b"".join(_until_left(screen))
    os.close(screen)
    assert process.returncode == 0
    return seen.decode().replace("\r", "")


def _until_left(screen: int) -> Iterator[bytes]:
    """A terminal that everybody has left raises an error, where a file would end."""
    with contextlib.suppress(OSError):
        while part := os.read(screen, 65_536):
            yield part


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures of a seven, one below; between them one that is cut and one that is none."""
    folder = tmp_path_factory.mktemp("pictures")
    seven = (REPOSITORY / "examples" / "seven.png").read_bytes()
    (folder / "below").mkdir()
    for name, content in {"a.png": seven, "b.png": seven[:200], "below/c.png": seven, "d.png": b"junk"}.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("form", ["table", "csv", "jsonl", "parquet"])
def test_every_format_has_every_file(server: Server, folder: Path, tmp_path: Path, form: str) -> None:
    output = tmp_path / "out"
    done = axon("classify", folder, "--url", server.url, "--format", form, "--output", output)
    assert (done.returncode, done.stderr) == (1, "2 read, 2 failed\n")
    if form == "table":
        assert [line[0] for line in output.read_text().splitlines()[1:]] == ["7", "-", "7", "-"]
        return
    rows = {
        "csv": lambda: list(csv.DictReader(output.read_text().splitlines())),
        "jsonl": lambda: [json.loads(line) for line in output.read_text().splitlines()],
        "parquet": lambda: parquet.read_table(output).to_pylist(),
    }[form]()
    assert [str(row["digit"] or "") for row in rows] == ["7", "", "7", ""]
    assert [bool(row["error"]) for row in rows] == [False, True, False, True]


def test_no_bar_is_drawn_into_the_readings(server: Server) -> None:
    seven = REPOSITORY / "examples" / "seven.png"
    asked = ("classify", seven, "--url", server.url)
    for form in ("table", "csv", "jsonl"):
        assert on_a_terminal(*asked, "--format", form) == axon(*asked, "--format", form).stdout


def test_a_bar_is_drawn_where_the_readings_go_elsewhere(server: Server, tmp_path: Path) -> None:
    asked = ("classify", REPOSITORY / "examples" / "seven.png", "--url", server.url)
    assert "reading" in on_a_terminal(*asked, "--output", tmp_path / "named")
    with (tmp_path / "redirected").open("wb") as file:
        assert "reading" in on_a_terminal(*asked, stdout=file.fileno())
    assert (tmp_path / "named").read_text() == (tmp_path / "redirected").read_text() == axon(*asked).stdout


def test_sync_and_async_agree(server: Server, folder: Path) -> None:
    sources = [folder, np.zeros((3, 28, 28), np.uint8), b"junk"]

    async def read() -> list[object]:
        async with AsyncClient(server.url) as client:
            return [reading async for reading in client.classify(sources)]

    with Client(server.url) as client:
        readings = list(client.classify(sources))
        assert client.gate("xor", [[0, 1], [1, 1]]) == [1, 0]
    assert readings == asyncio.run(read())
    assert [reading.reason for reading in readings[4:7]] == ["blank"] * 3


def test_the_exit_status_says_what_happened(server: Server, tmp_path: Path) -> None:
    assert axon("classify", REPOSITORY / "examples" / "seven.png", "--url", server.url).returncode == 0
    assert "cnn/2" in axon("models", "--url", server.url).stdout
    assert axon("classify", tmp_path / "nothing", "--url", server.url).returncode == 2
    assert axon("classify").returncode == 2
    unknown = axon("classify", REPOSITORY / "examples", "--model", "none", "--url", server.url)
    assert (unknown.returncode, unknown.stderr.startswith("axon: Request for unknown model")) == (2, True)


def test_no_server_ends_in_time() -> None:
    policy = Policy(attempts=2, first_s=0.01)
    with Client(f"http://127.0.0.1:{free_port()}", policy=policy) as client, pytest.raises(Unreachable):
        client.models()


def test_who_has_read_enough_ends_it_quietly(server: Server) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "client")}
    command = [sys.executable, "-m", "axon", "classify", str(REPOSITORY / "examples"), "--url", server.url]
    done = subprocess.run(command, env=environment, stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_run_outlives_a_restart_of_the_server(tmp_path: Path) -> None:
    """Connections are lost, nobody listens for a while, and every picture is read nevertheless, once and in order."""
    patient = Policy(attempts=1_000, most_s=0.5)  # as long as the deadline, 60 s: a slow machine takes 5 s to listen
    images = np.random.default_rng(0).integers(0, 256, (3_000, 28, 28), np.uint8)
    with serving(tmp_path / "first", AXON_HTTP__WORKERS="1") as first:
        port = str(first.port)
        with Client(first.url, batch=8, policy=patient) as client:
            readings = client.classify(images)
            before = [next(readings) for _ in range(100)]
            first.terminate()
            assert first.wait_for_exit() == 0
            with serving(tmp_path / "second", ready=False, AXON_HTTP__WORKERS="1", AXON_HTTP__PORT=port):
                after = list(readings)
    whole = before + after
    assert len(whole) == 3_000
    assert not [reading for reading in whole if reading.error]
    with serving(tmp_path / "third", AXON_HTTP__WORKERS="1") as third, Client(third.url, batch=8) as client:
        assert [each.digit for each in client.classify(images)] == [each.digit for each in whole]


def test_a_refusal_for_overload_is_waited_out(tmp_path: Path) -> None:
    """Far more at once than the queue takes: some are refused with Retry-After, all are read."""
    images = np.random.default_rng(0).integers(0, 256, (8_000, 28, 28), np.uint8)
    limits = {"AXON_HTTP__WORKERS": "1", "AXON_INFERENCE__MAX_QUEUE_ROWS": "2048"}
    with serving(tmp_path / "log", **limits) as server, Client(server.url, batch=1_000, concurrency=8) as client:
        assert len([reading for reading in client.classify(images) if not reading.error]) == 8_000
        refused = [line for line in server.client.get("/metrics").text.splitlines() if "axon_rejections_total{" in line]
    assert sum(float(line.rpartition(" ")[2]) for line in refused) > 0

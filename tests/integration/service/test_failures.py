"""What the service does when something goes wrong: a process dies, an engine hangs or raises, a disk fills up, a client
dawdles or leaves, more comes than can be done. Each against the real process, under load from real clients."""

import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests import bundles
from tests.servers import Server, free_port, serving, until

JSON = {"content-type": "application/json"}


def images(*which: np.ndarray) -> bytes:
    return json.dumps({"images": [image.tolist() for image in which]}).encode()


def request(body: bytes, path: str = "/v1/digits", more: str = "") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return f"{head}{more}\r\n".encode() + body


SEVEN = images(bundles.image_of(7))


class Load:
    """Clients that ask again and again, each on a connection of its own, until they are told to stop."""

    def __init__(self, url: str, clients: int, body: bytes = SEVEN) -> None:
        self.answers: Counter[int | str] = Counter()  # by status, or by the kind of failure
        self.others: list[httpx.Response] = []  # that are not 200
        self._url, self._body = f"{url}/v1/digits", body
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        with httpx.Client(timeout=30) as client:
            while not self._stop.is_set():
                try:
                    answer = client.post(self._url, content=self._body, headers=JSON)
                except httpx.TransportError as error:
                    self.answers[type(error).__name__] += 1
                    continue
                self.answers[answer.status_code] += 1
                if answer.status_code != 200:
                    self.others.append(answer)


@contextlib.contextmanager
def load(url: str, clients: int, body: bytes = SEVEN) -> Iterator[Load]:
    running = Load(url, clients, body)
    try:
        until(lambda: running.answers.total() >= 10 * clients, 30, "a load")
        yield running
    finally:
        running.stop()


def metric(server: Server, name: str, label: str = "") -> float:
    lines = httpx.get(f"{server.url}/metrics", timeout=30).text.splitlines()  # on a connection that no dead worker had
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name) and label in line)


def test_a_killed_worker_costs_only_what_it_had_in_hand(tmp_path: Path) -> None:
    clients = 8
    with serving(tmp_path / "log", AXON_HTTP__WORKERS="2") as running:
        until(lambda: metric(running, "axon_worker_starts_total") == 2, 30, "both workers")
        with load(running.url, clients) as asked:
            before = asked.answers.copy()
            os.kill(running.worker_pids()[0], signal.SIGKILL)
            began = time.monotonic()
            until(lambda: metric(running, "axon_worker_starts_total") == 3, 20, "a new worker")
            print(f"back after {time.monotonic() - began:.2f} s")
            until(lambda: asked.answers[200] > 2 * before[200], 30, "answers after the failure")
        assert set(asked.answers) <= {200, "ReadError", "RemoteProtocolError", "WriteError"}
        failed = asked.answers.total() - asked.answers[200]
        assert failed <= clients, "no more than one request was under way on each connection"


def test_an_engine_that_raises_fails_its_own_request_alone(tmp_path: Path) -> None:
    root = tmp_path / "models"
    bundles.publish(root, "cnn", trap="raise")
    settings = {"AXON_HTTP__WORKERS": "1", "AXON_MODELS__ROOT": str(root)}
    with serving(tmp_path / "log", **settings) as running, load(running.url, 4) as asked:
        for _ in range(20):
            poisoned = running.client.post("/v1/digits", content=images(bundles.trapped(3)), headers=JSON)
            assert poisoned.status_code == 500
            assert poisoned.json()["code"] == "internal_error"
            assert "Gather" not in poisoned.text, "the cause goes to the log"
        assert running.client.get("/readyz").status_code == 200
    assert set(asked.answers) == {200}
    assert "Gather" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("rows", [1, 1024], ids=["on the event loop", "on the engine's thread"])
def test_a_worker_whose_engine_hangs_is_not_ready_and_then_replaced(tmp_path: Path, rows: int) -> None:
    root = tmp_path / "models"
    bundles.publish(root, "cnn", trap="hang")
    settings = {"AXON_HTTP__WORKERS": "1", "AXON_MODELS__ROOT": str(root), "AXON_INFERENCE__HEARTBEAT_S": "2"}
    with serving(tmp_path / "log", **settings) as running:
        [hung] = running.worker_pids()
        blank = [np.zeros((28, 28), np.uint8)] * (rows - 1)
        with socket.create_connection(("127.0.0.1", running.port)) as stuck:
            body = images(*blank, bundles.trapped(3))
            head = (
                f"POST /v1/digits HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
            )
            stuck.sendall(f"{head}\r\n\r\n".encode() + body)

            def is_ready() -> bool:
                with contextlib.suppress(httpx.TransportError):
                    return httpx.get(f"{running.url}/readyz", timeout=0.5).status_code == 200
                return False

            until(lambda: not is_ready(), 10, "readiness going off")
            until(lambda: running.worker_pids() not in ([], [hung]), 20, "another worker")
        running.wait()
        assert running.client.post("/v1/digits", content=SEVEN, headers=JSON).json()["predictions"][0]["digit"] == 7
    assert "onnx_engine.py" in (tmp_path / "log").read_text(), "the log says where it hung"


def test_overload_is_refused_with_429_and_nothing_else(tmp_path: Path) -> None:
    """The queue takes half of what the clients ask at once, at any pace; 10 s to answer outlast a machine's stalls."""
    body, queue = images(*[bundles.image_of(7)] * 64), {"AXON_INFERENCE__MAX_QUEUE_ROWS": "2048"}
    with serving(tmp_path / "log", AXON_HTTP__WORKERS="1", **queue) as running:
        with load(running.url, 64, body) as asked:
            until(lambda: asked.answers[429] > 500 and asked.answers[200] > 50, 60, "answers and refusals")
        assert set(asked.answers) == {200, 429}, Counter(other.text[:99] for other in asked.others).most_common(3)
        assert all(int(refused.headers["retry-after"]) >= 1 for refused in asked.others)
        assert running.client.get("/readyz").status_code == 200
        until(lambda: metric(running, "axon_queue_rows") == 0, 10, "an empty queue")


def test_sigterm_behind_a_proxy_fails_no_request(tmp_path: Path) -> None:
    if shutil.which("haproxy") is None:
        pytest.skip("no haproxy on this machine")
    port = free_port()
    with (
        serving(tmp_path / "one", AXON_HTTP__WORKERS="1") as first,
        serving(tmp_path / "other", AXON_HTTP__WORKERS="1") as second,
        proxy(tmp_path, port, first.port, second.port),
        load(f"http://127.0.0.1:{port}", 8) as asked,
    ):
        first.client.close()
        first.terminate()
        assert first.wait_for_exit(20) == 0
        after = asked.answers[200]
        until(lambda: asked.answers[200] > after + 200, 30, "answers of the other instance")
        assert set(asked.answers) == {200}, asked.answers


@contextlib.contextmanager
def proxy(folder: Path, port: int, *servers: int) -> Iterator[None]:
    """HAProxy in TCP mode: it knows nothing of HTTP, and tries the other server where one refuses."""
    lines = [f"  server s{server} 127.0.0.1:{server}" for server in servers]
    text = f"""
defaults
  mode tcp
  timeout connect 1s
  timeout client 30s
  timeout server 30s
  retries 3
  option redispatch 1
listen axon
  bind 127.0.0.1:{port}
  balance roundrobin
{chr(10).join(lines)}
"""
    (folder / "haproxy.cfg").write_text(text)
    process = subprocess.Popen(["haproxy", "-f", str(folder / "haproxy.cfg")], stderr=subprocess.DEVNULL)
    try:
        until(lambda: answers(port), 10, "the proxy")
        yield
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"http://127.0.0.1:{port}/livez").status_code == 200
    return False


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("no right to mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_for_metric_files_stops_nothing(tmp_path: Path, small_disk: Path) -> None:
    with serving(tmp_path / "log", AXON_HTTP__WORKERS="2", TMPDIR=str(small_disk)) as running:
        until(lambda: metric(running, "axon_worker_starts_total") == 2, 30, "both workers")
        workers = running.worker_pids()
        fill(small_disk, left=0)
        with load(running.url, 4) as asked:
            os.kill(workers[0], signal.SIGKILL)  # the new one has to find room too
            until(lambda: metric(running, "axon_worker_starts_total") == 3, 20, "a new worker on a full disk")
            until(lambda: asked.answers[200] > 200, 30, "answers")
        assert workers[1] in running.worker_pids()
        assert set(asked.answers) <= {200, "ReadError", "RemoteProtocolError", "WriteError"}
        picture = (Path(__file__).parents[3] / "examples" / "seven.png").read_bytes()
        form = running.client.post("/v1/digits", files={"image": picture})
        assert form.json()["predictions"][0]["digit"] == 7
        assert metric(running, "axon_inference_rows_total") >= 200
        order = running.client.put("/v1/models/cnn/pin", json={"version": 1})
        assert (order.status_code, "cannot be written down" in order.json()["error"]) == (503, True)


def test_a_disk_that_is_full_from_the_start_is_said_so(tmp_path: Path, small_disk: Path) -> None:
    fill(small_disk, left=65_536)
    with serving(tmp_path / "log", ready=False, TMPDIR=str(small_disk)) as running:
        assert running.wait_for_exit() == 1
    assert "no room for metrics" in (tmp_path / "log").read_text()
    assert "Traceback" not in (tmp_path / "log").read_text()


def fill(disk: Path, left: int) -> None:
    """Leaves so many bytes; where a service shall start, a folder that takes none would be passed over for the next."""
    with (disk / "rubbish").open("wb", buffering=0) as rubbish:
        with contextlib.suppress(OSError):
            while rubbish.write(bytes(4096)):
                pass
        rubbish.truncate(rubbish.tell() - left)


@pytest.mark.parametrize("path", ["/v1/digits", "/classify"])
def test_a_client_that_dawdles_over_its_body_gets_504_and_delays_nobody(server: Server, path: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as slow:
        slow.sendall(request(SEVEN, path, "x-request-timeout-ms: 400\r\n")[:-3])
        assert server.client.post("/v1/digits", content=SEVEN, headers=JSON).status_code == 200
        assert slow.recv(1000).startswith(b"HTTP/1.1 504 ")


def test_clients_that_dawdle_over_large_bodies_fill_no_memory(tmp_path: Path) -> None:
    """Each may have ten megabytes, all of them together twelve."""
    settings = {"AXON_HTTP__WORKERS": "1", "AXON_HTTP__MAX_STORED_BYTES": "12000000"}
    with serving(tmp_path / "log", **settings) as running:
        head = request(b"", more="x-request-timeout-ms: 60000\r\n").replace(b"-length: 0", b"-length: 9000000")
        with socket.create_connection(("127.0.0.1", running.port), timeout=20) as one:
            one.sendall(head + bytes(8_000_000))
            with socket.create_connection(("127.0.0.1", running.port), timeout=20) as other:
                other.sendall(head + bytes(8_000_000))
                refusal = other.recv(1_000)
            assert refusal.startswith(b"HTTP/1.1 429 ")
            assert b"of 12000000 bytes" in refusal
            assert running.client.post("/v1/digits", content=SEVEN, headers=JSON).status_code == 200
        big = {"images": [base64.b64encode(bytes(5_000_000)).decode()]}
        until(lambda: running.client.post("/v1/digits", json=big).status_code == 415, 10, "room, as they have left")


def test_a_client_that_dawdles_over_its_head_is_hung_up_on(tmp_path: Path) -> None:
    with serving(tmp_path / "log", AXON_HTTP__WORKERS="1", AXON_HTTP__SILENCE_S="1") as running:
        dawdlers = [socket.create_connection(("127.0.0.1", running.port), timeout=20) for _ in range(50)]
        began = time.monotonic()
        letters = iter(b"POST /v1/digits HTTP/1.1\r\nhost: some-very-patient-client.example\r\n" * 9)

        def one_letter_more() -> bool:
            letter = bytes([next(letters)])
            for dawdler in dawdlers:
                with contextlib.suppress(OSError):
                    dawdler.sendall(letter)
            time.sleep(0.1)  # this is what dawdling is
            return metric(running, "axon_worker_starts_total") == 1 and all(map(hung_up, dawdlers))

        until(one_letter_more, 20, "the end of everybody's patience")
        assert time.monotonic() - began < 10
        assert running.client.post("/v1/digits", content=SEVEN, headers=JSON).status_code == 200
        for dawdler in dawdlers:
            dawdler.close()


def hung_up(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_what_a_client_that_left_had_asked_for_is_not_run(tmp_path: Path) -> None:
    root, rows, clients = tmp_path / "models", 1024, 4
    bundles.publish(root, "cnn", trap="slow")
    with serving(tmp_path / "log", AXON_HTTP__WORKERS="1", AXON_MODELS__ROOT=str(root)) as running:
        asked = request(images(*[bundles.image_of(7)] * (rows - 1), bundles.trapped(3)))
        connected = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(clients)]
        connected[0].sendall(asked)
        until(lambda: metric(running, "axon_inflight_requests", '"cnn"') == 1, 20, "one at work")
        for client in connected[1:]:
            client.sendall(asked)
        until(lambda: metric(running, "axon_queue_rows") == (clients - 1) * rows, 20, "the others waiting")
        for client in connected:
            client.close()
        until(lambda: metric(running, "axon_http_requests_total", "/v1/digits") == clients, 20, "all being counted")
        assert metric(running, "axon_http_requests_total", 'status="499"') == clients
        until(lambda: metric(running, "axon_inference_rows_total") > 0, 60, "the end of what ran when they left")
        assert metric(running, "axon_inference_rows_total") == rows
        assert metric(running, "axon_queue_rows") == 0
        assert metric(running, "axon_inflight_requests") == 0
    assert "Traceback" not in (tmp_path / "log").read_text()

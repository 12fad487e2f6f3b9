import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from models import bundle
from tests import bundles
from tests.servers import REPOSITORY, Server, serving, until


def test_a_serving_worker_has_neither_torch_nor_training(server: Server) -> None:
    for pid in server.worker_pids():
        maps = Path(f"/proc/{pid}/maps")
        until(lambda maps=maps: "onnxruntime" in maps.read_text(), 30, "the worker having loaded its engine")
        assert "libtorch" not in maps.read_text()
    code = (
        "import sys, service.service, service.inference.onnx_engine\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert "onnxruntime" in loaded.stdout.split()
    assert not {"torch", "torchvision", "training"} & set(loaded.stdout.split())


def test_liveness_and_readiness(server: Server) -> None:
    for path in ("/livez", "/readyz", "/healthz"):
        assert server.client.get(path).status_code == 200


def test_sigterm_ends_the_server_with_0(tmp_path: Path) -> None:
    with serving(tmp_path / "log", AXON_HTTP__WORKERS="1") as running:
        assert running.client.get("/livez").status_code == 200
        running.client.close()
        running.terminate()
        assert running.wait_for_exit() == 0


def test_a_worker_that_dies_is_started_again(tmp_path: Path) -> None:
    with serving(tmp_path / "log", AXON_HTTP__WORKERS="1") as running:
        [killed] = running.worker_pids()
        os.kill(killed, 9)
        until(lambda: running.worker_pids() not in ([], [killed]), 30, "a new worker")
        running.wait()


def test_a_bad_bundle_is_shown_as_failed_while_the_others_serve(tmp_path: Path, published: Path) -> None:
    root = tmp_path / "models"
    bundles.publish(root, "cnn")
    shutil.copytree(published / "gate-xor" / "1", root / "gate-xor" / "1")
    broken = bundles.publish(root, "rnn")
    (broken / bundle.ONNX).write_bytes(b"not a graph")
    with serving(tmp_path / "log", AXON_HTTP__WORKERS="1", AXON_MODELS__ROOT=str(root)) as running:
        listing = {model["name"]: model for model in running.client.get("/v1/models").json()["models"]}
        assert listing["cnn"]["state"] == listing["gate-xor"]["state"] == "READY"
        assert listing["rnn"]["state"] == "FAILED"
        assert listing["rnn"]["reason"].startswith("WrongSize: rnn/1: model.onnx has 11 bytes")
        answer = running.client.post("/v1/digits?model=rnn", json={"images": [bundles.image_of(3).tolist()]})
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        good = running.client.post("/v1/digits", json={"images": [bundles.image_of(3).tolist()]})
        assert good.json()["predictions"][0]["digit"] == 3


def test_without_its_required_model_the_service_lives_but_is_not_ready(tmp_path: Path) -> None:
    root = tmp_path / "models"
    bundles.publish(root, "rnn")
    with serving(tmp_path / "log", ready=False, AXON_HTTP__WORKERS="1", AXON_MODELS__ROOT=str(root)) as running:
        running.wait("/livez")
        answer = running.client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["code"] == "not_ready"
        assert "required model cnn" in answer.json()["error"]


def test_a_wrong_setting_stops_the_start_with_a_sentence() -> None:
    for name, value, words in (
        ("AXON_HTP__PORT", "1", "did you mean AXON_HTTP__PORT"),
        ("AXON_HTTP__PORT", "0", "greater than or equal to 1"),
        ("AXON_MODELS__REQUIRED", "cnn", "must be JSON, such as"),
    ):
        ended = subprocess.run(
            [sys.executable, "-m", "service"],
            cwd=REPOSITORY,
            env={"PATH": os.environ["PATH"], name: value},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ended.returncode == 2
        assert words in ended.stderr
        assert "Traceback" not in ended.stderr


def test_the_torch_engine_serves_by_choice(tmp_path: Path) -> None:
    settings = {"AXON_HTTP__WORKERS": "1", "AXON_INFERENCE__ENGINE": "torch", "AXON_INFERENCE__DEVICE": "cpu"}
    with serving(tmp_path / "log", **settings) as running:
        listing = running.client.get("/v1/models").json()["models"]
        assert {model["platform"] for model in listing} == {"torch-cpu"}
        fired = running.client.post("/v1/gates/xor", json={"inputs": [[0, 1], [1, 1]]}).json()["outputs"]
        assert [row["output"] for row in fired] == [1, 0]


def test_a_port_that_is_taken_is_said_so(server: Server) -> None:
    address = {"AXON_HTTP__HOST": "127.0.0.1", "AXON_HTTP__PORT": str(server.port)}
    done = subprocess.run(
        [sys.executable, "-m", "service"], cwd=REPOSITORY, env=os.environ | address, capture_output=True, text=True,
        timeout=30,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {server.port}: Address already in use" in done.stderr
    assert "Traceback" not in done.stderr


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_sigterm_lets_a_request_in_flight_finish(tmp_path: Path) -> None:
    picture = (REPOSITORY / "examples" / "seven.png").read_bytes()
    with serving(tmp_path / "log", AXON_HTTP__WORKERS="1") as running:
        idle, connection = (http.client.HTTPConnection("127.0.0.1", running.port, timeout=20) for _ in range(2))
        connection.putrequest("POST", "/v1/digits")
        connection.putheader("content-type", "image/png")
        connection.putheader("content-length", str(len(picture)))
        connection.endheaders(picture[:1000])
        idle.request("GET", "/livez")
        assert idle.getresponse().read() == b'{"live":true}'
        running.client.close()
        running.terminate()
        assert idle.sock.recv(1) == b"", "a worker that stops closes the connections that wait for nothing"
        idle.close()
        until(lambda: is_refused(running.port), 20, "a refusal, not a wait for nobody, of who connects now")
        connection.send(picture[1000:])
        answer = connection.getresponse()
        assert answer.status == 200
        assert json.load(answer)["predictions"][0]["digit"] == 7
        connection.close()
        assert running.wait_for_exit() == 0


def test_a_client_that_left_in_the_middle_of_its_body_holds_no_end_up(tmp_path: Path) -> None:
    with serving(tmp_path / "log", AXON_HTTP__WORKERS="1", AXON_HTTP__DRAIN_S="60") as running:
        for path in ("/v1/digits", "/classify"):
            with socket.create_connection(("127.0.0.1", running.port)) as connection:
                head = (
                    f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{{"
                )
                connection.sendall(head.encode())
        gone = re.compile(r'axon_http_requests_total\{.*status="499"\}')
        until(lambda: len(gone.findall(running.client.get("/metrics").text)) == 2, 10, "both being counted as gone")
        running.terminate()
        assert running.wait_for_exit(20) == 0

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.servers import REPOSITORY, Server
from training import strokes

CLIENT = """
import base64, json, sys
import bentoml

url, images, photograph = sys.argv[1], json.load(sys.stdin), open(sys.argv[2], "rb").read()
with bentoml.SyncHTTPClient(url) as client:
    read = client.classify(images=[*images, base64.b64encode(photograph).decode()], model="cnn", top_k=1)
    fired = client.gate(gate="xor", inputs=[[0, 1], [1, 1]])
print(json.dumps([read, fired]))
"""


def test_bentomls_own_client_reads_digits_and_gates(server: Server, tmp_path: Path) -> None:
    images, labels = strokes.draw_many(10, seed=9)
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, server.url, "examples/seven.png"],
        cwd=REPOSITORY,
        env=os.environ | {"BENTOML_HOME": str(tmp_path), "BENTOML_DO_NOT_TRACK": "true"},
        input=json.dumps(images.tolist()),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    read, fired = json.loads(done.stdout)
    assert [prediction["digit"] for prediction in read["predictions"]] == [*labels.tolist(), 7]
    assert [row["output"] for row in fired["outputs"]] == [1, 0]


def test_it_answers_as_the_rest_door_does(server: Server) -> None:
    body = {"images": [strokes.draw(5, np.random.default_rng(0)).tolist()]}
    bento = server.client.post("/classify", json=body).json()
    rest = server.client.post("/v1/digits", json=body).json()
    assert bento["predictions"] == rest["predictions"]
    assert bento["model"] == rest["model"]


def test_its_schema_is_published(server: Server) -> None:
    routes = {route["name"] for route in server.client.get("/schema.json").json()["routes"]}
    assert routes == {"classify", "gate"}


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/x.png", "file:///etc/passwd", "/etc/passwd"])
def test_it_fetches_no_address_and_opens_no_path(server: Server, address: str) -> None:
    answer = server.client.post("/classify", json={"images": [address]})
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_input"

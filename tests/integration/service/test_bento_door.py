import base64

import bentoml
import numpy as np
import pytest

from tests.servers import REPOSITORY, Server
from training import strokes


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the client's own
def test_bentomls_own_client_reads_digits_and_gates(server: Server) -> None:
    images, labels = strokes.draw_many(10, seed=9)
    photograph = base64.b64encode((REPOSITORY / "examples" / "seven.png").read_bytes()).decode()
    with bentoml.SyncHTTPClient(server.url) as client:
        answer = client.classify(images=[*images.tolist(), photograph], model="cnn", top_k=1)
        assert [prediction["digit"] for prediction in answer["predictions"]] == [*labels.tolist(), 7]
        fired = client.gate(gate="xor", inputs=[[0, 1], [1, 1]])
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

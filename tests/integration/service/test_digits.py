import base64
import io

import numpy as np
import pytest
from PIL import Image

from models.repository import Repository
from service.inference.onnx_engine import OnnxEngine
from tests.servers import REPOSITORY, Server
from training import strokes

DIGITS = range(10)


def encoded(picture: Image.Image, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    picture.save(out, kind)
    return out.getvalue()


def photographs(seed: int = 1) -> list[Image.Image]:
    rng = np.random.default_rng(seed)
    return [strokes.photograph(strokes.draw(digit, rng, size=160), rng) for digit in DIGITS]


def read(server: Server, *, model: str = "cnn", **request: object) -> list[dict]:
    answer = server.client.post("/v1/digits", params={"model": model}, **request)
    assert answer.status_code == 200, answer.text
    return answer.json()["predictions"]


@pytest.mark.parametrize("model", ["cnn", "rnn"])
@pytest.mark.parametrize("sample", ["seven.png", "three.jpg"])
def test_the_readmes_pictures_are_read(server: Server, model: str, sample: str) -> None:
    kind = "image/png" if sample.endswith("png") else "image/jpeg"
    content = (REPOSITORY / "examples" / sample).read_bytes()
    [prediction] = read(server, model=model, content=content, headers={"content-type": kind})
    assert prediction["digit"] == {"seven": 7, "three": 3}[sample.partition(".")[0]]
    assert prediction["accepted"] is True


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"])
def test_every_format_is_read(server: Server, kind: str) -> None:
    read_as = [
        read(server, content=encoded(picture, kind), headers={"content-type": f"image/{kind.lower()}"})[0]["digit"]
        for picture in photographs()
    ]
    assert sum(guess == digit for guess, digit in zip(read_as, DIGITS, strict=True)) >= 9, read_as


def test_all_ways_in_give_the_same_answer_in_order(server: Server) -> None:
    files = [encoded(picture) for picture in photographs()]
    text = [base64.b64encode(data).decode() for data in files]
    one_by_one = [read(server, content=data, headers={"content-type": "image/png"})[0] for data in files]
    in_json = read(server, json={"images": text})
    as_urls = read(server, json={"images": ["data:image/png;base64," + item for item in text]})
    in_a_form = read(server, files=[("image", ("x.png", data, "image/png")) for data in files])
    for others in (in_json, as_urls, in_a_form):
        assert [prediction["digit"] for prediction in others] == [prediction["digit"] for prediction in one_by_one]
        ours = [prediction["confidence"] for prediction in one_by_one]
        assert [prediction["confidence"] for prediction in others] == pytest.approx(ours, abs=1e-5)


@pytest.mark.parametrize("model", ["cnn", "rnn"])
def test_arrays_are_taken_as_they_are(server: Server, model: str) -> None:
    images, labels = strokes.draw_many(40, seed=5)
    predictions = read(server, model=model, json={"images": images.tolist()})
    right = sum(prediction["digit"] == label for prediction, label in zip(predictions, labels.tolist(), strict=True))
    assert right >= 38

    served = Repository(REPOSITORY / "models" / "published").open(model)
    logits = OnnxEngine(served, threads=1).predict(images).astype(np.float64) / served.manifest.temperature
    expected = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    given = [prediction["confidence"] for prediction in predictions]
    assert given == pytest.approx(expected.max(axis=1).tolist(), abs=1e-5)


def test_arrays_and_pictures_may_be_mixed(server: Server) -> None:
    rng = np.random.default_rng(3)
    picture = encoded(strokes.photograph(strokes.draw(4, rng, size=200), rng))
    mixed = [strokes.draw(2, rng).tolist(), base64.b64encode(picture).decode(), strokes.draw(0, rng).tolist()]
    assert [prediction["digit"] for prediction in read(server, json={"images": mixed})] == [2, 4, 0]


def test_the_answer_has_the_documented_shape(server: Server) -> None:
    image = strokes.draw(7, np.random.default_rng(0)).tolist()
    answer = server.client.post("/v1/digits?top_k=2", json={"images": [image]}).json()
    assert set(answer) == {"predictions", "model", "timing_ms", "request_id"}
    assert set(answer["timing_ms"]) == {"decode", "normalise", "queue", "compute"}
    assert all(0 <= milliseconds < 10_000 for milliseconds in answer["timing_ms"].values())
    assert set(answer["model"]) == {"name", "version", "sha256"}
    [prediction] = answer["predictions"]
    assert set(prediction) == {"digit", "confidence", "top", "accepted", "reason"}
    assert [set(candidate) for candidate in prediction["top"]] == [{"digit", "probability"}] * 2
    assert 0 < prediction["top"][1]["probability"] <= prediction["confidence"] <= 1


def test_explain_shows_what_the_model_saw(server: Server) -> None:
    image = strokes.draw(7, np.random.default_rng(0)).tolist()
    [prediction] = read(server, json={"images": [image]})
    assert "image" not in prediction
    answer = server.client.post("/v1/digits?explain=true", json={"images": [image]}).json()
    assert answer["predictions"][0]["image"] == image


def test_nothing_to_read_is_said_to_be_blank(server: Server) -> None:
    paper = encoded(Image.new("RGB", (200, 100), "white"))
    for predictions in (
        read(server, content=paper, headers={"content-type": "image/png"}),
        read(server, json={"images": [[[0] * 28] * 28]}),
    ):
        assert predictions == [{"digit": None, "confidence": 0.0, "top": [], "accepted": False, "reason": "blank"}]


def test_the_most_images_that_a_request_may_have(server: Server) -> None:
    images, labels = strokes.draw_many(1024, seed=2)
    predictions = read(server, json={"images": images.tolist()})
    right = np.mean([p["digit"] == label for p, label in zip(predictions, labels.tolist(), strict=True)])
    assert right > 0.95


def test_fractions_of_grey_are_rounded(server: Server) -> None:
    image = strokes.draw(7, np.random.default_rng(0))
    [whole, fractions] = read(server, json={"images": [image.tolist(), (image * 0.999).tolist()]})
    assert whole["digit"] == fractions["digit"] == 7

import base64
import io

import numpy as np
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from tests.servers import Server, until
from training import strokes

PER_REQUEST = 16
TENTH = 28 * 28 // 10


def answer(server: Server, images: np.ndarray, model: str, explain: bool = True) -> dict:
    response = server.client.post(
        "/v1/digits",
        params={"model": model, "explain": str(explain).lower(), "top_k": 10},
        json={"images": images.tolist()},
    )
    assert response.status_code == 200, response.text
    return response.json()


def explained(server: Server, images: np.ndarray, model: str) -> list[dict]:
    parts = [images[start : start + PER_REQUEST] for start in range(0, len(images), PER_REQUEST)]
    return [prediction for part in parts for prediction in answer(server, part, model)["predictions"]]


def confidences(server: Server, images: np.ndarray, digits: list[int], model: str) -> np.ndarray:
    """The probability of each image's digit."""
    predictions = answer(server, images, model, explain=False)["predictions"]
    tops = [{each["digit"]: each["probability"] for each in prediction["top"]} for prediction in predictions]
    return np.array([top.get(digit, 0.0) for top, digit in zip(tops, digits, strict=True)])


def rows(server: Server) -> float:
    """That the convolutional readers have run."""
    families = text_string_to_metric_families(server.client.get("/metrics").text)
    found = [sample for family in families for sample in family.samples if sample.name == "axon_inference_rows_total"]
    return sum(sample.value for sample in found if sample.labels["model"] == "cnn")


def blanked(images: np.ndarray, ranks: list[np.ndarray]) -> np.ndarray:
    """The images, each with the tenth of its pixels that ranks highest made paper."""
    left = images.copy()
    for image, rank in zip(left, ranks, strict=True):
        image.reshape(-1)[np.argsort(rank.ravel())[-TENTH:]] = 0
    return left


@pytest.mark.parametrize("model", ["cnn", "rnn"])
def test_the_most_salient_tenth_is_what_the_answer_rests_on(server: Server, model: str) -> None:
    images, _ = strokes.draw_many(208, seed=9)
    rng = np.random.default_rng(0)
    predictions = explained(server, images, model)
    digits = [prediction["digit"] for prediction in predictions]
    salient = blanked(images, [np.array(prediction["saliency"]) for prediction in predictions])
    random = blanked(images, [rng.random((28, 28)) for _ in images])
    random_ink = blanked(images, [(image > 0) * rng.random((28, 28)) for image in images])

    before = np.mean([prediction["confidence"] for prediction in predictions])
    fall, by_chance, by_chance_in_ink = (
        before - confidences(server, changed, digits, model).mean() for changed in (salient, random, random_ink)
    )
    assert fall > 0.5
    assert fall > 10 * by_chance
    assert fall > 1.3 * by_chance_in_ink


@pytest.mark.parametrize("model", ["cnn", "rnn"])
def test_an_explanation_has_the_documented_shape(server: Server, model: str) -> None:
    images, _ = strokes.draw_many(3, seed=5)
    document = answer(server, images, model)
    assert document["timing_ms"]["explain"] > 0
    for prediction, image in zip(document["predictions"], images, strict=True):
        assert prediction["image"] == image.tolist()
        saliency = np.array(prediction["saliency"])
        assert saliency.shape == (28, 28)
        assert np.abs(saliency).max() == 1
        picture = Image.open(io.BytesIO(base64.b64decode(prediction["saliency_png"].partition(",")[2])))
        assert (picture.format, picture.size) == ("PNG", (224, 224))
        assert ("steps" in prediction) == (model == "rnn")


def test_the_last_step_of_the_recurrent_reader_is_its_answer(server: Server) -> None:
    images, _ = strokes.draw_many(10, seed=6)
    for prediction in explained(server, images, "rnn"):
        steps = np.array(prediction["steps"])
        assert steps.shape == (28, 10)
        assert steps.sum(axis=1) == pytest.approx(1)
        assert steps[-1, prediction["digit"]] == pytest.approx(prediction["confidence"], abs=1e-3)


def test_nothing_is_added_unless_it_is_asked_for(server: Server) -> None:
    images, _ = strokes.draw_many(1, seed=5)
    document = answer(server, images, "rnn", explain=False)
    assert set(document["predictions"][0]) == {"digit", "confidence", "top", "accepted", "reason"}
    assert set(document["timing_ms"]) == {"decode", "normalise", "queue", "compute"}


def test_where_nothing_was_read_nothing_counts(server: Server) -> None:
    [prediction] = answer(server, np.zeros((1, 28, 28), np.uint8), "rnn")["predictions"]
    assert prediction["reason"] == "blank"
    assert not np.array(prediction["saliency"]).any()
    assert len(prediction["steps"]) == 28


def test_more_images_than_a_request_may_have_explained(server: Server) -> None:
    images, _ = strokes.draw_many(PER_REQUEST + 1, seed=5)
    refused = server.client.post("/v1/digits?explain=true", json={"images": images.tolist()})
    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
    assert refused.json()["error"] == "explain=true takes at most 16 images, got 17"


def test_explanations_are_counted_in_rows(server: Server) -> None:
    images, _ = strokes.draw_many(2, seed=5)
    before = rows(server)
    answer(server, images, "cnn")
    until(lambda: 200 < rows(server) - before < 400, 10, "the rows of two explanations being counted")


def test_an_explanation_keeps_to_the_deadline(server: Server) -> None:
    images, _ = strokes.draw_many(PER_REQUEST, seed=5)
    late = server.client.post(
        "/v1/digits?explain=true", json={"images": images.tolist()}, headers={"X-Request-Timeout-Ms": "20"}
    )
    assert late.status_code in (429, 504), late.text

"""Inference by unmodified clients: every encoding in and out gives what the REST door gives, to the bit."""

import base64
import io

import numpy as np
import pytest
from PIL import Image
from tritonclient.http import InferRequestedOutput
from tritonclient.utils import InferenceServerException

from tests.integration.conformance.triton import Client, tensor
from tests.servers import REPOSITORY, Server

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
FORMS = {"uint8": lambda images: images, "float32": lambda images: np.asarray(images / 255, np.float32)}
JSON, BINARY = False, True


def requested(*, probabilities: bool, digits: bool) -> list[InferRequestedOutput]:
    """Both outputs, each in binary or in JSON."""
    return [
        InferRequestedOutput("probabilities", binary_data=probabilities),
        InferRequestedOutput("digits", binary_data=digits),
    ]


OUTPUTS = {
    "all": None,
    "binary": requested(probabilities=BINARY, digits=BINARY),
    "json": requested(probabilities=JSON, digits=JSON),
    "mixed": requested(probabilities=BINARY, digits=JSON),
}


@pytest.mark.parametrize("outputs", OUTPUTS)
@pytest.mark.parametrize("sent", [BINARY, JSON], ids=["binary", "json"])
@pytest.mark.parametrize("form", FORMS)
def test_every_encoding_gives_the_answer_of_the_rest_door(
    client: Client, images: np.ndarray, probabilities: np.ndarray, form: str, sent: bool, outputs: str
) -> None:
    result = client.infer("cnn", [tensor("images", FORMS[form](images), binary=sent)], outputs=OUTPUTS[outputs])
    assert result.as_numpy("probabilities").dtype == np.float32
    assert np.array_equal(result.as_numpy("probabilities"), probabilities)
    assert np.array_equal(result.as_numpy("digits"), probabilities.argmax(axis=1))
    assert result.get_output("probabilities")["shape"] == [10, 10]
    assert result.get_output("digits")["datatype"] == "INT64"


@pytest.mark.parametrize("output", OUTPUTS)
def test_each_output_comes_as_it_was_asked_for(client: Client, images: np.ndarray, output: str) -> None:
    """All are binary where nothing is said, as the client's default asks."""
    result = client.infer("cnn", [tensor("images", images)], outputs=OUTPUTS[output])
    for name, width in (("probabilities", 40), ("digits", 8)):
        described = result.get_output(name)
        in_binary = output in ("all", "binary") or (output, name) == ("mixed", "probabilities")
        assert ("data" in described) is not in_binary
        assert described.get("parameters", {}).get("binary_data_size") == (10 * width if in_binary else None)


@pytest.mark.parametrize("name", ["probabilities", "digits"])
def test_only_what_is_asked_for_comes(client: Client, images: np.ndarray, name: str) -> None:
    result = client.infer("cnn", [tensor("images", images[:1])], outputs=[InferRequestedOutput(name)])
    assert [each["name"] for each in result.get_response()["outputs"]] == [name]


def test_outputs_come_in_the_order_in_which_they_are_asked_for(client: Client, images: np.ndarray) -> None:
    wanted = [InferRequestedOutput("digits"), InferRequestedOutput("probabilities")]
    result = client.infer("cnn", [tensor("images", images)], outputs=wanted)
    assert [each["name"] for each in result.get_response()["outputs"]] == ["digits", "probabilities"]
    assert np.array_equal(result.as_numpy("probabilities").argmax(axis=1), result.as_numpy("digits"))


@pytest.mark.parametrize("model", ["cnn", "rnn"])
@pytest.mark.parametrize("version", ["", "1", "2"])
def test_any_version_may_be_asked(client: Client, images: np.ndarray, model: str, version: str) -> None:
    answer = client.infer(model, [tensor("images", images)], model_version=version).get_response()
    assert (answer["model_name"], answer["model_version"]) == (model, version or "2")


@pytest.mark.parametrize("name", ["42", "", "order 66: \u00fcmlaut", "x" * 500])
def test_a_request_keeps_its_id(client: Client, images: np.ndarray, name: str) -> None:
    answer = client.infer("cnn", [tensor("images", images[:1])], request_id=name).get_response()
    assert answer.get("id", "") == name


@pytest.mark.parametrize("sent", [BINARY, JSON], ids=["binary", "json"])
@pytest.mark.parametrize("gate", ["and", "nand", "nor", "or", "xnor", "xor"])
def test_gates_answer_as_in_the_rest_door(client: Client, server: Server, gate: str, sent: bool) -> None:
    rest = server.client.post(f"/v1/gates/{gate}", json={"inputs": CORNERS.tolist()}).json()["outputs"]
    result = client.infer(f"gate-{gate}", [tensor("inputs", CORNERS, binary=sent)])
    assert result.as_numpy("outputs").tolist() == [[row["output"]] for row in rest]
    expected = np.array([[row["probability"]] for row in rest]).astype(np.float32)
    assert np.array_equal(result.as_numpy("probabilities"), expected)


@pytest.mark.parametrize("sent", [BINARY, JSON], ids=["binary", "json"])
def test_files_of_pictures_are_bytes(client: Client, server: Server, sent: bool) -> None:
    """In JSON a picture is base64 text: JSON has no bytes."""
    files = [(REPOSITORY / "examples" / name).read_bytes() for name in ("seven.png", "three.jpg")]
    texts = [base64.b64encode(file) for file in files]
    rest = server.client.post("/v1/digits?top_k=1", json={"images": [text.decode() for text in texts]}).json()
    pictures = np.array(files if sent else texts, np.object_)
    result = client.infer("cnn", [tensor("images", pictures, binary=sent)])
    assert result.as_numpy("digits").tolist() == [7, 3]
    expected = np.array([one["confidence"] for one in rest["predictions"]]).astype(np.float32)
    assert np.array_equal(result.as_numpy("probabilities").max(axis=1), expected)


@pytest.mark.parametrize("binary", [BINARY, JSON], ids=["binary", "json"])
@pytest.mark.parametrize("count", [1, 3, 10])
def test_classification_names_the_likeliest(
    client: Client, images: np.ndarray, probabilities: np.ndarray, binary: bool, count: int
) -> None:
    wanted = [InferRequestedOutput("probabilities", binary_data=binary, class_count=count)]
    classes = client.infer("cnn", [tensor("images", images)], outputs=wanted).as_numpy("probabilities")
    assert classes.shape == (10, count)
    for row, likelihoods in zip(classes, probabilities, strict=True):
        parts = [(each.decode() if isinstance(each, bytes) else each).split(":") for each in row]
        assert [int(index) for _, index, _ in parts] == np.argsort(-likelihoods, kind="stable")[:count].tolist()
        assert [label for _, _, label in parts] == [index for _, index, _ in parts]
        assert [float(value) for value, _, _ in parts] == pytest.approx(np.sort(likelihoods)[::-1][:count], abs=1e-6)


def test_a_large_batch_goes_through(client: Client, images: np.ndarray, probabilities: np.ndarray) -> None:
    batch = np.tile(images, (100, 1, 1))
    result = client.infer("cnn", [tensor("images", batch)])
    assert result.as_numpy("probabilities").shape == (1000, 10)
    assert np.allclose(result.as_numpy("probabilities"), np.tile(probabilities, (100, 1)), atol=1e-6)


def test_many_at_once_are_each_answered(client: Client, images: np.ndarray, probabilities: np.ndarray) -> None:
    results = client.together(64, "cnn", [tensor("images", images)])
    assert len(results) == 64
    for result in results:
        assert np.allclose(result.as_numpy("probabilities"), probabilities, atol=1e-6)


@pytest.mark.parametrize("options", [{"priority": 1}, {"timeout": 10_000_000}, {"parameters": {"mine": "x", "n": 3}}])
def test_what_a_request_may_say_besides_changes_no_answer(
    client: Client, images: np.ndarray, probabilities: np.ndarray, options: dict
) -> None:
    result = client.infer("cnn", [tensor("images", images)], **options)
    assert np.array_equal(result.as_numpy("probabilities"), probabilities)


def extras() -> dict[str, dict]:
    """What may come along; made anew for each request, for the clients write into the headers."""
    headers = {"X-Request-ID": "order-66", "X-Request-Timeout-Ms": "5000"}
    return {"headers": headers, "query_params": {"tenant": "x y&z", "n": [1, 2]}}


def test_headers_and_query_parameters_may_come_along(client: Client, images: np.ndarray) -> None:
    given = [tensor("images", images)]
    assert client.infer("cnn", given, **extras()).as_numpy("digits").tolist() == list(range(10))
    assert client.get_model_metadata("cnn", **extras())["name"] == "cnn"
    assert client.is_model_ready("cnn", **extras())
    with pytest.raises(InferenceServerException, match="unknown model") as refused:
        client.infer("nobody", given, **extras())
    assert refused.value.status() == "404"


def test_a_png_of_an_image_is_read_as_imaging_reads_it(client: Client, server: Server, images: np.ndarray) -> None:
    file = io.BytesIO()
    Image.fromarray(images[4]).save(file, "PNG")
    rest = server.client.post("/v1/digits", content=file.getvalue(), headers={"content-type": "image/png"}).json()
    result = client.infer("cnn", [tensor("images", np.array([file.getvalue()], np.object_))])
    assert np.float32(rest["predictions"][0]["confidence"]) == result.as_numpy("probabilities").max()

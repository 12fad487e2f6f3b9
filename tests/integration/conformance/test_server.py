"""What clients ask about the server and its models before they send it anything."""

import pytest
from tritonclient.utils import InferenceServerException

from service import VERSION
from tests.integration.conformance.triton import Client
from tests.servers import Server

DIGITS = ("cnn", "rnn")
GATES = tuple(f"gate-{gate}" for gate in ("and", "nand", "nor", "or", "xnor", "xor"))
EXTENSIONS = {
    "binary_tensor_data",
    "classification",
    "model_configuration",
    "model_repository",
    "schedule_policy",
    "statistics",
}


def test_it_is_live_and_ready(client: Client) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()


@pytest.mark.parametrize("model", [*DIGITS, *GATES])
def test_each_model_is_ready(client: Client, model: str) -> None:
    assert client.is_model_ready(model)
    assert client.is_model_ready(model, "1")


def test_what_is_not_there_is_not_ready(client: Client) -> None:
    assert not client.is_model_ready("nobody")
    assert not client.is_model_ready("cnn", "99")


def test_the_server_says_who_it_is_and_what_works(client: Client) -> None:
    metadata = client.get_server_metadata()
    assert (metadata["name"], metadata["version"]) == ("axon", VERSION)
    assert set(metadata["extensions"]) >= EXTENSIONS
    assert not set(metadata["extensions"]) & {"sequence", "trace", "logging", "cuda_shared_memory"}


@pytest.mark.parametrize("model", DIGITS)
@pytest.mark.parametrize("version", ["", "1"])
def test_a_reader_says_what_it_takes(client: Client, model: str, version: str) -> None:
    metadata = client.get_model_metadata(model, version)
    assert metadata["name"] == model
    assert metadata["versions"] == ["1", "2"]
    assert metadata["properties"]["version"] == (version or "2")
    assert metadata["platform"]
    assert [(one["name"], one["shape"]) for one in metadata["inputs"]] == [("images", [-1, 28, 28])]
    assert metadata["outputs"] == [
        {"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]},
        {"name": "digits", "datatype": "INT64", "shape": [-1]},
    ]


@pytest.mark.parametrize("model", GATES)
def test_a_gate_says_what_it_takes(client: Client, model: str) -> None:
    metadata = client.get_model_metadata(model)
    assert metadata["inputs"] == [{"name": "inputs", "datatype": "FP32", "shape": [-1, 2]}]
    assert metadata["outputs"] == [
        {"name": "probabilities", "datatype": "FP32", "shape": [-1, 1]},
        {"name": "outputs", "datatype": "INT64", "shape": [-1, 1]},
    ]


@pytest.mark.parametrize("model", ["cnn", "gate-xor"])
def test_the_configuration_is_what_load_generators_need(client: Client, model: str) -> None:
    """perf_analyzer drops the first dimension of the metadata's shapes where a model has a largest batch."""
    config, metadata = client.get_model_config(model, "1"), client.get_model_metadata(model, "1")
    assert config["name"] == model
    assert config["max_batch_size"] > 0
    assert {one["name"] for one in config["input"]} == {one["name"] for one in metadata["inputs"]}
    assert {one["name"] for one in config["output"]} == {one["name"] for one in metadata["outputs"]}
    assert all(one["shape"][0] == -1 for one in (*metadata["inputs"], *metadata["outputs"]))


def test_the_index_has_every_version(client: Client, server: Server) -> None:
    listed = {(each["name"], each["version"]): each for each in client.get_model_repository_index()}
    published = server.client.get("/v1/models").json()["models"]
    assert {(each["name"], str(each["version"])) for each in published} == set(listed)
    assert {each["state"] for each in listed.values()} == {"READY"}
    assert {each["reason"] for each in listed.values()} == {""}


@pytest.mark.parametrize("method", ["get_model_metadata", "get_model_config", "get_inference_statistics"])
@pytest.mark.parametrize(("model", "version"), [("nobody", ""), ("cnn", "99"), ("a%b c?#", "")])
def test_questions_about_nobody_are_answered_with_the_reason(
    client: Client, method: str, model: str, version: str
) -> None:
    with pytest.raises(InferenceServerException, match=r"unknown model|version") as refused:
        getattr(client, method)(model, version)
    assert refused.value.status() == "404"

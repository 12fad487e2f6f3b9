"""Each wrong request gets a 4xx with a sentence that tritonclient shows to its user."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest
from tritonclient.http import InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from tests.integration.conformance.triton import Client, tensor

ONE = np.zeros((1, 28, 28), np.uint8)
ROW = np.array([[0, 1]], np.float32)


class Wrong(NamedTuple):
    """A request, and what must be said of it: a status, and a part of the sentence."""

    what: str
    status: str
    said: str
    inputs: list[InferInput]
    model: str = "cnn"
    more: Mapping[str, Any] = MappingProxyType({})


def shared_memory() -> InferInput:
    wanted = InferInput("images", [1, 28, 28], "UINT8")
    return wanted.set_shared_memory("region", 784)


def asking(*outputs: InferRequestedOutput) -> dict[str, Any]:
    return {"outputs": list(outputs)}


def from_shared_memory(name: str) -> InferRequestedOutput:
    wanted = InferRequestedOutput(name)
    wanted.set_shared_memory("region", 40)
    return wanted


WRONG = [
    Wrong("an unknown model", "404", "unknown model", [tensor("images", ONE)], model="nobody"),
    Wrong("a model with an odd name", "404", "unknown model", [tensor("images", ONE)], model="a b%?#é"),
    Wrong("an unknown version", "404", "99", [tensor("images", ONE)], more={"model_version": "99"}),
    Wrong("a version of text", "404", "version", [tensor("images", ONE)], more={"model_version": "latest"}),
    Wrong("an unknown output", "400", "logits", [tensor("images", ONE)], more=asking(InferRequestedOutput("logits"))),
    Wrong(
        "an output twice",
        "400",
        "twice",
        [tensor("images", ONE)],
        more=asking(InferRequestedOutput("digits"), InferRequestedOutput("digits")),
    ),
    Wrong("no input", "400", "inputs", []),
    Wrong("an unknown input", "400", "pictures", [tensor("pictures", ONE)]),
    Wrong("an input too many", "400", "mask", [tensor("images", ONE), tensor("mask", ONE)]),
    Wrong("an input twice", "400", "images", [tensor("images", ONE), tensor("images", ONE)]),
    Wrong("another model's input", "400", "inputs", [tensor("inputs", ROW)]),
    Wrong("whole numbers of 32 bits", "400", "INT32", [tensor("images", ONE.astype(np.int32))]),
    Wrong("doubles", "400", "FP64", [tensor("images", ONE.astype(np.float64))]),
    Wrong("booleans", "400", "BOOL", [tensor("images", ONE.astype(bool))]),
    Wrong("booleans for a gate", "400", "BOOL", [tensor("inputs", ROW.astype(bool))], model="gate-and"),
    Wrong("a row short", "400", "27", [tensor("images", ONE[:, :27])]),
    Wrong("no batch dimension", "400", "28, 28", [tensor("images", ONE[0])]),
    Wrong("a channel", "400", "1, 1, 28, 28", [tensor("images", ONE[None])]),
    Wrong("a flat image", "400", "784", [tensor("images", ONE.reshape(1, 784))]),
    Wrong("three inputs of a gate", "400", "3", [tensor("inputs", np.zeros((1, 3), np.float32))], model="gate-and"),
    Wrong("no images", "400", "0", [tensor("images", ONE[:0])]),
    Wrong("no images, in JSON", "400", "0", [tensor("images", ONE[:0], binary=False)]),
    Wrong("no rows", "400", "0", [tensor("inputs", ROW[:0])], model="gate-and"),
    Wrong("fewer bytes than the shape", "400", "784", [tensor("images", ONE, shape=(2, 28, 28))]),
    Wrong("more bytes than the shape", "400", "784", [tensor("images", np.tile(ONE, (2, 1, 1)), shape=(1, 28, 28))]),
    Wrong("fewer numbers than the shape", "400", "784", [tensor("images", ONE, binary=False, shape=(2, 28, 28))]),
    Wrong("a negative dimension", "400", "-1", [tensor("images", ONE, shape=(-1, 28, 28))]),
    Wrong("a shape beyond 64 bits", "400", "shape", [tensor("images", ONE, shape=(2**62, 28, 28))]),
    Wrong("a shape that comes round to 0", "400", "shape", [tensor("images", ONE, shape=(2**32, 2**32, 28))]),
    Wrong("not a number", "400", "0 to 1", [tensor("images", np.full((1, 28, 28), np.nan, np.float32))]),
    Wrong("infinity", "400", "0 to 1", [tensor("inputs", ROW + np.float32(np.inf))], model="gate-and"),
    Wrong("floats of 0..255", "400", "0 to 1", [tensor("images", np.full((1, 28, 28), 255, np.float32))]),
    Wrong("a gate's input of 2", "400", "0 to 1", [tensor("inputs", ROW * 2)], model="gate-xor"),
    Wrong("bytes that are no picture", "415", "picture", [tensor("images", np.array([b"text"], np.object_))]),
    Wrong("an empty picture", "415", "picture", [tensor("images", np.array([b""], np.object_))]),
    Wrong("bytes for a gate", "400", "BYTES", [tensor("inputs", np.array([b"1"], np.object_))], model="gate-and"),
    Wrong("too many images", "413", "1024", [tensor("images", np.zeros((1025, 28, 28), np.uint8))]),
    Wrong("too many bytes", "413", "10000000", [tensor("images", np.zeros((12_800, 28, 28), np.uint8))]),
    Wrong("shared memory", "400", "shared memory", [shared_memory()]),
    Wrong(
        "an answer in shared memory",
        "400",
        "shared memory",
        [tensor("images", ONE)],
        more=asking(from_shared_memory("probabilities")),
    ),
    Wrong(
        "a negative number of classes",
        "400",
        "classification",
        [tensor("images", ONE)],
        more=asking(InferRequestedOutput("probabilities", class_count=-1)),
    ),
    Wrong(
        "classes of what has none",
        "400",
        "classification",
        [tensor("images", ONE)],
        more=asking(InferRequestedOutput("digits", class_count=1)),
    ),
    Wrong("a timeout of text", "400", "timeout", [tensor("images", ONE)], more={"timeout": "soon"}),
    Wrong("a negative timeout", "400", "timeout", [tensor("images", ONE)], more={"timeout": -1}),
    Wrong("a priority of text", "400", "priority", [tensor("images", ONE)], more={"priority": "first"}),
]


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # aiohttp's advice on the largest one
@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.what)
def test_a_wrong_request_is_told_what_is_wrong(client: Client, wrong: Wrong) -> None:
    with pytest.raises(InferenceServerException) as refused:
        client.infer(wrong.model, wrong.inputs, **wrong.more)
    assert refused.value.status() == wrong.status, refused.value.message()
    assert wrong.said in refused.value.message()
    assert "exception occurred in the client" not in refused.value.message(), "it could not read the error"
    assert len(refused.value.message()) > 20, "a sentence, not a word"


def test_a_client_goes_on_after_an_error(client: Client, images: np.ndarray) -> None:
    for _ in range(3):
        with pytest.raises(InferenceServerException):
            client.infer("cnn", [tensor("images", ONE, shape=(2, 28, 28))])
        assert client.infer("cnn", [tensor("images", images)]).as_numpy("digits").shape == (10,)


UNSUPPORTED = [
    ("get_trace_settings", ()),
    ("update_trace_settings", ()),
    ("get_log_settings", ()),
    ("update_log_settings", ({},)),
    ("get_system_shared_memory_status", ()),
    ("register_system_shared_memory", ("region", "key", 10)),
    ("unregister_system_shared_memory", ()),
    ("get_cuda_shared_memory_status", ()),
    ("register_cuda_shared_memory", ("region", b"key", 0, 10)),
    ("unregister_cuda_shared_memory", ()),
]


@pytest.mark.parametrize(("method", "arguments"), UNSUPPORTED, ids=[method for method, _ in UNSUPPORTED])
def test_extensions_that_are_not_listed_are_not_there(client: Client, method: str, arguments: tuple) -> None:
    with pytest.raises(InferenceServerException, match="/docs") as refused:
        getattr(client, method)(*arguments)
    assert refused.value.status() == "404"

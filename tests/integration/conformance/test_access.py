"""Keys, as unmodified clients present them: with a plugin for all requests, or as headers of one."""

import json
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest
from tritonclient.http import InferenceServerClientPlugin
from tritonclient.utils import InferenceServerException

from service import keys
from tests import bundles
from tests.integration.conformance.triton import Client, tensor
from tests.servers import Server, serving

SEVEN = tensor("images", np.stack([bundles.image_of(7)]))


class Key(InferenceServerClientPlugin):
    """Adds a key to each request."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: object) -> None:
        request.headers["Authorization"] = f"Bearer {self._key}"


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    """A key that opens, and one that manages."""
    return {"keys": keys.make(), "management_keys": keys.make()}


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, made: dict[str, str]) -> Iterator[Server]:
    """A server that takes these keys."""
    folder = tmp_path_factory.mktemp("locked")
    bundles.publish(folder / "models", "cnn")
    access = {f"AXON_ACCESS__{name.upper()}": json.dumps({"x": keys.hash_line(key)}) for name, key in made.items()}
    settings = {"AXON_MODELS__ROOT": str(folder / "models"), "AXON_HTTP__WORKERS": "1", **access}
    with serving(folder / "log", **settings) as running:
        yield running


@pytest.fixture
def client(kind: type[Client], locked: Server) -> Iterator[Client]:
    """Without a key."""
    with closing(kind(f"127.0.0.1:{locked.port}")) as opened:
        yield opened


def test_health_needs_no_key(client: Client) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("cnn")
    assert client.is_model_ready("cnn", "1")


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("infer", ("cnn", [SEVEN])),
        ("get_server_metadata", ()),
        ("get_model_metadata", ("cnn",)),
        ("get_model_config", ("cnn",)),
        ("get_inference_statistics", ()),
        ("get_model_repository_index", ()),
        ("load_model", ("cnn",)),
        ("unload_model", ("cnn",)),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_everything_else_does(client: Client, method: str, arguments: tuple) -> None:
    with pytest.raises(InferenceServerException, match="this takes a key") as refused:
        getattr(client, method)(*arguments)
    assert refused.value.status() == "401"


def test_a_key_may_be_a_header_of_one_request(client: Client, made: dict[str, str]) -> None:
    for headers in ({"Authorization": f"Bearer {made['keys']}"}, {"X-API-Key": made["keys"]}):
        assert client.infer("cnn", [SEVEN], headers=headers).as_numpy("digits").tolist() == [7]
    with pytest.raises(InferenceServerException) as refused:
        client.infer("cnn", [SEVEN])
    assert refused.value.status() == "401"


def test_a_plugin_presents_it_with_each(client: Client, made: dict[str, str]) -> None:
    client.register_plugin(Key(made["keys"]))
    assert client.infer("cnn", [SEVEN]).as_numpy("digits").tolist() == [7]
    with pytest.raises(InferenceServerException, match="management key") as refused:
        client.load_model("cnn")
    assert refused.value.status() == "403"


def test_a_management_key_also_loads(client: Client, made: dict[str, str]) -> None:
    headers = {"X-API-Key": made["management_keys"]}
    client.load_model("cnn", headers=headers)
    client.unload_model("cnn", headers=headers)
    assert not client.is_model_ready("cnn")
    client.load_model("cnn", headers=headers)
    assert client.infer("cnn", [SEVEN], headers=headers).as_numpy("digits").tolist() == [7]

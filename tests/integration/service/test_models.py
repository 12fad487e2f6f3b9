import json
from pathlib import Path

from models.repository import Repository
from tests.servers import Server


def test_every_published_model_is_ready(server: Server, published: Path) -> None:
    listing = server.client.get("/v1/models").json()["models"]
    repository = Repository(published)
    assert {model["name"] for model in listing} == set(repository.names())
    for model in listing:
        assert model["state"] == "READY", model
        assert model["reason"] is None
    defaults = {model["name"]: model["version"] for model in listing if model["default"]}
    assert defaults == {name: repository.default(name) for name in repository.names()}


def test_a_model_shows_its_manifest_and_its_card(server: Server, published: Path) -> None:
    shown = server.client.get("/v1/models/cnn").json()
    folder = published / "cnn" / str(shown["version"])
    assert shown["manifest"] == json.loads((folder / "manifest.json").read_text())
    card = server.client.get("/v1/models/cnn/card")
    assert card.headers["content-type"].startswith("text/markdown")
    assert card.text == (folder / "card.md").read_text()


def test_unknown_models_and_versions_are_404(server: Server) -> None:
    for path in ("/v1/models/gpt", "/v1/models/cnn?version=99", "/v1/models/gpt/card"):
        answer = server.client.get(path)
        assert answer.status_code == 404
        assert answer.json()["code"] == "unknown_model"

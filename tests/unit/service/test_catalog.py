import asyncio
from pathlib import Path

import numpy as np
import pytest

from models import bundle
from service.errors import NotReady, UnknownModel
from service.inference.catalog import State
from tests import bundles
from tests.stewards import Worker


def break_weights(folder: Path) -> None:
    (folder / bundle.WEIGHTS).write_bytes(b"")


def test_one_bad_bundle_is_listed_as_failed_while_the_others_serve(tmp_path: Path) -> None:
    root = tmp_path / "models"
    bundles.publish(root, "cnn")
    break_weights(bundles.publish(root, "rnn"))
    catalog = Worker(root).catalog
    states = {entry.name: (entry.state, entry.reason) for entry in catalog.entries()}
    assert states["cnn"] == (State.READY, None)
    assert states["rnn"][0] is State.FAILED
    assert states["rnn"][1].startswith("WrongSize: rnn/1: weights.safetensors")
    with pytest.raises(NotReady, match="'rnn' version 1 failed to load"):
        catalog.get("rnn")
    assert catalog.get("cnn").version == 1


def test_a_loaded_model_answers(tmp_path: Path) -> None:
    root = tmp_path / "models"
    bundles.publish(root, "cnn")

    catalog = Worker(root).catalog

    async def scenario() -> np.ndarray:
        answer = await catalog.get("cnn").infer(np.stack([bundles.image_of(7), bundles.image_of(2)]), np.inf)
        await catalog.close(1)
        return answer.outputs["probabilities"]

    assert asyncio.run(scenario()).argmax(axis=1).tolist() == [7, 2]


def test_the_newest_versions_are_loaded_and_the_pinned_one(tmp_path: Path) -> None:
    root = tmp_path / "models"
    for version in (1, 2, 3, 4):
        bundles.publish(root, "cnn", version)
    catalog = Worker(root, pins={"cnn": 1}, keep=2).catalog
    assert [entry.version for entry in catalog.entries()] == [1, 3, 4]
    assert catalog.get("cnn").version == 1
    assert catalog.get("cnn", 4).version == 4
    with pytest.raises(UnknownModel, match="no version 2 here; available: 1, 3, 4"):
        catalog.get("cnn", 2)


def test_a_pin_to_nothing_is_a_failure_of_that_model_alone(tmp_path: Path) -> None:
    root = tmp_path / "models"
    bundles.publish(root, "cnn")
    bundles.publish(root, "rnn")
    catalog = Worker(root, pins={"rnn": 9}).catalog
    assert catalog.get("cnn").version == 1
    with pytest.raises(NotReady):
        catalog.get("rnn")


def test_a_pin_of_a_model_that_is_not_published_is_shown(tmp_path: Path) -> None:
    root = tmp_path / "models"
    bundles.publish(root, "cnn")
    [_, unknown] = Worker(root, pins={"cnnn": 1}).catalog.entries()
    assert (unknown.name, unknown.state) == ("cnnn", State.FAILED)
    assert "no model 'cnnn'" in unknown.reason


def test_readiness_asks_for_the_required_models(tmp_path: Path) -> None:
    root = tmp_path / "models"
    bundles.publish(root, "cnn")
    assert Worker(root, required=("cnn",)).catalog.why_not_ready() is None
    assert Worker(root, required=("cnn", "rnn")).catalog.why_not_ready() == "required model rnn is not loaded"

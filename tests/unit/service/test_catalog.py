import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from models import bundle
from service.errors import NotReady, UnknownModel
from service.inference.catalog import TIMED, Catalog, GoldenMismatch, State, check_golden
from service.settings import Inference, Models
from tests import bundles


def load(root: Path, **models: object) -> Catalog:
    catalog = Catalog(Models(root=root, **{"required": (), **models}), Inference(engine="onnx"), threads=1)
    catalog.load()
    return catalog


def break_weights(folder: Path) -> None:
    (folder / bundle.WEIGHTS).write_bytes(b"")


def test_one_bad_bundle_is_listed_as_failed_while_the_others_serve(tmp_path: Path) -> None:
    bundles.publish(tmp_path, "cnn")
    break_weights(bundles.publish(tmp_path, "rnn"))
    catalog = load(tmp_path)
    states = {entry.name: (entry.state, entry.reason) for entry in catalog.entries()}
    assert states["cnn"] == (State.READY, None)
    assert states["rnn"][0] is State.FAILED
    assert states["rnn"][1].startswith("WrongSize: rnn/1: weights.safetensors")
    with pytest.raises(NotReady, match="'rnn' version 1 failed to load"):
        catalog.get("rnn")
    assert catalog.get("cnn").version == 1


def test_a_loaded_model_answers(tmp_path: Path) -> None:
    bundles.publish(tmp_path, "cnn")

    async def scenario() -> np.ndarray:
        catalog = load(tmp_path)
        answer = await catalog.get("cnn").infer(np.stack([bundles.image_of(7), bundles.image_of(2)]), np.inf)
        await catalog.close(1)
        return answer.outputs["probabilities"]

    assert asyncio.run(scenario()).argmax(axis=1).tolist() == [7, 2]


def test_the_newest_versions_are_loaded_and_the_pinned_one(tmp_path: Path) -> None:
    for version in (1, 2, 3, 4):
        bundles.publish(tmp_path, "cnn", version)
    catalog = load(tmp_path, pins={"cnn": 1}, keep=2)
    assert [entry.version for entry in catalog.entries()] == [1, 3, 4]
    assert catalog.get("cnn").version == 1
    assert catalog.get("cnn", 4).version == 4
    with pytest.raises(UnknownModel, match="no version 2 here; available: 1, 3, 4"):
        catalog.get("cnn", 2)


def test_a_pin_to_nothing_is_a_failure_of_that_model_alone(tmp_path: Path) -> None:
    bundles.publish(tmp_path, "cnn")
    bundles.publish(tmp_path, "rnn")
    catalog = load(tmp_path, pins={"rnn": 9})
    assert catalog.get("cnn").version == 1
    with pytest.raises(NotReady):
        catalog.get("rnn")


def test_a_pin_of_a_model_that_is_not_published_is_shown(tmp_path: Path) -> None:
    bundles.publish(tmp_path, "cnn")
    [_, unknown] = load(tmp_path, pins={"cnnn": 1}).entries()
    assert (unknown.name, unknown.state) == ("cnnn", State.FAILED)
    assert "no model 'cnnn'" in unknown.reason


def test_readiness_asks_for_the_required_models(tmp_path: Path) -> None:
    bundles.publish(tmp_path, "cnn")
    assert load(tmp_path, required=("cnn",)).why_not_ready() is None
    assert load(tmp_path, required=("cnn", "rnn")).why_not_ready() == "required model rnn is not loaded"


@pytest.mark.parametrize(("runs_graph", "wanted"), [(True, "quantised_logits"), (False, "logits")])
def test_a_quantised_graph_is_held_to_its_own_golden_logits(tmp_path: Path, runs_graph: bool, wanted: str) -> None:
    inputs = np.stack([bundles.image_of(digit) for digit in range(10)])
    golden = {"logits": np.zeros((10, 10), np.float32), "quantised_logits": np.ones((10, 10), np.float32)}
    folder = bundles.publish(tmp_path, other={bundle.GOLDEN: save({"inputs": inputs} | golden)})

    class Says:
        platform = "fake"

        def __init__(self, level: float) -> None:
            self.runs_graph = runs_graph
            self._level = level

        def predict(self, rows: np.ndarray) -> np.ndarray:
            return np.full((len(rows), 10), self._level, np.float32)

    read = bundle.read(folder)
    check_golden(Says(golden[wanted][0, 0]), read)
    with pytest.raises(GoldenMismatch):
        check_golden(Says(1 - golden[wanted][0, 0]), read)


class Answering:
    """Gives the golden logits of tests.bundles, but for what `spoil` does to those of some call, counted from 0."""

    platform = "fake"
    runs_graph = True

    def __init__(self, spoil: Callable[[int, np.ndarray], None]) -> None:
        self._calls = 0
        self._spoil = spoil

    def predict(self, rows: np.ndarray) -> np.ndarray:
        logits = rows[:, 0, :10] * bundles.SCALE
        self._spoil(self._calls, logits)
        self._calls += 1
        return logits


@pytest.mark.parametrize("spoilt", range(1 + TIMED))
@pytest.mark.parametrize("by", [1.0, np.nan])
def test_a_graph_that_once_disagrees_with_its_golden_logits_is_not_served(
    tmp_path: Path, spoilt: int, by: float
) -> None:
    def spoil(call: int, logits: np.ndarray) -> None:
        logits[0, 3] += by if call == spoilt else 0

    with pytest.raises(GoldenMismatch):
        check_golden(Answering(spoil), bundle.read(bundles.publish(tmp_path)))


def test_a_pause_while_loading_is_not_taken_for_a_slow_engine(tmp_path: Path) -> None:
    def pause(call: int, _: np.ndarray) -> None:
        time.sleep(0.2 * (call == 1))

    assert check_golden(Answering(pause), bundle.read(bundles.publish(tmp_path))) < 0.2

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from models import bundle
from models.repository import Repository
from service.inference.catalog import State
from service.inference.loader import TIMED, GoldenMismatch, Loader, check_golden
from service.settings import Inference
from tests import bundles


def test_a_version_that_cannot_be_loaded_has_failed_with_the_reason(tmp_path: Path) -> None:
    loader = Loader(Repository(tmp_path), Inference(engine="onnx"), threads=1)
    folder = bundles.publish(tmp_path, "cnn")
    assert loader.load("cnn", 1).state is State.READY
    (folder / bundle.WEIGHTS).write_bytes(b"")
    failed = loader.load("cnn", 1)
    assert (failed.state, failed.model) == (State.FAILED, None)
    assert failed.reason.startswith("WrongSize: cnn/1: weights.safetensors")
    assert loader.load("cnn", 2).reason.startswith("UnknownVersion: ")


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

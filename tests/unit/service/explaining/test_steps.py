from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save

from models import bundle
from models.bundle import WEIGHTS, Bundle
from models.manifest import Manifest
from models.networks.rnn import RecurrentConfig, RecurrentReader
from models.repository import Repository
from service.explaining import read_steps
from service.inference.onnx_engine import OnnxEngine
from service.inference.predictions import softmax
from tests.servers import REPOSITORY
from training.strokes import draw_many

VERSIONS = Repository(REPOSITORY / "models" / "published", {}).versions("rnn")


@pytest.fixture(scope="module")
def rnn(published: Path) -> Bundle:
    return newest(published, "rnn")


def beliefs(network: RecurrentReader, image: np.ndarray, manifest: Manifest) -> np.ndarray:
    """Calibrated probabilities of a network that is shown the first line, the first two, and so on: float[28, 10]."""
    preprocessing = manifest.input.preprocessing
    standard = (torch.tensor(image / 255, dtype=torch.float32) - preprocessing.mean) / preprocessing.std
    is_rows = network.config.lines == "rows"
    prefixes = [standard[:count] if is_rows else standard[:, :count] for count in range(1, 29)]
    with torch.no_grad():
        logits = torch.cat([network(prefix[None]) for prefix in prefixes])
    return torch.softmax(logits / manifest.temperature, 1).numpy()


def newest(published: Path, name: str) -> Bundle:
    repository = Repository(published, {})
    return bundle.read(published / name / str(repository.versions(name)[-1]))


def test_the_last_step_is_what_the_served_graph_answers(rnn: Bundle) -> None:
    images, _ = draw_many(20, seed=3)
    answered = softmax(OnnxEngine(rnn, threads=1).predict(images), rnn.manifest.temperature)
    last = [read_steps(image, rnn)[-1] for image in images]
    assert np.abs(np.array(last) - answered).max() < 1e-3


@pytest.mark.parametrize("lines", ["rows", "columns"])
def test_each_step_is_what_the_network_answers_to_the_lines_so_far(rnn: Bundle, lines: str) -> None:
    torch.manual_seed(0)
    network = RecurrentReader(RecurrentConfig(hidden=24, lines=lines)).eval()
    spec = rnn.manifest.network.model_copy(update={"config": network.config.model_dump()})
    manifest = rnn.manifest.model_copy(update={"network": spec, "temperature": 1.7})
    weights = save({name: tensor.numpy() for name, tensor in network.state_dict().items()})
    image = draw_many(8, seed=1)[0][7]
    steps = read_steps(image, Bundle(manifest, rnn.sha256, {WEIGHTS: weights}))

    assert steps.shape == (28, 10)
    assert np.abs(steps - beliefs(network, image, manifest)).max() < 1e-6


@pytest.mark.parametrize("version", VERSIONS)
def test_each_step_of_what_is_published_is_what_its_network_answers(published: Path, version: int) -> None:
    """Also where a detector adds to all logits alike."""
    reader = bundle.read(published / "rnn" / str(version))
    network = RecurrentReader(RecurrentConfig(**reader.manifest.network.config)).eval()
    network.load_state_dict({name: torch.tensor(array) for name, array in load(reader.files[WEIGHTS]).items()})
    for image in draw_many(5, seed=7)[0]:
        assert np.abs(read_steps(image, reader) - beliefs(network, image, reader.manifest)).max() < 1e-5


def test_confidence_comes_as_rows_go_in(rnn: Bundle) -> None:
    images, labels = draw_many(40, seed=2)
    believed = np.mean([read_steps(image, rnn)[:, label] for image, label in zip(images, labels, strict=True)], axis=0)
    assert believed[0] < 0.4
    assert believed[-1] > 0.9


def test_a_convolutional_reader_has_no_steps(published: Path) -> None:
    assert read_steps(np.zeros((28, 28), np.uint8), newest(published, "cnn")) is None

from pathlib import Path

import pytest
import torch
from torch import Tensor

from models.networks import build
from training import data, outliers, run
from training.cnn import RECIPE
from training.loop import train
from training.options import Options

CONFIG = {"stem": 8, "width": 16}
TINY = RECIPE.model_copy(update={"name": "tiny", "config": CONFIG, "epochs": 12, "batch_size": 32, "averaging": 0.9})


def learn(folder: Path, detector: int) -> torch.nn.Module:
    recipe = TINY.model_copy(update={"detector": detector})
    return run.find(train(recipe, Options(dataset="sklearn", runs=folder, device="cpu")).folder).load_network()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> torch.nn.Module:
    return learn(tmp_path_factory.mktemp("plain"), 0)


@pytest.fixture(scope="module")
def detecting(tmp_path_factory: pytest.TempPathFactory) -> torch.nn.Module:
    return learn(tmp_path_factory.mktemp("detecting"), 16)


@pytest.fixture(scope="module")
def digits() -> Tensor:
    return data.small_digits().images[:200].float() / 255


def read(network: torch.nn.Module, images: Tensor) -> Tensor:
    with torch.inference_mode():
        logits: Tensor = network((images - data.MEAN) / data.STD)
    return logits


def test_what_is_read_stays_as_it_is(plain: torch.nn.Module, detecting: torch.nn.Module, digits: Tensor) -> None:
    torch.testing.assert_close(read(plain, digits).softmax(dim=1), read(detecting, digits).softmax(dim=1))
    learnt = detecting.state_dict()
    assert all(torch.equal(weight, learnt[name]) for name, weight in plain.state_dict().items())


def test_outliers_have_less_energy_than_before(
    plain: torch.nn.Module, detecting: torch.nn.Module, digits: Tensor
) -> None:
    strange = outliers.draw(digits, torch.Generator().manual_seed(9))

    def told_apart(network: torch.nn.Module) -> float:
        """Area under the ROC curve."""
        known, others = (read(network, images).logsumexp(dim=1) for images in (digits, strange))
        return float((known.unsqueeze(1) > others).float().mean())

    assert 1 - told_apart(detecting) < 0.7 * (1 - told_apart(plain))


@pytest.mark.parametrize("kind", ["cnn", "rnn"])
def test_a_detector_moves_all_logits_alike(kind: str) -> None:
    network = build(kind, {"detector": 4}).eval()
    images = torch.randn(3, 28, 28)
    with torch.inference_mode():
        seen = network.see(images)  # type: ignore[operator]
        moved = network(images) - network.get_submodule("classifier")(seen)
    torch.testing.assert_close(moved, moved[:, :1].expand(3, 10))
    assert moved.abs().max() > 0

import ast
from pathlib import Path

import pytest
import torch

from tests.servers import REPOSITORY
from training import data
from training.data import DataError


def test_the_stored_split_has_5000_different_rows() -> None:
    indices = data.validation_indices()
    assert len(set(indices)) == len(indices) == 5000
    assert 0 <= min(indices) <= max(indices) < 60_000


def test_the_stand_in_is_split_without_overlap() -> None:
    training, validation = data.open_training("sklearn", Path())
    assert (len(training), len(validation), len(data.open_test("sklearn", Path()))) == (1077, 360, 360)
    assert training.images.shape == (1077, 28, 28)
    assert training.images.dtype == torch.uint8
    assert training.images[:, :4].max() == 0


def test_missing_data_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object) -> None:
        raise RuntimeError("no network\nat all")

    monkeypatch.setattr("torchvision.datasets.MNIST.download", fail)
    with pytest.raises(DataError) as caught:
        data.open_training("mnist", tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", sorted((REPOSITORY / "training").glob("*.py")), ids=lambda path: path.name)
def test_only_evaluate_opens_the_test_split(path: Path) -> None:
    names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    names |= {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
    assert ("open_test" in names) == (path.name == "evaluate.py")


@pytest.mark.mnist
def test_mnist_is_split_without_overlap(mnist: Path) -> None:
    training, validation = data.open_training("mnist", mnist)
    assert (len(training), len(validation), len(data.open_test("mnist", mnist))) == (55_000, 5000, 10_000)
    assert float(training.images.float().mean() / 255) == pytest.approx(data.MEAN, abs=1e-3)
    assert len(data.describe("mnist", mnist).files) == 4

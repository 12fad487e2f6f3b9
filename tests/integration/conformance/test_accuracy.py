"""The accuracy that the manifest promises, measured by an unmodified client in binary on every test image."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.integration.conformance.triton import Client, tensor
from training.data import open_test

BATCH = 500
CLOSE = 2  # images whose best two logits of cnn/2 are 0.04 apart; processors differ by a step of 0.1 (decision 13)


@pytest.mark.mnist
@pytest.mark.parametrize("model", ["cnn", "rnn"])
def test_the_accuracy_over_binary_tensors_is_the_manifests(
    client: Client, mnist: Path, published: Path, model: str
) -> None:
    test = open_test("mnist", mnist)
    images, labels = test.images.numpy(), test.labels.numpy()
    batches = [tensor("images", images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    read = np.concatenate([client.infer(model, [batch]).as_numpy("digits") for batch in batches])
    version = client.get_model_metadata(model)["versions"]
    manifest = json.loads((published / model / max(version, key=int) / "manifest.json").read_text())
    assert len(read) == manifest["metrics"]["test"]["n"] == 10_000
    allowed = CLOSE if manifest["network"]["quantised"] else 0
    promised = round(manifest["metrics"]["test"]["accuracy"] * len(read))
    right = int((read == labels).sum())
    print(f"{model}: {right} of {len(read)} are right, {promised} are promised")
    assert abs(right - promised) <= allowed

"""What the manifest promises is what HTTP delivers, on every test image."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import REPOSITORY, Server

CLOSE = 2  # images whose best two logits of cnn/2 are 0.04 apart; processors differ by a step of 0.1 (decision 13)


@pytest.mark.mnist
@pytest.mark.parametrize("model", ["cnn", "rnn"])
def test_the_served_accuracy_is_the_manifests(server: Server, mnist: Path, published: Path, model: str) -> None:
    command = [sys.executable, "-m", "training", "evaluate", model, "--url", server.url, "--data", str(mnist)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    version = server.client.get(f"/v1/models/{model}").json()["version"]
    manifest = json.loads((published / model / str(version) / "manifest.json").read_text())
    assert manifest["metrics"]["test"]["n"] == 10_000
    [measured] = re.findall(r"([\d.]+)% of 10,000 images", done.stdout)
    allowed = CLOSE if manifest["network"]["quantised"] else 0
    assert float(measured) == pytest.approx(100 * manifest["metrics"]["test"]["accuracy"], abs=0.01 * allowed + 0.005)

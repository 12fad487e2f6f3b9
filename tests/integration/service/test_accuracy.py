"""What the manifest promises is what HTTP delivers, on every test image."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import REPOSITORY, Server


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
    assert float(measured) == pytest.approx(100 * manifest["metrics"]["test"]["accuracy"], abs=0.005)

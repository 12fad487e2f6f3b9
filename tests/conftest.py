"""Fixtures that more than one room's tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import REPOSITORY, Server, serving


@pytest.fixture(scope="session")
def published() -> Path:
    """The models in the repository."""
    return REPOSITORY / "models" / "published"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers that serve the models in the repository; shared by the tests that change nothing."""
    with serving(tmp_path_factory.mktemp("server") / "log", AXON_HTTP__WORKERS="2") as running:
        yield running


@pytest.fixture(scope="session")
def mnist() -> Path:
    """The folder that torchvision's MNIST is read from."""
    root = Path(os.environ.get("AXON_DATA", REPOSITORY / "data"))
    if not (root / "MNIST" / "raw").is_dir():
        pytest.skip(f"no MNIST under {root}; AXON_DATA names another folder")
    return root

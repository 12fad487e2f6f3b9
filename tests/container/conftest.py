"""One image and one running project for all container tests, where there is an engine."""

from collections.abc import Iterator

import pytest

from tests.containers import BUILD_S, Stack, docker, running, why_no_engine

IMAGE = "axon:under-test"


@pytest.fixture(scope="session")
def image() -> str:
    """The serving image, built from the working tree."""
    if reason := why_no_engine():
        pytest.skip(f"no container engine: {reason}")
    docker("build", "--quiet", "--tag", IMAGE, ".", timeout=BUILD_S)
    return IMAGE


@pytest.fixture(scope="module")
def stack(image: str) -> Iterator[Stack]:
    """Everything that `docker compose --profile demo up` starts."""
    tag = "under-test-in-a-stack"  # which nobody has built
    try:
        with running("--profile", "demo", "up", "--build", "--detach", "--wait", IMAGE_TAG=tag) as stack:
            yield stack
    finally:
        docker("rmi", "--force", f"axon:{tag}")

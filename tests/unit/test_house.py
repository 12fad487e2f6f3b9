"""The house stays as it is drawn: imports run one way, and the words of other rooms stay out."""

import ast
from pathlib import Path

import pytest

from tests.servers import REPOSITORY

FORBIDDEN = {
    "models": {"service", "training", "bentoml", "starlette"},
    "service": {"training", "torchvision", "axon"},
    "training": {"service", "bentoml", "starlette", "axon"},
    "client": {"service", "training", "models", "bentoml", "onnxruntime", "starlette"},
}
TORCH_ROOMS = ("models/networks/", "training/", "service/inference/torch_engine.py", "service/inference/engine.py")
FILES = sorted(path for room in FORBIDDEN for path in (REPOSITORY / room).rglob("*.py"))


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_imports_run_one_way(path: Path) -> None:
    place = path.relative_to(REPOSITORY).as_posix()
    assert not imported(path) & FORBIDDEN[place.partition("/")[0]]
    if "torch" in imported(path):
        assert place.startswith(TORCH_ROOMS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_the_environment_is_read_in_few_places(path: Path) -> None:
    place = path.relative_to(REPOSITORY).as_posix()
    reads = "os.environ" in path.read_text() or "os.getenv" in path.read_text()
    allowed = {"service/settings.py", "service/__main__.py", "service/telemetry/metrics.py", "training/__main__.py"}
    allowed.add("client/axon/__main__.py")
    assert not reads or place in allowed

"""What is in the serving image, and what is not."""

import io
import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from deploy.supply_chain.inventory import inventory
from tests.containers import BUILD_S, docker
from tests.servers import REPOSITORY

pytestmark = pytest.mark.timeout(900)
MOST_MB = 500
SECRETS = re.compile(r"(^|/)(\.env|\.netrc|\.pypirc|\.npmrc|pip\.conf|id_(rsa|ed25519)|.*\.(key|p12|pfx))$")


@pytest.fixture(scope="module")
def files(image: str) -> set[str]:
    """Every path in the image that is no directory."""
    container = docker("create", image).strip()
    try:
        exported = subprocess.run(["docker", "export", container], capture_output=True, check=True, timeout=120).stdout
    finally:
        docker("rm", container)
    with tarfile.open(fileobj=io.BytesIO(exported)) as tar:
        return {member.name for member in tar if not member.isdir()}


@pytest.fixture(scope="module")
def config(image: str) -> dict[str, Any]:
    return json.loads(docker("image", "inspect", image))[0]


def test_it_holds_the_service_and_the_models_and_nothing_else_of_ours(files: set[str]) -> None:
    ours = {name.removeprefix("axon/") for name in files if name.startswith("axon/") and ".venv/" not in name}
    sources = {name for name in ours if "__pycache__" not in name}
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "service", "models"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert sources == set(tracked.stdout.splitlines())


def test_every_module_has_its_bytecode(files: set[str]) -> None:
    for name in (name for name in files if re.fullmatch(r"axon/(service|models)/.*\.py", name)):
        path = PurePosixPath(name)
        assert str(path.parent / "__pycache__" / f"{path.stem}.cpython-313.pyc") in files


def test_it_holds_neither_training_nor_tests_nor_tools(files: set[str]) -> None:
    packages = {parts[5] for name in files if (parts := name.split("/"))[:2] == ["axon", ".venv"] and len(parts) > 5}
    assert "bentoml" in packages
    assert not packages & {"torch", "torchvision", "pytest", "hypothesis", "mypy", "ruff", "uv", "matplotlib", "nvidia"}
    assert not [name for name in files if re.search(r"^axon/.*(^|/)(tests?|training|\.git)/", name)]
    assert not [name for name in files if name.endswith("/bin/uv")]


def test_it_holds_no_caches(files: set[str]) -> None:
    places = ("root/.cache/", "tmp/", "var/cache/apt/archives/", "axon/.cache/")
    assert not [name for name in files if name.startswith(places) and not name.endswith("/lock")]


def test_it_holds_no_secrets(files: set[str], config: dict[str, Any], image: str) -> None:
    assert not [name for name in files if SECRETS.search(name) and not name.startswith(("etc/pip", "usr/"))]
    said = json.dumps(config["Config"]["Env"]) + docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", image)
    assert not re.search(r"(?i)(password|secret|token|api_?key)\s*=", said)


def test_its_distributions_are_those_of_the_lock_file(image: str) -> None:
    listing = (
        "import json, importlib.metadata as m; print(json.dumps({d.name: d.version for d in m.distributions(path="
        "['/axon/.venv/lib/python3.13/site-packages'])}))"
    )
    installed = json.loads(docker("run", "--rm", "--entrypoint", "python", image, "-c", listing))
    held = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in installed.items()}
    assert held == {one.name: one.version for one in inventory().distributions}


def test_it_runs_as_nobody_and_stops_on_sigterm(config: dict[str, Any]) -> None:
    assert config["Config"]["User"] == "10001:10001"
    assert config["Config"]["Cmd"] == ["python", "-m", "service"]
    assert not config["Config"]["Entrypoint"]
    assert config["Config"]["StopSignal"] == "SIGTERM"
    assert config["Config"]["Healthcheck"]["Test"] == ["CMD", "python", "-m", "service.healthcheck"]


def test_it_is_small(config: dict[str, Any]) -> None:
    assert config["Size"] < MOST_MB * 1e6


def test_nothing_of_ours_can_be_written_by_the_one_who_runs(image: str) -> None:
    find = ["find", "/axon", "-writable", "-not", "-type", "l"]
    assert docker("run", "--rm", "--entrypoint", find[0], image, *find[1:]) == ""


def test_same_inputs_give_the_same_layers(image: str, config: dict[str, Any], tmp_path: Path) -> None:
    """From a copy whose files have other dates and other rights, without the engine's cache."""
    for name in ("service", "models"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / name, tmp_path / name, copy_function=shutil.copyfile, ignore=ignored)
    for path in tmp_path.rglob("*.py"):
        path.chmod(0o600)
    for name in ("Dockerfile", ".dockerignore", "pyproject.toml", "uv.lock"):
        shutil.copyfile(REPOSITORY / name, tmp_path / name)
    again = docker("build", "--quiet", "--no-cache", str(tmp_path), timeout=BUILD_S).strip()
    try:
        layers = json.loads(docker("image", "inspect", again))[0]["RootFS"]["Layers"]
    finally:
        docker("rmi", again)
    assert layers == config["RootFS"]["Layers"]

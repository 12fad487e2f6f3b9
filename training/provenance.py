"""Where weights come from: the commit, the versions and the hardware. Names no host and no person."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import torch

from training.options import REPOSITORY

PACKAGES = ("torch", "torchvision", "lightning-fabric", "onnx", "onnxruntime", "numpy")


def commit(repository: Path = REPOSITORY) -> str:
    """The commit that is checked out, or "unknown" outside a git repository."""
    return _git(repository, "rev-parse", "HEAD") or "unknown"


def is_clean(repository: Path = REPOSITORY) -> bool:
    """Whether the commit is the whole truth: in a git repository, no file changed, added or untracked.

    Published models do not count: they are what comes out, so that several can be published one after another.
    """
    status = _git(repository, "status", "--porcelain", "--", ".", ":!models/published")
    return status is not None and status == ""


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that shape the weights and the graph."""
    return {"python": platform.python_version()} | {package: version(package) for package in PACKAGES}


def hardware(device: str = "cpu") -> str:
    """The processor's model and cores, or the GPU's name."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"{processor()}, {os.cpu_count()} cores, {torch.get_num_threads()} used"


def processor() -> str:
    """The processor's model."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


def _git(repository: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()

"""Where and of what it is measured."""

import os
import platform
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks import environments
from benchmarks.closed_loop import find_wrk
from benchmarks.results import Origin

OWN = ("bentoml", "uvicorn", "starlette", "uvloop", "httptools", "onnxruntime", "numpy", "orjson", "pillow", "torch")
PEERS = {
    "web.txt": ("fastapi", "uvicorn", "uvloop", "httptools", "pydantic", "onnxruntime"),
    "lit_serve.txt": ("litserve", "fastapi", "uvicorn", "onnxruntime"),
    "mlserver/requirements.txt": ("mlserver", "fastapi", "uvicorn", "uvloop", "onnxruntime"),
}


VECTORS = ("avx512_vnni", "avx_vnni", "avx512bw", "avx2", "i8mm", "asimddp")


def hardware() -> dict[str, str]:
    """Processor, memory, kernel, load generator."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "vectors": _vectors(),
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.freedesktop_os_release()['PRETTY_NAME']}, Linux {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "load generator": subprocess.run([find_wrk(), "-v"], capture_output=True, text=True).stdout.split(" [")[0],
    }


def versions() -> dict[str, str]:
    """Of what each environment holds."""
    own = ", ".join(f"{name} {version(name)}" for name in OWN)
    peers = {requirements: environments.versions(requirements, names) for requirements, names in PEERS.items()}
    return {"Axon, and BentoML with torch": own} | {
        f"benchmarks/peers/{requirements}": ", ".join(f"{name} {pin}" for name, pin in pins.items())
        for requirements, pins in peers.items()
    }


def origin() -> Origin:
    """Now, this commit, this command."""
    command = " ".join(["python -m benchmarks", *sys.argv[1:]])
    return Origin(date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), commit=_commit(), command=command)


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(
            [shutil.which("git") or "git", *arguments], cwd=environments.ROOT, capture_output=True, text=True
        )
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--", "service", "models", "benchmarks")
    return (git("rev-parse", "--short=10", "HEAD") or "no commit") + (" and changes" if changed else "")


def _processor() -> str:
    return _cpuinfo("model name") or platform.machine()


def _vectors() -> str:
    """The best instructions for 8-bit products, on which the time of a reading hangs."""
    flags = set((_cpuinfo("flags") or _cpuinfo("Features")).split())
    return next((name for name in VECTORS if name in flags), "others")


def _cpuinfo(name: str) -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), "")

"""A virtual environment for each set of requirements, made once and kept until its requirements change."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PEERS = Path(__file__).parent / "peers"
HOME = ROOT / ".tools" / "bench"
STAMP = "requirements.txt"  # what is installed; written last, so a half-made environment is made again


def python(requirements: str) -> Path:
    """The interpreter that has what a peer requires; Axon's own for no requirements."""
    if not requirements:
        return Path(sys.executable)
    return made(PEERS / requirements, HOME / requirements.removesuffix(".txt").replace("/requirements", ""))


def made(requirements: Path, folder: Path) -> Path:
    """The interpreter of an environment in `folder` that has what a file requires."""
    wanted = requirements.read_text()
    interpreter = folder / "bin" / "python"
    stamp = folder / STAMP
    if not stamp.is_file() or stamp.read_text() != wanted:
        print(f"installing {requirements.relative_to(ROOT)} into {folder.relative_to(ROOT)}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        uv = _uv()
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
        install = [uv, "pip", "install", "--quiet", "--python", str(interpreter), "--requirement"]
        subprocess.run([*install, str(requirements)], check=True)
        stamp.write_text(wanted)
    return interpreter


def versions(requirements: str, names: tuple[str, ...]) -> dict[str, str]:
    """What is pinned for these distributions."""
    pins = dict(line.split("#")[0].strip().split("==") for line in (PEERS / requirements).read_text().splitlines())
    return {name: pins[name] for name in names if name in pins}


def _uv() -> str:
    found = shutil.which("uv") or shutil.which(ROOT / ".tools" / "bin" / "uv")
    if not found:
        sys.exit("uv is needed to install them: https://docs.astral.sh/uv/, or `make bench` or `make test` bring it")
    return found

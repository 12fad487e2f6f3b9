"""Compares what the serving image holds with published advisories (OSV), by pip-audit.

A finding, a distribution that was not looked up, a server that cannot be reached or that has no advisories: all end in
failure. Green means that every distribution was looked up where advisories are.

    python -m deploy.supply_chain.audit [--image axon:latest] [--extra gpu] [--osv-url URL]
"""

import argparse
import json
import subprocess
import sys
import tempfile
from typing import Any

from packaging.utils import canonicalize_name

from deploy.supply_chain.inventory import inventory

OSV = "https://api.osv.dev/v1/query"
CONTROL = "requests==2.19.0"  # CVE-2018-18074: a server that does not know it has no advisories
Versions = dict[str, str]  # by canonical name

LISTING = """
import json, sys, sysconfig
from importlib.metadata import distributions

def versions(path):
    return {found.name: found.version for found in reversed(list(distributions(path=path)))}

base = sysconfig.get_path("purelib", "posix_prefix", {"base": sys.base_prefix})
print(json.dumps([versions(sys.path), versions([base])]))
"""


class NotAudited(Exception):
    """Something was not compared with the advisories."""


def installed(python: list[str]) -> tuple[Versions, Versions]:
    """What an interpreter can import, and what the one beneath its virtual environment has; `python` is its command."""
    done = subprocess.run([*python, "-c", LISTING], check=True, stdout=subprocess.PIPE)
    own, base = ({str(canonicalize_name(name)): found[name] for name in found} for found in json.loads(done.stdout))
    return own, base


def in_image(image: str) -> tuple[Versions, Versions]:
    """The same, of a built image: its virtual environment, and its base."""
    return installed(["docker", "run", "--rm", "--network", "none", "--entrypoint", "python", image])


def findings(requirements: list[str], osv_url: str) -> list[str]:
    """A sentence for each advisory that names one of these, `name==version` lines. Raises NotAudited."""
    if not any(entry["vulns"] for entry in audited([CONTROL], osv_url).values()):
        raise NotAudited(f"{osv_url} knows nothing against {CONTROL}, so its silence means nothing")
    report = audited(requirements, osv_url)
    unseen = {line.partition("==")[0] for line in requirements} - set(report)
    if unseen:
        raise NotAudited(f"not looked up: {', '.join(sorted(unseen))}")
    return [sentence(entry, vulnerability) for entry in report.values() for vulnerability in entry["vulns"]]


def audited(requirements: list[str], osv_url: str) -> dict[str, dict[str, Any]]:
    """What pip-audit says of each distribution that it looked up, by name."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(requirements))
        file.flush()
        done = pip_audit("--requirement", file.name, "--osv-url", osv_url)
    try:
        entries = json.loads(done.stdout)["dependencies"]
    except ValueError:
        cause = (done.stderr.strip() or "pip-audit printed nothing").splitlines()[-1]
        raise NotAudited(f"no advisories from {osv_url}: {cause}") from None
    return {canonicalize_name(entry["name"]): entry for entry in entries if "vulns" in entry}


def pip_audit(*options: str) -> subprocess.CompletedProcess[str]:
    """Runs it on exact versions, so that nothing is resolved or downloaded."""
    fixed = ("--strict", "--no-deps", "--disable-pip", "--progress-spinner=off", "--format=json", "--desc=off")
    command = [sys.executable, "-m", "pip_audit", *fixed, "--vulnerability-service=osv", *options]
    return subprocess.run(command, capture_output=True, text=True)


def sentence(entry: dict[str, Any], vulnerability: dict[str, Any]) -> str:
    """An advisory and its mend."""
    names = ", ".join([vulnerability["id"], *vulnerability.get("aliases", ())])
    mend = ", ".join(vulnerability["fix_versions"]) or "no version yet"
    return f"{entry['name']} {entry['version']}: {names}; mended in {mend}"


def pinned(image: str | None, extras: list[str]) -> list[list[str]]:
    """Requirements of the lock file; of an image, one list for each place that holds distributions."""
    if image is None:
        return [[one.requirement for one in inventory(extras).distributions]]
    return [[f"{name}=={found[name]}" for name in sorted(found)] for found in in_image(image) if found]


def main() -> None:
    """Exits with 1 for findings and with 2 where something was not audited."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", help="ask a built image what it holds, in place of the lock file")
    parser.add_argument("--extra", action="append", default=[], help="as in uv sync; gpu adds torch and CUDA")
    parser.add_argument("--osv-url", default=OSV, help="another server of the OSV protocol")
    options = parser.parse_args()
    try:
        held = pinned(options.image, options.extra)
        found = [line for requirements in held for line in findings(requirements, options.osv_url)]
    except (NotAudited, OSError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"audit: {error}\n")
        sys.exit(2)
    print("\n".join([*found, f"{sum(map(len, held))} distributions looked up, {len(found)} advisories"]))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()

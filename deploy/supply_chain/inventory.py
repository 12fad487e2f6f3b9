"""The distributions that the serving image holds, read from the lock file alone.

The image is Linux with the Python of the Dockerfile's base, on one of two kinds of machine. A lock file holds more:
other systems, other Pythons, training, development. Nothing here asks the machine that it runs on.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from packaging.markers import Marker
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "uv.lock"
PROJECT = "axon"
PYTHON = (3, 13)  # of the Dockerfile's base
GLIBC = (2, 41)  # of Debian 13, which that base stands on
MACHINES = ("x86_64", "aarch64")


class Wheel(NamedTuple):
    """An archive that is unpacked into the image."""

    url: str
    sha256: str


class Distribution(NamedTuple):
    """A Python distribution in the image, and what it pulls in."""

    name: str
    version: str
    wheels: tuple[Wheel, ...]  # one for each kind of machine, or one for all
    requires: tuple[str, ...]

    @property
    def requirement(self) -> str:
        """One line of a requirements file that admits these wheels and nothing else."""
        return " ".join((f"{self.name}=={self.version}", *(f"--hash=sha256:{wheel.sha256}" for wheel in self.wheels)))


class Inventory(NamedTuple):
    """All of them, by name, and those that the project itself asks for."""

    distributions: list[Distribution]
    direct: tuple[str, ...]


class Package(NamedTuple):
    """What the lock file says of a package that the image holds."""

    entry: Mapping[str, Any]
    requires: tuple[str, ...]


def inventory(extras: Iterable[str] = (), lock: Path = LOCK) -> Inventory:
    """What the image holds; `extras` as in `uv sync --extra`. Raises LookupError for what would have to be built."""
    packages = reached(tomllib.loads(lock.read_text())["package"], tuple(extras))
    project = packages.pop(PROJECT)
    distributions = [
        Distribution(name, package.entry["version"], wheels(package.entry), package.requires)
        for name, package in sorted(packages.items())
    ]
    return Inventory(distributions, project.requires)


def reached(entries: list[dict[str, Any]], extras: tuple[str, ...]) -> dict[str, Package]:
    """The packages that the project leads to in the image, itself included. Extras of a dependency are followed."""
    found: dict[str, Package] = {}
    waiting: list[tuple[Mapping[str, Any], tuple[str, ...]]] = [({"name": PROJECT}, extras)]
    seen = set()
    while waiting:
        link, wanted = waiting.pop()
        if (link["name"], wanted) in seen:
            continue
        seen.add((link["name"], wanted))
        entry = locked(entries, link)
        links = list(dependencies(entry, wanted))
        known = found[entry["name"]].requires if entry["name"] in found else ()
        found[entry["name"]] = Package(entry, tuple(sorted({*known, *(link["name"] for link in links)})))
        waiting += [(link, tuple(link.get("extra", ()))) for link in links]
    return found


def locked(entries: list[dict[str, Any]], link: Mapping[str, Any]) -> dict[str, Any]:
    """The entry that a dependency leads to; it names a version only where the lock file has several."""
    [entry] = (
        entry
        for entry in entries
        if entry["name"] == link["name"] and link.get("version", entry["version"]) == entry["version"]
    )
    return entry


def dependencies(entry: Mapping[str, Any], extras: tuple[str, ...]) -> Iterator[Mapping[str, Any]]:
    """What a package pulls in on the image's system."""
    optional = entry.get("optional-dependencies", {})
    for link in chain(entry.get("dependencies", ()), *(optional[extra] for extra in extras)):
        if "marker" not in link or any(Marker(link["marker"]).evaluate(system(machine)) for machine in MACHINES):
            yield link


def system(machine: str) -> dict[str, str]:
    """The image as environment markers see it."""
    version = ".".join(map(str, PYTHON))
    return {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{version}.0",
        "python_version": version,
        "sys_platform": "linux",
    }


def wheels(entry: Mapping[str, Any]) -> tuple[Wheel, ...]:
    """The best wheel for each kind of machine. Raises LookupError where one has none, so would have to build."""
    best = []
    for machine in MACHINES:
        ranks = {tag: rank for rank, tag in enumerate(tags(machine))}
        fitting = [(min(found), wheel) for wheel in entry.get("wheels", ()) if (found := places(wheel["url"], ranks))]
        if not fitting:
            raise LookupError(f"{entry['name']} {entry['version']} has no wheel for Linux on {machine}")
        wheel = min(fitting, key=lambda pair: pair[0])[1]
        best.append(Wheel(wheel["url"], wheel["hash"].removeprefix("sha256:")))
    return tuple(sorted(set(best)))


def places(url: str, ranks: Mapping[Tag, int]) -> list[int]:
    """Ranks of a wheel's tags among those that the image takes."""
    tags_of_wheel = parse_wheel_filename(url.rpartition("/")[2])[3]
    return [ranks[tag] for tag in tags_of_wheel if tag in ranks]


def tags(machine: str) -> Iterator[Tag]:
    """Every tag that the image takes, best first."""
    platforms = [f"manylinux_{GLIBC[0]}_{minor}_{machine}" for minor in range(GLIBC[1], 4, -1)]
    platforms += [f"{legacy}_{machine}" for legacy in ("manylinux2014", "manylinux2010", "manylinux1", "linux")]
    yield from cpython_tags(PYTHON, platforms=platforms)
    yield from compatible_tags(PYTHON, interpreter=f"cp{PYTHON[0]}{PYTHON[1]}", platforms=platforms)

"""The published models by name and version: `<root>/<name>/<version>/`. Knows folders; `bundle` knows their files."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from models import bundle
from models.bundle import Bundle

Stamp = frozenset[tuple[str, int, int, int]]  # of each file: name, size, time of change, inode

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")


class UnknownModel(LookupError):
    """No published model has this name."""


class UnknownVersion(LookupError):
    """The model is published, but not in this version."""


class Repository:
    """Reads a folder of published models. The highest version is the default unless `pins` names another."""

    def __init__(self, root: Path, pins: Mapping[str, int] | None = None) -> None:
        self.root = root
        self._pins = dict(pins or {})

    def names(self) -> list[str]:
        """Names with at least one version, sorted."""
        if not self.root.is_dir():
            return []
        found = (path.name for path in self.root.iterdir() if path.is_dir() and _NAME.fullmatch(path.name))
        return sorted(name for name in found if self._numbers(name))

    def versions(self, name: str) -> list[int]:
        """Published versions, ascending. Raises UnknownModel."""
        numbers = self._numbers(name) if _NAME.fullmatch(name) else []
        if not numbers:
            raise UnknownModel(f"no model {name!r}; published: {', '.join(self.names()) or 'none'}")
        return numbers

    def default(self, name: str) -> int:
        """The pinned version, or else the highest. Raises UnknownModel, or UnknownVersion for a pin without one."""
        versions = self.versions(name)
        return self._known(name, self._pins[name]) if name in self._pins else versions[-1]

    def next_version(self, name: str) -> int:
        """The number that a new publication takes."""
        return max(self._numbers(name), default=0) + 1

    def folder(self, name: str, version: int) -> Path:
        """Where a version lives, or will live."""
        return self.root / name / str(version)

    def stamp(self, name: str, version: int) -> Stamp:
        """What differs once any file of a version has changed; empty where there is none."""
        folder = self.folder(name, version)
        return frozenset(
            (path.relative_to(folder).as_posix(), status.st_size, status.st_mtime_ns, status.st_ino)
            for path in folder.rglob("*")
            if (status := _status(path))
        )

    def open(self, name: str, version: int | None = None) -> Bundle:
        """Reads and verifies a version, the default if None. Raises UnknownModel, UnknownVersion or a BundleError."""
        number = self.default(name) if version is None else self._known(name, version)
        return bundle.read(self.folder(name, number))

    def _known(self, name: str, version: int) -> int:
        versions = self.versions(name)
        if version not in versions:
            listed = ", ".join(map(str, versions))
            raise UnknownVersion(f"model {name!r} has no version {version}; published versions: {listed}")
        return version

    def _numbers(self, name: str) -> list[int]:
        folder = self.root / name
        if not folder.is_dir():
            return []
        return sorted(int(path.name) for path in folder.iterdir() if _VERSION.fullmatch(path.name) and path.is_dir())


def _status(path: Path) -> os.stat_result | None:
    """None for what has just gone."""
    try:
        return path.lstat()
    except FileNotFoundError:
        return None

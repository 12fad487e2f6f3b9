"""Writes, verifies and reads one published model: a folder that is immutable, checksummed and free of pickles.

Knows files, hashes and the manifest. Knows no torch: what is inside the files is the reader's business.

    BundleError
    ├── BundleExists        write: published folders are never overwritten
    ├── MissingFile         a file, or the manifest, is not there
    ├── UnexpectedFile      a file that the manifest does not list, or something that is no plain file
    ├── UnknownSchema       written by another generation of Axon
    ├── InvalidManifest     not JSON, a missing key, a value out of bounds
    │   ├── UnknownKey      a key that this schema does not have
    │   └── EscapingName    a file name that leaves the folder
    ├── Misplaced           the folder's name or version is not the manifest's
    ├── WrongSize           a file is shorter or longer than the manifest says
    └── Corrupt             a hash differs
"""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from models.manifest import ESCAPING_NAME, SCHEMA_VERSION, FileRecord, Manifest

MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 1_000_000  # read before anything is verified, so bounded

UNSEALED = 64 * "0"

WEIGHTS = "weights.safetensors"
ONNX = "model.onnx"
GOLDEN = "golden.safetensors"
CARD = "card.md"
REQUIRED = (WEIGHTS, ONNX, GOLDEN, CARD)


class BundleError(Exception):
    """A published folder that cannot be trusted, or cannot be written."""


class BundleExists(BundleError): ...


class MissingFile(BundleError): ...


class UnexpectedFile(BundleError): ...


class UnknownSchema(BundleError): ...


class InvalidManifest(BundleError): ...


class UnknownKey(InvalidManifest): ...


class EscapingName(InvalidManifest): ...


class Misplaced(BundleError): ...


class WrongSize(BundleError): ...


class Corrupt(BundleError): ...


_MANIFEST_ERRORS: Mapping[str, type[InvalidManifest]] = {"extra_forbidden": UnknownKey, ESCAPING_NAME: EscapingName}


@dataclass(frozen=True)
class Bundle:
    """A verified bundle: the bytes in `files` are the very bytes that were hashed."""

    manifest: Manifest
    sha256: str  # of manifest.json, which holds every other file's hash
    files: Mapping[str, bytes]


def write(folder: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Manifest:
    """Publishes `files` and the manifest as `folder` (`.../<name>/<version>`), all or nothing.

    Writes a temporary sibling, flushes it to disk and renames it. Returns the manifest with sizes and hashes filled in,
    and the seal.
    Raises BundleExists when the folder is there, Misplaced when it does not bear the manifest's name and version,
    MissingFile when one of `REQUIRED` is not among the files, pydantic's ValidationError for a file name that escapes.
    """
    records = {name: _record(content) for name, content in sorted(files.items())}
    complete = Manifest.model_validate(manifest.model_dump() | {"files": records, "seal": UNSEALED})
    _check_place(folder, complete)
    _check_required(folder, complete)
    if folder.exists():
        raise _exists(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, content in files.items():
            _write_durably(staging / name, content)
        _write_durably(staging / MANIFEST, _sealed(complete))
        staging.chmod(0o755)
        for inner in (staging, *(path for path in staging.rglob("*") if path.is_dir())):
            _sync_folder(inner)
        _rename(staging, folder)
        _sync_folder(folder.parent)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return _parse(folder, _sealed(complete))


def verify(folder: Path) -> Manifest:
    """Checks every file of the bundle against its manifest. Raises a BundleError that names what is wrong."""
    return read(folder).manifest


def read(folder: Path) -> Bundle:
    """Reads and verifies a whole bundle; nothing but the manifest is parsed, and that only after its own checks.

    Raises a BundleError that names what is wrong.
    """
    raw = _read_file(folder, MANIFEST, MAX_MANIFEST_BYTES)
    manifest = _parse(folder, raw)
    _check_seal(folder, manifest, raw)
    _check_place(folder, manifest)
    _check_required(folder, manifest)
    _check_listing(folder, manifest)
    files = {name: _read_verified(folder, name, record) for name, record in manifest.files.items()}
    return Bundle(manifest, hashlib.sha256(raw).hexdigest(), files)


def _parse(folder: Path, raw: bytes) -> Manifest:
    try:
        document: Any = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidManifest(f"{_label(folder)}: {MANIFEST} is not JSON: {error}") from None
    schema = document.get("schema_version") if isinstance(document, dict) else None
    if schema != SCHEMA_VERSION:
        raise UnknownSchema(f"{_label(folder)}: schema version {schema!r}; this Axon reads version {SCHEMA_VERSION}")
    try:
        return Manifest.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        kind = _MANIFEST_ERRORS.get(first["type"], InvalidManifest)
        raise kind(f"{_label(folder)}: {MANIFEST}: {place}: {first['msg']}") from None


def _sealed(manifest: Manifest) -> bytes:
    """The manifest as its file, with the seal in the place of zeros."""
    raw = manifest.model_dump_json(indent=1).encode() + b"\n"
    return raw.replace(UNSEALED.encode(), hashlib.sha256(raw).hexdigest().encode(), 1)


def _check_seal(folder: Path, manifest: Manifest, raw: bytes) -> None:
    if manifest.seal is None:
        return
    if hashlib.sha256(raw.replace(manifest.seal.encode(), UNSEALED.encode(), 1)).hexdigest() != manifest.seal:
        raise Corrupt(f"{_label(folder)}: {MANIFEST} is not as it was sealed")


def _check_place(folder: Path, manifest: Manifest) -> None:
    if (folder.parent.name, folder.name) != (manifest.name, str(manifest.version)):
        raise Misplaced(f"{_label(folder)} holds {manifest.name}/{manifest.version}; a bundle is never renamed")


def _check_required(folder: Path, manifest: Manifest) -> None:
    for name in REQUIRED:
        if name not in manifest.files:
            raise MissingFile(f"{_label(folder)}: {name} is not in the manifest; every bundle has one")


def _check_listing(folder: Path, manifest: Manifest) -> None:
    for name in _walk(folder):
        if name != MANIFEST and name not in manifest.files:
            raise UnexpectedFile(f"{_label(folder)}: {name} is not in the manifest")


def _walk(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            raise UnexpectedFile(f"{_label(folder)}: {name} is a link or a device; a bundle holds plain files")
        if path.is_file():
            yield name


def _read_verified(folder: Path, name: str, record: FileRecord) -> bytes:
    content = _read_file(folder, name, record.bytes)
    if len(content) < record.bytes:
        raise WrongSize(f"{_label(folder)}: {name} has {len(content)} bytes, the manifest says {record.bytes}")
    if hashlib.sha256(content).hexdigest() != record.sha256:
        raise Corrupt(f"{_label(folder)}: {name} does not have the SHA-256 that the manifest says")
    return content


def _read_file(folder: Path, name: str, max_bytes: int) -> bytes:
    path = folder / name
    if path.exists() and not path.is_file():
        raise UnexpectedFile(f"{_label(folder)}: {name} is a folder or a device; a bundle holds plain files")
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFile(f"{_label(folder)}: {name} is missing") from None
    if len(content) > max_bytes:
        raise WrongSize(f"{_label(folder)}: {name} has more than {max_bytes} bytes, which is all it may have")
    return content


def _record(content: bytes) -> FileRecord:
    return FileRecord(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def _write_durably(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _rename(staging: Path, folder: Path) -> None:
    try:
        staging.rename(folder)
    except OSError as error:  # somebody else published this version in the meantime
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        raise _exists(folder) from None


def _exists(folder: Path) -> BundleExists:
    return BundleExists(f"{_label(folder)} is published already and never overwritten; take the next version")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _label(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from models import bundle
from models.manifest import Manifest
from tests import bundles


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return bundles.publish(tmp_path)


def edit_manifest(folder: Path, change: Callable[[dict], object]) -> None:
    """As one that was written before manifests were sealed."""
    path = folder / bundle.MANIFEST
    document = json.loads(path.read_bytes())
    del document["seal"]
    change(document)
    path.write_text(json.dumps(document))


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def replace_by_link(path: Path) -> None:
    target = path.with_name("elsewhere")
    path.rename(target)
    path.symlink_to(target)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def list_a_file_above(document: dict) -> None:
    document["files"]["../../../etc/passwd"] = document["files"][bundle.CARD]


DAMAGE: dict[str, tuple[type[bundle.BundleError], str, Callable[[Path], object]]] = {
    "corrupt": (bundle.Corrupt, "SHA-256", lambda folder: flip_a_byte(folder / bundle.WEIGHTS)),
    "truncated": (bundle.WrongSize, "bytes", lambda folder: shorten(folder / bundle.ONNX)),
    "too long": (bundle.WrongSize, "more than", lambda folder: lengthen(folder / bundle.GOLDEN)),
    "missing file": (bundle.MissingFile, "model.onnx is missing", lambda folder: (folder / bundle.ONNX).unlink()),
    "missing manifest": (bundle.MissingFile, "manifest.json", lambda folder: (folder / bundle.MANIFEST).unlink()),
    "extra file": (bundle.UnexpectedFile, "notes.txt", lambda folder: (folder / "notes.txt").write_text("hello")),
    "link": (bundle.UnexpectedFile, "plain files", lambda folder: replace_by_link(folder / bundle.CARD)),
    "pipe": (bundle.UnexpectedFile, "plain files", lambda folder: os.mkfifo(folder / "pipe")),
    "folder": (bundle.UnexpectedFile, "plain files", lambda folder: replace_by_folder(folder / bundle.CARD)),
    "manifest that is a pipe": (
        bundle.UnexpectedFile,
        "plain files",
        lambda folder: replace_by_pipe(folder / bundle.MANIFEST),
    ),
    "deep manifest": (
        bundle.InvalidManifest,
        "not JSON",
        lambda folder: (folder / bundle.MANIFEST).write_text("[" * 100_000),
    ),
    "not JSON": (bundle.InvalidManifest, "not JSON", lambda folder: (folder / bundle.MANIFEST).write_text("{")),
    "not an object": (bundle.UnknownSchema, "None", lambda folder: (folder / bundle.MANIFEST).write_text("[]")),
    "huge manifest": (
        bundle.WrongSize,
        "1000000",
        lambda folder: (folder / bundle.MANIFEST).write_text(" " * 1_000_001),
    ),
    "extra key": (
        bundle.UnknownKey,
        "provenance.mood",
        lambda folder: edit_manifest(folder, lambda document: document["provenance"].update(mood="good")),
    ),
    "missing key": (
        bundle.InvalidManifest,
        "labels",
        lambda folder: edit_manifest(folder, lambda document: document.pop("labels")),
    ),
    "value out of bounds": (
        bundle.InvalidManifest,
        "temperature",
        lambda folder: edit_manifest(folder, lambda document: document.update(temperature=-1)),
    ),
    "wrong schema": (
        bundle.UnknownSchema,
        "version 2",
        lambda folder: edit_manifest(folder, lambda document: document.update(schema_version=2)),
    ),
    "path that escapes": (
        bundle.EscapingName,
        "leaves the bundle",
        lambda folder: edit_manifest(folder, list_a_file_above),
    ),
    "no weights listed": (
        bundle.MissingFile,
        "weights.safetensors is not in the manifest",
        lambda folder: edit_manifest(folder, lambda document: document["files"].pop(bundle.WEIGHTS)),
    ),
    "other name": (
        bundle.Misplaced,
        "holds other/1",
        lambda folder: edit_manifest(folder, lambda document: document.update(name="other")),
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_bundle_gets_its_own_clear_error(folder: Path, damage: str) -> None:
    error, words, do = DAMAGE[damage]
    do(folder)
    with pytest.raises(error) as caught:
        bundle.read(folder)
    assert type(caught.value) is error
    assert words in str(caught.value)
    assert str(caught.value).startswith("fake/1")
    assert str(folder.parent.parent) not in str(caught.value), "an error names the bundle, not the server's disk"


def test_a_renamed_folder_is_refused(folder: Path) -> None:
    moved = folder.rename(folder.with_name("2"))
    with pytest.raises(bundle.Misplaced, match=r"fake/2 holds fake/1"):
        bundle.read(moved)


def test_what_is_written_is_what_is_read(folder: Path) -> None:
    read = bundle.read(folder)
    assert read.files == bundles.files()
    assert read.manifest == bundle.verify(folder)
    assert read.manifest.provenance == bundles.manifest().provenance
    assert len(read.sha256) == 64


def test_publishing_never_overwrites(folder: Path) -> None:
    before = bundle.read(folder).sha256
    with pytest.raises(bundle.BundleExists, match="never overwritten"):
        bundle.write(folder, bundles.manifest(temperature=2.0), bundles.files())
    assert bundle.read(folder).sha256 == before


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        bundles.publish(tmp_path)
    assert list((tmp_path / "fake").iterdir()) == []


@pytest.mark.parametrize("name", ["../up", "/root", "a//b", "a/./b", "a\\b", "", "a\0b"])
def test_a_name_that_escapes_is_never_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="leaves the bundle"):
        bundle.write(tmp_path / "fake" / "1", bundles.manifest(), bundles.files() | {name: b""})
    assert list(tmp_path.rglob("*")) == []


def test_a_bundle_without_a_required_file_is_not_written(tmp_path: Path) -> None:
    files = bundles.files()
    del files[bundle.GOLDEN]
    with pytest.raises(bundle.MissingFile, match="golden"):
        bundle.write(tmp_path / "fake" / "1", bundles.manifest(), files)


def test_the_manifest_forbids_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="Extra inputs"):
        Manifest.model_validate(bundles.manifest().model_dump() | {"pickle": "no"})


def test_a_manifest_that_differs_in_one_digit_is_corrupt(folder: Path) -> None:
    path = folder / bundle.MANIFEST
    path.write_bytes(path.read_bytes().replace(b'"duration_s": 0.0', b'"duration_s": 1.0'))
    with pytest.raises(bundle.Corrupt, match="not as it was sealed"):
        bundle.read(folder)


def test_every_flipped_byte_of_a_manifest_is_noticed(folder: Path) -> None:
    path = folder / bundle.MANIFEST
    good = path.read_bytes()
    for place in range(0, len(good), 7):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with pytest.raises(bundle.BundleError):
            bundle.read(folder)
    path.write_bytes(good)
    assert bundle.read(folder).manifest.seal


def test_the_manifest_that_write_returns_is_the_one_that_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "fake" / "1"
    assert bundle.write(folder, bundles.manifest(), bundles.files()) == bundle.read(folder).manifest

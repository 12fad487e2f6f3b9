"""Where pictures come from: files, folders, arrays, bytes, standard input. Each is read when its turn comes."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from axon.readings import Item

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".npy"}
STDIN = "-"
SIDE = 28

Source = str | Path | bytes | NDArray[Any]


def items(sources: Iterable[Source] | Source) -> Iterator[Item]:
    """An item for each picture: a file, each file below a folder, each row of an array, in order.

    What cannot be read is an item with an error. Raises FileNotFoundError for a path that does not exist, and
    ValueError for an array that is not uint8[N, 28, 28] or uint8[28, 28].
    """
    if isinstance(sources, str | Path | bytes | np.ndarray):
        sources = [sources]
    for number, source in enumerate(sources):
        if isinstance(source, bytes):
            yield Item(f"bytes[{number}]", source)
        elif isinstance(source, np.ndarray):
            yield from _rows(f"array[{number}]", source)
        elif source == STDIN:
            yield Item("stdin", sys.stdin.buffer.read())
        else:
            for found in files(Path(source)):
                yield from _read(found)


def files(path: Path) -> Iterator[Path | Item]:
    """The file itself, or all below a folder with a picture's suffix, by name. Raises FileNotFoundError.

    What cannot be looked at is an item with an error.
    """
    try:
        is_there, inside = path.exists(), _inside(path)
    except OSError as error:
        yield _unread(path, error)
        return
    if not is_there:
        raise FileNotFoundError(f"{path} does not exist")
    if inside is None:
        yield path
    for each in inside or ():
        yield from _found(each)


def count(paths: Iterable[str]) -> int:
    """How many items there will be; a file that cannot be read counts as one."""
    return sum(_count(file) for path in paths for file in ([Path(path)] if path == STDIN else files(Path(path))))


def _found(path: Path) -> Iterator[Path | Item]:
    """As files, of what a folder has: links to folders and files with another suffix are passed over."""
    try:
        inside = None if path.is_symlink() else _inside(path)
        is_picture = inside is None and path.suffix.lower() in SUFFIXES and path.is_file()
    except OSError as error:
        yield _unread(path, error)
        return
    if is_picture:
        yield path
    for each in inside or ():
        yield from _found(each)


def _inside(path: Path) -> list[Path] | None:
    """What a folder has, by name; None for what is no folder. Raises OSError."""
    return sorted(path.iterdir()) if path.is_dir() else None


def _unread(path: Path, error: Exception) -> Item:
    return Item(str(path), None, str(error) or type(error).__name__)


def _count(found: Path | Item) -> int:
    if isinstance(found, Item) or found.suffix.lower() != ".npy":
        return 1
    try:
        array = _load(found)
    except (OSError, ValueError, EOFError):
        return 1
    return len(array) if array.ndim == 3 else 1


def _read(found: Path | Item) -> Iterator[Item]:
    if isinstance(found, Item):
        yield found
        return
    try:
        if found.suffix.lower() == ".npy":
            yield from _rows(str(found), _load(found))
        else:
            yield Item(str(found), found.read_bytes())
    except (OSError, ValueError, EOFError) as error:
        yield _unread(found, error)


def _load(path: Path) -> NDArray[Any]:
    """Mapped, not read. Raises what numpy does for a file that is none of its own."""
    return np.asanyarray(np.load(path, mmap_mode="r", allow_pickle=False))


def _rows(name: str, array: NDArray[Any]) -> Iterator[Item]:
    if array.dtype != np.uint8 or array.shape[-2:] != (SIDE, SIDE) or array.ndim not in (2, 3):
        raise ValueError(f"{name} must be uint8[N, 28, 28] or uint8[28, 28], got {array.dtype}{list(array.shape)}")
    if array.ndim == 2:
        yield Item(name, np.ascontiguousarray(array))
        return
    for place, row in enumerate(array):
        yield Item(f"{name}[{place}]", np.ascontiguousarray(row))

"""What is found below a folder, and what of it cannot be read."""

from pathlib import Path

import pytest
from axon.sources import count, items


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A picture in each of three folders, and one behind them."""
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one.png").write_bytes(b"\x01")
    (tmp_path / "d.png").write_bytes(b"\x02")
    return tmp_path


def deny(monkeypatch: pytest.MonkeyPatch, method: str, denied: Path) -> None:
    """Makes a method of Path refuse one path, whoever asks: to root, nothing is refused otherwise."""
    allowed = getattr(Path, method)

    def refuse(path: Path) -> object:
        if path == denied:
            raise PermissionError(13, "Permission denied", str(path))
        return allowed(path)

    monkeypatch.setattr(Path, method, refuse)


@pytest.mark.parametrize("method", ["iterdir", "is_dir"])
def test_a_folder_that_cannot_be_listed_costs_no_neighbour(
    folder: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    deny(monkeypatch, method, folder / "b")
    found = {str(Path(item.source).relative_to(folder)): item for item in items(folder)}
    assert list(found) == ["a/one.png", "b", "c/one.png", "d.png"]
    assert found["b"].content is None
    assert "Permission denied" in (found["b"].error or "")
    assert [name for name, item in found.items() if item.error] == ["b"]
    assert count([str(folder)]) == 4


@pytest.mark.parametrize("method", ["exists", "iterdir"])
def test_a_folder_that_is_named_and_cannot_be_listed_costs_not_the_next(
    folder: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    deny(monkeypatch, method, folder / "b")
    found = list(items([folder / "b", folder / "c"]))
    assert [item.source for item in found] == [str(folder / "b"), str(folder / "c" / "one.png")]
    assert [bool(item.error) for item in found] == [True, False]


def test_links_to_folders_and_what_is_no_picture_are_passed_over(folder: Path) -> None:
    (folder / "b" / "round").symlink_to(folder)
    (folder / "b" / "round.png").symlink_to(folder)
    (folder / "b" / "text.txt").write_bytes(b"\x03")
    (folder / "b" / "two.PNG").symlink_to(folder / "d.png")
    names = [Path(item.source).name for item in items(folder / "b")]
    assert names == ["one.png", "two.PNG"]

from pathlib import Path

import pytest

from models.repository import Repository, UnknownModel, UnknownVersion
from tests import bundles


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, version in [("cnn", 1), ("cnn", 2), ("cnn", 10), ("gate-xor", 1)]:
        bundles.publish(tmp_path, name, version)
    (tmp_path / "cnn" / ".4-half-written").mkdir()
    (tmp_path / "cnn" / "03").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "README.md").touch()
    return tmp_path


def test_it_lists_what_is_published_and_nothing_else(root: Path) -> None:
    repository = Repository(root)
    assert repository.names() == ["cnn", "gate-xor"]
    assert repository.versions("cnn") == [1, 2, 10]


def test_the_highest_version_is_the_default_unless_another_is_pinned(root: Path) -> None:
    assert Repository(root).default("cnn") == 10
    assert Repository(root, {"cnn": 2}).default("cnn") == 2
    assert Repository(root, {"cnn": 2}).open("cnn").manifest.version == 2
    assert Repository(root).next_version("cnn") == 11
    assert Repository(root).next_version("rnn") == 1


@pytest.mark.parametrize("name", ["rnn", "../cnn", "", "cnn/1", "CNN", "empty"])
def test_an_unknown_name_is_an_error_that_lists_the_known(root: Path, name: str) -> None:
    with pytest.raises(UnknownModel, match="cnn, gate-xor"):
        Repository(root).open(name)


def test_an_unknown_version_is_an_error_that_lists_the_known(root: Path) -> None:
    with pytest.raises(UnknownVersion, match="1, 2, 10"):
        Repository(root).open("cnn", 3)
    with pytest.raises(UnknownVersion, match="no version 7"):
        Repository(root, {"cnn": 7}).default("cnn")


def test_a_folder_that_is_not_there_is_an_empty_repository(tmp_path: Path) -> None:
    assert Repository(tmp_path / "nowhere").names() == []

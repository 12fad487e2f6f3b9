"""The command where no server is needed: wrong usage is one sentence and exit status 2, at once."""

from pathlib import Path

import pytest
from axon.__main__ import KEY_VARIABLE, main

KEY_SENTENCE = "axon: the key must be printable ASCII on one line\n"


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)


@pytest.mark.parametrize("url", ["http://localhost:port", "localhost:3000"])
@pytest.mark.parametrize("command", [["models"], ["gate", "xor", "0,1"], ["classify", "-"]])
def test_a_wrong_url_is_wrong_usage(capsys: pytest.CaptureFixture[str], command: list[str], url: str) -> None:
    assert main([*command, "--url", url]) == 2
    sentence = f"axon: the URL must be http://HOST[:PORT] or https://HOST[:PORT], got {url!r}\n"
    assert capsys.readouterr() == ("", sentence)


def test_a_wrong_key_of_the_environment_is_not_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "secret\nsecond")
    assert main(["models"]) == 2
    assert capsys.readouterr() == ("", KEY_SENTENCE)


@pytest.mark.parametrize("content", [b"secret\nsecond\n", b"secr\xe9t\n", "secr\u00e9t\n".encode()])
def test_a_wrong_key_of_a_file_is_not_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    assert main(["models", "--key-file", str(file)]) == 2
    assert capsys.readouterr() == ("", KEY_SENTENCE)

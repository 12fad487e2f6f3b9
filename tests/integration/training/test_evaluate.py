"""How well digits of another origin are read, as pictures, by a real server."""

from pathlib import Path

import pytest

from tests.servers import Server
from training import evaluate

MUST = 0.95  # of 1,797 digits that no reader was trained on; cnn/2 reads 0.962 of them, rnn/2 0.957


@pytest.mark.parametrize("model", ["cnn", "rnn"])
def test_small_digits_are_read_through_the_whole_pipeline(server: Server, model: str) -> None:
    count, accuracy = evaluate.ask_server(server.url, model, "sklearn", Path())
    assert count == 1797
    assert accuracy >= MUST


def test_what_is_read_is_held_against_the_labels(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures, labels = evaluate.small_pictures()
    monkeypatch.setattr(evaluate, "small_pictures", lambda: (pictures[:200], (labels[:200] + 1) % 10))
    count, accuracy = evaluate.ask_server(server.url, "cnn", "sklearn", Path())
    assert count == 200
    assert accuracy < 0.05

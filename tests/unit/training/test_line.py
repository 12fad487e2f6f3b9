from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.utils import clip_grad_norm_

from models.networks import build
from training import line, run, strokes
from training.data import Examples, standardise
from training.line import LineRecipe
from training.lines import Batch, Composition, collate, compose
from training.options import Options

TINY: LineRecipe = line.RECIPE.model_copy(
    update={
        "name": "tiny-line",
        "config": {"stem": 2, "width": 4, "hidden": 4},
        "epochs": 2,
        "batch_size": 8,
        "lines": 64,
        "max_examples": 96,
    }
)
PLAIN = Composition(longest=4, illegible=0, soiling={"often": 0}, whole=0)


def options(folder: Path, **changes: object) -> Options:
    return Options(**({"dataset": "sklearn", "runs": folder, "device": "cpu"} | changes))


def said(*texts: list[int]) -> Batch:
    digits = torch.tensor([digit for text in texts for digit in text])
    return Batch(torch.zeros((len(texts), 32, 16), dtype=torch.uint8), digits, torch.tensor([*map(len, texts)]))


def answering(*texts: list[int]) -> np.ndarray:
    """Logits of 8 answers that say these texts, each character twice and then nothing."""
    logits = np.zeros((len(texts), 8, 12), np.float32)
    logits[:, :, 11] = 5
    for row, text in enumerate(texts):
        for place, digit in enumerate(text):
            logits[row, 3 * place : 3 * place + 2, digit] = 6, 9
    return logits


def test_the_reader_gives_an_answer_for_every_other_column() -> None:
    network = build("crnn", {"stem": 2, "width": 4, "hidden": 4}).eval()
    assert network(torch.zeros(3, 32, 40)).shape == (3, 20, 12)


def test_what_is_read_is_compared_with_what_was_said() -> None:
    told = line.tell(answering([4, 2], [7], [1, 1]), said([4, 2], [9], [1]))
    assert told.right.tolist() == [True, False, False]
    assert told.labels.tolist() == [4, 2, 9]  # of lines read with as many characters as they have
    assert told.logits.shape == (3, 12)
    assert told.logits[0, 4] == 9  # where it is clearest


def test_the_cost_is_least_for_what_was_said() -> None:
    logits = torch.from_numpy(answering([4, 2], [7]))
    right, wrong = (float(line.cost(said(*texts), logits)) for texts in (([4, 2], [7]), ([4, 3], [7])))
    assert 0 <= right < 0.5 < wrong


def test_the_cost_is_that_of_all_ways_to_say_it() -> None:
    logits = torch.zeros(1, 2, 12)
    ways = 3  # of saying 5 in two answers: twice, or once and nothing
    assert float(line.cost(said([5]), logits)) == pytest.approx(-np.log(ways / 144))


def test_processes_share_a_batch() -> None:
    batch = said([1, 2], [3], [4, 5, 6])
    first, second = (line.take(batch, rank, 2) for rank in (0, 1))
    assert first.digits.tolist() == [1, 2, 4, 5, 6]
    assert second.digits.tolist() == [3]
    assert second.lengths.tolist() == [1]


def test_an_interrupted_run_ends_with_the_weights_of_an_unbroken_one(tmp_path: Path, monkeypatch) -> None:
    unbroken = line.main(options(tmp_path / "unbroken"), TINY)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("training.progress.Journal.log", interrupt)
        with pytest.raises(KeyboardInterrupt):
            line.main(options(tmp_path / "broken"), TINY)
    resumed = line.main(options(tmp_path / "broken", resume=True), TINY)
    assert (resumed.folder / run.WEIGHTS).read_bytes() == (unbroken.folder / run.WEIGHTS).read_bytes()
    assert unbroken.history()[-1]["loss"] < unbroken.history()[0]["loss"]


def test_a_network_can_learn_a_few_lines_by_heart() -> None:
    torch.manual_seed(0)
    images, labels = strokes.draw_many(20, seed=4)
    examples = Examples(torch.from_numpy(images), torch.from_numpy(labels))
    batch = collate(compose(examples, PLAIN, np.random.default_rng(0), 4), PLAIN, np.random.default_rng(0))
    network = build("crnn", {"stem": 8, "width": 16, "hidden": 64})
    optimizer = torch.optim.Adam(network.parameters(), lr=0.005)
    costs = []
    for _ in range(200):  # three times what it takes
        loss = line.cost(batch, network(standardise(batch.lines)))
        optimizer.zero_grad()
        loss.backward()
        clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        costs.append(float(loss.detach()))
    assert costs[-1] < 0.2 < 2 < costs[0]

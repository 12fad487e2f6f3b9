from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from training import cnn, loop, run
from training.loop import one_cycle, warm_average
from training.options import Options, TrainingError
from training.recipe import Recipe
from training.run import RunError

TINY: Recipe = cnn.RECIPE.model_copy(
    update={"name": "tiny", "config": {"stem": 2, "width": 4}, "epochs": 2, "batch_size": 32, "max_examples": 96}
)


def options(folder: Path, **changes: object) -> Options:
    return Options(**({"dataset": "sklearn", "runs": folder, "device": "cpu"} | changes))


def test_one_cycle_rises_to_the_peak_and_falls_to_nothing() -> None:
    assert one_cycle(0.0, 0.25) == pytest.approx(1 / 25)
    assert one_cycle(0.25, 0.25) == pytest.approx(1)
    assert one_cycle(1.0, 0.25) == pytest.approx(0)
    rates = [one_cycle(step / 100, 0.25) for step in range(101)]
    assert rates[:26] == sorted(rates[:26])
    assert rates[25:] == sorted(rates[25:], reverse=True)


def test_the_average_forgets_the_start_and_then_remembers_long() -> None:
    average = warm_average(0.99)
    assert average(torch.zeros(1), torch.ones(1), 0).item() == pytest.approx(0.9)
    assert average(torch.zeros(1), torch.ones(1), 10**6).item() == pytest.approx(0.01)


def test_the_average_takes_in_the_buffers_of_batch_normalisation() -> None:
    network = nn.BatchNorm1d(1)
    averaged = AveragedModel(network, avg_fn=warm_average(0.5), use_buffers=True)
    for mean in (2.0, 4.0):
        network.running_mean.fill_(mean)
        network.num_batches_tracked += 1
        averaged.update_parameters(network)
    assert 2.0 < averaged.module.running_mean.item() < 4.0
    assert averaged.module.num_batches_tracked.item() == 2


def test_a_run_leaves_its_record_its_log_and_its_weights(tmp_path: Path) -> None:
    made = loop.train(TINY, options(tmp_path))
    assert made.folder == tmp_path / "tiny-seed0"
    assert [entry["epoch"] for entry in made.history()] == [1, 2]
    assert any((made.folder / run.TENSORBOARD).iterdir())
    assert run.find(made.folder).record.recipe["batch_size"] == 32
    assert not made.load_network().training


def test_an_interrupted_run_ends_with_the_weights_of_an_unbroken_one(tmp_path: Path, monkeypatch) -> None:
    unbroken = loop.train(TINY, options(tmp_path / "unbroken"))

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("training.progress.Journal.log", interrupt)
        with pytest.raises(KeyboardInterrupt):
            loop.train(TINY, options(tmp_path / "broken"))
    resumed = loop.train(TINY, options(tmp_path / "broken", resume=True))
    assert (resumed.folder / run.WEIGHTS).read_bytes() == (unbroken.folder / run.WEIGHTS).read_bytes()
    assert [entry["loss"] for entry in resumed.history()] == [entry["loss"] for entry in unbroken.history()]


def test_a_folder_never_mixes_two_runs(tmp_path: Path) -> None:
    loop.train(TINY, options(tmp_path))
    with pytest.raises(RunError, match="--resume"):
        loop.train(TINY, options(tmp_path))
    with pytest.raises(RunError, match="another recipe"):
        loop.train(TINY.model_copy(update={"peak_rate": 0.3}), options(tmp_path, resume=True))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA GPU")
def test_a_missing_gpu_is_said_so() -> None:
    with pytest.raises(TrainingError, match="no CUDA GPU"):
        loop.choose_device("cuda")

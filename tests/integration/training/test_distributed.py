"""Two processes, started by torchrun, take the steps that one takes alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector

from models.networks import build
from tests.integration.training import still
from training import run
from training.options import REPOSITORY
from training.run import Run

pytestmark = pytest.mark.timeout(600)  # two runs in each test, 300 s each

ONE = [sys.executable, "-m"]
TWO = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
SMOKE = ["training", "cnn", "--smoke", "--dataset", "sklearn", "--device", "cpu", "--runs"]
STILL = ["tests.integration.training.still"]


def trained(command: list[str], runs: Path, *more: str) -> tuple[Run, str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, str(runs), *more], cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    (folder,) = runs.iterdir()
    return run.find(folder), done.stdout


def weights(made: Run) -> Tensor:
    return parameters_to_vector(made.load_network().parameters()).detach()


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    alone, _ = trained([*ONE, *STILL], tmp_path / "one")
    shared, _ = trained([*TWO, *STILL], tmp_path / "two")
    torch.manual_seed(0)
    start = parameters_to_vector(build(still.RECIPE.network, still.RECIPE.config).parameters()).detach()
    apart, way = (weights(shared) - weights(alone)).norm(), (weights(alone) - start).norm()
    assert apart < 0.03 * way, "1e-7 of it in float32, 0.01 in bfloat16, 0.11 where gradients are not shared"
    assert [epoch["loss"] for epoch in shared.history()] == pytest.approx(
        [epoch["loss"] for epoch in alone.history()], rel=0.01
    )


def test_of_two_processes_one_speaks_and_one_resumes(tmp_path: Path) -> None:
    made, said = trained([*TWO, *SMOKE], tmp_path)
    assert said.count("validation accuracy") == 1, "the second process keeps silent"
    (made.folder / run.WEIGHTS).unlink()
    again, _ = trained([*ONE, *SMOKE], tmp_path, "--resume")
    assert again.is_complete
    assert len(again.history()) == 4

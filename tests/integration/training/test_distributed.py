"""Two processes, started by torchrun, learn what one learns: the same weights but for noise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from training import run
from training.options import REPOSITORY
from training.run import Run

ONE = [sys.executable, "-m"]
TWO = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
SMOKE = ["training", "cnn", "--smoke", "--dataset", "sklearn", "--device", "cpu"]


def trained(start: list[str], runs: Path, *more: str) -> tuple[Run, str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [*start, *SMOKE, "--runs", str(runs), *more]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return run.find(runs / "cnn-smoke-seed0"), done.stdout


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    one, _ = trained(ONE, tmp_path / "one")
    two, said = trained(TWO, tmp_path / "two")
    assert said.count("validation accuracy") == 1, "the second process keeps silent"
    assert two.record.asks_the_same(one.record)
    for alone, shared in zip(one.history(), two.history(), strict=True):
        assert shared["loss"] == pytest.approx(alone["loss"], rel=0.1)
        assert shared["validation_accuracy"] == pytest.approx(alone["validation_accuracy"], abs=0.1)
    first, last = (two.history()[epoch]["loss"] for epoch in (0, -1))
    assert last < 0.7 * first


def test_a_run_of_two_processes_is_resumed_by_one(tmp_path: Path) -> None:
    made, _ = trained(TWO, tmp_path)
    (made.folder / run.WEIGHTS).unlink()
    again, _ = trained(ONE, tmp_path, "--resume")
    assert again.is_complete
    assert len(again.history()) == 4

"""A real process is killed while it trains; continued, it ends as one that was left alone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.servers import REPOSITORY
from training import run
from training.__main__ import main

pytestmark = pytest.mark.timeout(600)  # DEADLINE_S, and two trainings

DEADLINE_S = 90
EPOCHS = 6


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield os.environ | {"OMP_NUM_THREADS": "1"}
    torch.set_num_threads(before)


def arguments(runs: Path) -> list[str]:
    what = ["cnn", "--smoke", "--epochs", str(EPOCHS), "--dataset", "sklearn", "--device", "cpu"]
    return [*what, "--runs", str(runs)]


def kill_after_the_first_epoch(process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not (folder / run.CHECKPOINT).exists():
        assert process.poll() is None, "the run ended before its first checkpoint"
        assert time.monotonic() < deadline, "no checkpoint in time"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_killed_run_is_continued_bit_for_bit(tmp_path: Path, one_thread: dict[str, str]) -> None:
    broken, unbroken = (tmp_path / name / "cnn-smoke-seed0" for name in ("broken", "unbroken"))
    command = [sys.executable, "-m", "training", *arguments(tmp_path / "broken")]
    with subprocess.Popen(command, cwd=REPOSITORY, env=one_thread) as process:
        kill_after_the_first_epoch(process, broken)
    assert not (broken / run.WEIGHTS).exists(), "killed too late to prove anything"
    assert main([*arguments(tmp_path / "broken"), "--resume"]) == 0
    assert main(arguments(tmp_path / "unbroken")) == 0
    assert (broken / run.WEIGHTS).read_bytes() == (unbroken / run.WEIGHTS).read_bytes()
    assert [entry["epoch"] for entry in run.find(broken).history()] == list(range(1, EPOCHS + 1))

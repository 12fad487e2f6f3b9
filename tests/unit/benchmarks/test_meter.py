import os

import pytest

from benchmarks import meter
from benchmarks.meter import TICKS, Usage
from benchmarks.servers import Memory, memory_of

ROLLUP = """\
00400000-7ffd [rollup]
Rss:              125000 kB
Pss:               62500 kB
Shared_Clean:      40000 kB
"""


def test_a_machine_is_busy_but_for_idling_and_waiting() -> None:
    # user nice system idle iowait irq softirq steal guest guest_nice
    stat = "cpu  100 10 50 9000 800 5 15 20 100 10\ncpu0 1 2 3 4 5 6 7 8 9 10\n"
    assert meter.busy(stat) == (100 + 10 + 50 + 5 + 15 + 20) / TICKS


def test_a_calm_run_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = disturbed(monkeypatch, [0.05, 0.0])
    assert meter.calmest(lambda: runs.pop(0)).result == "run 1"


def test_the_calmest_of_three_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = disturbed(monkeypatch, [0.5, 0.3, 0.4, 0.0])
    found = meter.calmest(lambda: runs.pop(0))
    assert (found.result, found.foreign) == ("run 2", pytest.approx(0.3, rel=0.01))
    assert runs == ["run 4"]


def disturbed(monkeypatch: pytest.MonkeyPatch, shares: list[float]) -> list[str]:
    """Runs of a second each, during which others have these shares of the processors."""
    cores = os.cpu_count() or 1
    usages = iter([usage for share in shares for usage in (Usage(0, 0, 0), Usage(share * cores, 0, 0))])
    clock = iter(range(2 * len(shares)))
    monkeypatch.setattr(meter, "read", lambda pids: next(usages))
    monkeypatch.setattr(meter, "perf_counter", lambda: float(next(clock)))
    return [f"run {number}" for number in range(1, len(shares) + 1)]


def test_foreign_is_what_neither_the_server_nor_the_generator_used() -> None:
    used = Usage(10, 4, 3).since(Usage(6, 3, 1.5))
    assert used == Usage(4, 1, 1.5)
    assert used.foreign == 1.5


def test_foreign_is_never_negative() -> None:
    assert Usage(1, 1, 0.02).foreign == 0


def test_the_time_of_processes_is_added_and_gone_ones_have_none() -> None:
    own = meter.read([os.getpid()]).server
    assert own > 0
    assert meter.read([os.getpid(), 2**22 + 1]).server == pytest.approx(own, abs=0.5)


def test_memory_is_read_in_megabytes() -> None:
    assert memory_of(lambda name: ROLLUP) == pytest.approx(Memory(128, 64))

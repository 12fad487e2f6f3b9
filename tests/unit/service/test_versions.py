import os
import subprocess
import sys
from pathlib import Path

from prometheus_client.multiprocess import MultiProcessCollector

from service.telemetry import files
from service.telemetry.values import Stores
from tests.servers import REPOSITORY


def shown(folder: Path) -> dict[str, float]:
    """Every sample in the files, as text."""
    families = MultiProcessCollector(None, path=str(folder)).collect()
    return {f"{each.name} {each.labels.get('version')}": each.value for family in families for each in family.samples}


def test_a_value_counts_and_a_new_process_goes_on(tmp_path: Path) -> None:
    for expected in (2.5, 5.0):
        stores = Stores(tmp_path, 1, files.reserve_one)
        value = stores.value_class()("counter", "a", "a_total", ("version",), ("1",), "")
        value.inc(2)
        value.inc(0.5)
        assert value.get() == expected
        stores.close()
    assert shown(tmp_path) == {"a_total 1": 5.0}


def test_series_are_forgotten_and_the_others_are_kept(tmp_path: Path) -> None:
    stores = Stores(tmp_path, 1, files.reserve_one)
    made = stores.value_class()
    values = [made("counter", "a", "a_total", ("version",), (str(version),), "help") for version in range(3_000)]
    for value in values:
        value.inc(1)
    stores.forget(lambda labels: labels["version"] != "7")
    assert shown(tmp_path) == {"a_total 7": 1.0}
    values[7].inc(1)
    values[8].inc(1)
    assert shown(tmp_path) == {"a_total 7": 2.0, "a_total 8": 2.0}
    assert (tmp_path / "counter_1.db").stat().st_size == files.RESERVED_BYTES
    assert [path.name for path in tmp_path.iterdir()] == ["counter_1.db"]
    stores.close()


SCENARIO = """
import sys
from pathlib import Path
from service.telemetry import files
files.count_as(1, Path(sys.argv[1]) / "metrics")
from models.repository import Repository
from service.telemetry import metrics
from service.telemetry.versions import Versions
from tests.stewards import Worker
from tests import bundles

root = Path(sys.argv[1]) / "models"
bundles.publish(root, "cnn", 1)
worker = Worker(root, keep=1)
versions = Versions(worker.catalog)
def seen():
    return sorted({labels[1] for labels in metrics.MODEL_STATE._metrics})
for entry in worker.catalog.entries():
    versions.record(entry)
versions.sweep()
held = worker.catalog.get("cnn")
bundles.publish(root, "cnn", 2)
worker.tend(2)
for entry in worker.catalog.entries():
    versions.record(entry)
versions.sweep(); versions.sweep(); versions.sweep()
print(*seen())
del held, entry
versions.sweep(); versions.sweep()
print(*seen())
"""


def test_a_version_is_told_of_while_somebody_holds_it(tmp_path: Path) -> None:
    (tmp_path / "metrics").mkdir()
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics")}
    command = [sys.executable, "-c", SCENARIO, str(tmp_path)]
    run = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert run.stdout.split("\n") == ["1 2", "2", ""], run.stderr
    assert {name.rpartition(" ")[2] for name in shown(tmp_path / "metrics") if name.startswith("axon_model_state")} == {
        "2"
    }

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.servers import REPOSITORY

# Metrics are the process's own, so each count is made in one of its own.
SCENARIO = """
import asyncio, sys
import numpy as np
from service.inference.predictions import READING, VERDICTS, describe
from service.telemetry import metrics
from service.telemetry.quality import Quality

images = np.random.default_rng(0).integers(0, 256, (200, 28, 28), np.uint8)
readings = np.zeros(200, READING)
readings["probabilities"] = np.random.default_rng(1).dirichlet(np.ones(10), 200)
readings["verdict"] = np.arange(200) % len(VERDICTS)

async def count():
    quality = Quality("cnn", 1)
    for start in range(0, 200, int(sys.argv[2])):
        part = slice(start, start + int(sys.argv[2]))
        if sys.argv[1] == "tensors":
            quality.record_readings(images[part], readings[part])
        else:
            quality.record(images[part], describe(readings[part], 1))
    quality.flush()
    metrics.TALLY.flush()

asyncio.run(count())
print(metrics.render().decode())
"""


def counted(how: str, rows: int, tmp_path: Path) -> dict[tuple, float]:
    environment = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
    command = [sys.executable, "-c", SCENARIO, how, str(rows)]
    run = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True)
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(run.stdout)
        for sample in family.samples
        if sample.name.startswith(("axon_pred", "axon_abst", "axon_input")) and not sample.name.endswith("_created")
    }


def test_readings_count_alike_whether_they_go_out_as_predictions_or_as_tensors(tmp_path: Path) -> None:
    one, other = counted("predictions", 10, tmp_path), counted("tensors", 10, tmp_path)
    assert one.keys() == other.keys()
    for series, value in one.items():
        assert other[series] == pytest.approx(value), series
    assert sum(value for series, value in one.items() if series[0] == "axon_predictions_total") == 200


def test_of_many_images_a_few_are_measured_and_count_for_all(tmp_path: Path) -> None:
    bins = {series: value for series, value in counted("tensors", 100, tmp_path).items() if "feature_bin" in series[0]}
    for feature in ("ink", "width", "height", "grey"):
        values = [value for series, value in bins.items() if ("feature", feature) in series]
        assert sum(values) == pytest.approx(200)

"""The statistics that load generators read: right over all workers, and complete."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.integration.conformance.triton import Client, tensor
from tests.servers import Server, serving, until

STAGES = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss")
REQUESTS, ROWS = 24, 3


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Server]:
    """Two workers that nobody has asked anything."""
    with serving(tmp_path / "log", AXON_HTTP__WORKERS="2") as running:
        yield running


def one(client: Client, model: str, version: str = "") -> dict[str, Any]:
    """The statistics of one version."""
    [statistics] = client.get_inference_statistics(model, version)["model_stats"]
    return statistics


def test_what_two_workers_did_is_counted_once_and_whole(kind: type[Client], fresh: Server) -> None:
    images = tensor("images", np.full((ROWS, 28, 28), 40, np.uint8))
    with closing(kind(f"127.0.0.1:{fresh.port}")) as client:
        client.together(REQUESTS, "cnn", [images], model_version="2")
        with pytest.raises(InferenceServerException):
            client.infer("cnn", [images], model_version="2", timeout=1)
        until(lambda: one(client, "cnn", "2")["inference_stats"]["fail"]["count"] == 1, 10, "the failure being counted")
        counted = one(client, "cnn", "2")
        assert (counted["name"], counted["version"]) == ("cnn", "2")
        assert counted["inference_count"] == REQUESTS * ROWS
        assert 1 <= counted["execution_count"] <= REQUESTS
        assert counted["last_inference"] > 1_600_000_000_000, "milliseconds since 1970"
        stages = counted["inference_stats"]
        assert set(stages) == set(STAGES)
        assert all(set(stage) == {"count", "ns"} for stage in stages.values())
        assert stages["success"]["count"] == REQUESTS
        assert stages["success"]["ns"] > stages["compute_infer"]["ns"] > 0
        assert stages["cache_hit"]["count"] == stages["cache_miss"]["count"] == 0
        assert len({stages[f"compute_{part}"]["count"] for part in ("input", "infer", "output")}) == 1
        assert one(client, "cnn", "1")["inference_count"] == 0, "the other version was not asked"
        assert one(client, "rnn", "2")["execution_count"] == 0


def test_statistics_may_be_asked_of_all_of_a_model_or_of_a_version(client: Client) -> None:
    everything = client.get_inference_statistics()["model_stats"]
    names = {(each["name"], each["version"]) for each in everything}
    assert names >= {("cnn", "1"), ("cnn", "2"), ("rnn", "2"), ("gate-xor", "1")}
    assert {each["version"] for each in client.get_inference_statistics("cnn")["model_stats"]} == {"1", "2"}
    assert one(client, "gate-xor", "1")["name"] == "gate-xor"
    for each in everything:
        assert set(each["inference_stats"]) == set(STAGES)
        assert {"last_inference", "inference_count", "execution_count", "batch_stats"} <= set(each)

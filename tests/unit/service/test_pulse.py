"""Gauges that are read once a second."""

from prometheus_client.metrics import MetricWrapperBase

from service.inference.catalog import Entry, State
from service.telemetry import metrics, pulse
from service.telemetry.versions import Versions
from tests import trials
from tests.trials import Gate, Theatre


def value(metric: MetricWrapperBase, *labels: object) -> float:
    return float(metric.labels(*labels)._value.get())


def test_a_model_that_is_unloaded_has_nothing_in_hand_and_no_silence() -> None:
    theatre = Theatre(Gate(0.9), Gate(0.9))
    versions = Versions(theatre.catalog)
    for entry in theatre.catalog.entries():
        versions.record(entry)
    theatre.one.batcher._last_beat -= 100
    pulse.measure(theatre.catalog)
    assert value(metrics.HEARTBEAT_AGE, "gate-xor") >= 100
    assert value(metrics.MODEL_INFO, "gate-xor", "1", trials.SHA256) == 1
    unloaded = Entry("gate-xor", 2, State.UNLOADED)
    theatre.catalog.replace([unloaded], {"gate-xor": 2})
    versions.record(unloaded)
    pulse.measure(theatre.catalog)
    gauges = metrics.HEARTBEAT_AGE, metrics.INFLIGHT, metrics.QUEUE_ROWS
    assert [value(gauge, "gate-xor") for gauge in gauges] == [0, 0, 0]
    assert value(metrics.MODEL_INFO, "gate-xor", "2", trials.SHA256) == 0

"""Every metric that Axon exports, and their rendering for any number of worker processes.

Labels are closed sets: a route is its template or `other`, a method one of the known or `other`; never a raw path.
With PROMETHEUS_MULTIPROC_DIR set (the server does it before workers import this) counts are summed over workers. A
worker keeps its files under its number (`service/telemetry/files.py`).
"""

import os
from typing import Literal

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client import multiprocess as _multiprocess
from prometheus_client.registry import Collector

from service.inference.batcher import Observer
from service.telemetry.tally import Tally

ASKED = (
    ("rest", "/v1/digits"),
    ("rest", "/v1/numbers"),
    ("rest", "/v1/gates/{gate}"),
    ("open_inference", "/v2/models/{name}/infer"),
    ("open_inference", "/v2/models/{name}/versions/{version}/infer"),
    ("bento", "/classify"),
    ("bento", "/gate"),
)
COUNTED_FROM_THE_START = (200, 429, 500, 503, 504)  # what availability is made of
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OTHER = "other"

# Seconds, with a bound at each objective: 10 ms for p99 at half load, 10 s for the default deadline.
LATENCY_BUCKETS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
STAGE_BUCKETS = (0.00005, 0.0001, *LATENCY_BUCKETS[:13])
ROW_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
CONFIDENCE_BUCKETS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)

_HTTP = ("door", "route", "method", "status")
HTTP_REQUESTS = Counter("axon_http_requests_total", "Requests answered.", _HTTP)
HTTP_DURATION = Histogram(
    "axon_http_request_duration_seconds",
    "From the request's head to the end of the answer.",
    _HTTP,
    buckets=LATENCY_BUCKETS,
)
STAGE_DURATION = Histogram(
    "axon_inference_stage_duration_seconds",
    "Time of a request in each stage of inference.",
    ("model", "version", "stage"),
    buckets=STAGE_BUCKETS,
)
ROWS = Counter("axon_inference_rows_total", "Rows that an engine ran.", ("model", "version"))
BATCH_ROWS = Histogram("axon_batch_rows", "Rows in a batch.", ("model", "version"), buckets=ROW_BUCKETS)
REJECTIONS = Counter("axon_rejections_total", "Requests refused by a batcher.", ("model", "version", "reason"))
ENGINE_FAILURES = Counter("axon_engine_failures_total", "Requests that an engine failed.", ("model", "version"))
PREDICTIONS = Counter(
    "axon_predictions_total", "Images read, by best guess; - where there is no ink.", ("model", "version", "digit")
)
CONFIDENCE = Histogram(
    "axon_prediction_confidence",
    "Calibrated confidence of the best guess.",
    ("model", "version"),
    buckets=CONFIDENCE_BUCKETS,
)
ABSTENTIONS = Counter("axon_abstentions_total", "Readings that were refused.", ("model", "version", "reason"))
FEATURE_BINS = Counter(
    "axon_input_feature_bin_total",
    "Images by bin of a drift feature (models/features.py).",
    ("model", "feature", "bin"),
)
COMPARISONS = Counter(
    "axon_comparisons_total", "Rows that a candidate and the default both read.", ("model", "version", "outcome")
)
CONFIDENCE_DIFFERENCE = Histogram(
    "axon_confidence_difference",
    "How far a candidate's confidence in a row is from the default's.",
    ("model", "version"),
    buckets=(0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
)
CANARY_REQUESTS = Counter(
    "axon_canary_requests_total",
    "Requests that were a canary's; the default answers where it fails.",
    ("model", "version", "outcome"),
)
WORKER_STARTS = Counter("axon_worker_starts_total", "Workers that started, the first ones included.")

_Mode = Literal["livesum", "liveall", "livemax"]


def _gauge(name: str, documentation: str, labels: tuple[str, ...] = (), mode: _Mode = "livesum") -> Gauge:
    return Gauge(name, documentation, labels, multiprocess_mode=mode)


QUEUE_ROWS = _gauge("axon_queue_rows", "Rows that wait for an engine.", ("model",))
INFLIGHT = _gauge("axon_inflight_requests", "Requests between admission and answer.", ("model",))
MODEL_INFO = _gauge("axon_model_info", "1 for each loaded model.", ("model", "version", "sha256"), "livemax")
MODEL_LOAD = _gauge(
    "axon_model_load_duration_seconds", "From reading the bundle to the golden check.", ("model", "version"), "livemax"
)
MODEL_STATE = _gauge(
    "axon_model_state", "1 for the state that a version is in.", ("model", "version", "state"), "livemax"
)
REFERENCE = _gauge(
    "axon_reference_ratio",
    "Share of a bin on the validation split: what a drift feature, the digits and the confidence are compared with.",
    ("model", "version", "feature", "bin"),
    "livemax",
)
LAST_INFERENCE = _gauge(
    "axon_last_inference_timestamp_seconds", "When a version last answered.", ("model", "version"), "livemax"
)
CANDIDATE_STATE = _gauge(
    "axon_candidate_state",
    "1 for the state that a version on trial is in.",
    ("model", "version", "role", "state"),
    "livemax",
)
RESIDENT = _gauge("axon_process_resident_bytes", "Resident memory of a worker.", mode="liveall")
LOOP_LAG = _gauge("axon_event_loop_lag_seconds", "How late a worker's event loop woke up.", mode="liveall")
PULSE_TIME = _gauge("axon_pulse_timestamp_seconds", "When a worker's event loop last woke up.", mode="liveall")
HEARTBEAT_AGE = _gauge(
    "axon_engine_heartbeat_age_seconds", "Since the engine thread last answered, worst worker.", ("model",), "livemax"
)


TALLY = Tally()  # of this process's event loop

# Bound series, for looking one up by its labels costs more than counting. As bounded as the labels are.
_requests: dict[tuple[str, str, str, int], tuple[Counter, Histogram]] = {}


class BatchMetrics(Observer):
    """Counts what one version's batcher does; series exist from the start, so rates are right from the first event."""

    def __init__(self, model: str, version: int) -> None:
        self._rows = ROWS.labels(model, version)
        self._batch = BATCH_ROWS.labels(model, version)
        self._last = LAST_INFERENCE.labels(model, version)
        self._failures = ENGINE_FAILURES.labels(model, version)
        self._rejections = {
            reason: REJECTIONS.labels(model, version, reason) for reason in ("queue_full", "deadline", "draining")
        }

    def ran(self, rows: int) -> None:
        TALLY.count(self._rows, rows)
        TALLY.observe(self._batch, rows)
        TALLY.stamp(self._last)

    def rejected(self, reason: str) -> None:
        TALLY.count(self._rejections[reason])

    def failed(self) -> None:
        TALLY.count(self._failures)


def expect_requests() -> None:
    """Makes the series of answers that count for objectives, so that a first failure is seen as a rise from 0."""
    for door, route in ASKED:
        for status in COUNTED_FROM_THE_START:
            HTTP_REQUESTS.labels(door, route, "POST", str(status))


def record_request(door: str, route: str, method: str, status: int, seconds: float) -> None:
    """Counts one answer."""
    key = door, route, method, status
    series = _requests.get(key)
    if series is None:
        labels = door, route, method, str(status)
        series = _requests[key] = HTTP_REQUESTS.labels(*labels), HTTP_DURATION.labels(*labels)
    TALLY.count(series[0])
    TALLY.observe(series[1], seconds)


def everything() -> Collector:
    """What collects the metrics of all workers; reading their files takes milliseconds."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return REGISTRY if folder is None else _multiprocess.MultiProcessCollector(None, path=folder)  # type: ignore[no-untyped-call]


def render() -> bytes:
    """All metrics of all workers, in Prometheus's text format. Call it off the event loop, as it takes milliseconds."""
    registry = CollectorRegistry()
    registry.register(everything())
    return generate_latest(registry)

"""What each version has done, from the metrics of all workers, in the words of the statistics extension.

The counts are exact, since every worker's files are summed; they begin with the server's start. A success is each time
that a version was asked and answered, for explanations and second looks too; a failure is a request that its batcher
refused or its engine failed, whose time is not counted.
"""

from collections import defaultdict
from typing import Any

from service.telemetry import metrics

Counts = dict[tuple[str, str, str, str], float]  # by sample, model, version and stage

_STAGE = "axon_inference_stage_duration_seconds"
_ROWS, _BATCHES = "axon_inference_rows_total", "axon_batch_rows_count"
_REFUSED, _FAILED = "axon_rejections_total", "axon_engine_failures_total"
_LAST = "axon_last_inference_timestamp_seconds"
_SAMPLES = {_ROWS, _BATCHES, _REFUSED, _FAILED, _LAST, f"{_STAGE}_count", f"{_STAGE}_sum"}
_STAGES = {
    "queue": ("queue",),
    "compute_input": ("decode", "normalise", "segment"),
    "compute_infer": ("compute",),
    "compute_output": ("encode",),
}


def read() -> Counts:
    """The counts of all workers. Takes milliseconds: call it off the event loop."""
    counts: Counts = defaultdict(float)
    for family in metrics.everything().collect():
        for sample in family.samples:
            if sample.name in _SAMPLES:
                labels = sample.labels
                counts[sample.name, labels["model"], labels["version"], labels.get("stage", "")] += sample.value
    return counts


def describe(counts: Counts, name: str, version: int) -> dict[str, Any]:
    """One version's entry of `model_stats`. Stages that a request did not have are 0 ns; there is no cache."""

    def of(sample: str, stage: str = "") -> float:
        return counts.get((sample, name, str(version), stage), 0.0)

    def seconds(stages: tuple[str, ...]) -> float:
        return sum(of(f"{_STAGE}_sum", stage) for stage in stages)

    answered = int(of(f"{_STAGE}_count", "queue"))
    parts = {part: _duration(answered, seconds(stages)) for part, stages in _STAGES.items()}
    return {
        "name": name,
        "version": str(version),
        "last_inference": int(of(_LAST) * 1e3),
        "inference_count": int(of(_ROWS)),
        "execution_count": int(of(_BATCHES)),
        "inference_stats": {
            "success": {"count": answered, "ns": sum(part["ns"] for part in parts.values())},
            "fail": _duration(int(of(_REFUSED) + of(_FAILED)), 0),
            **parts,
            "cache_hit": _duration(0, 0),
            "cache_miss": _duration(0, 0),
        },
        "response_stats": {},
        "batch_stats": [],
        "memory_usage": [],
    }


def _duration(count: int, seconds: float) -> dict[str, int]:
    return {"count": count, "ns": int(seconds * 1e9)}

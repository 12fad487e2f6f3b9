"""What is told of versions of models, for as long as there is anything to tell: 200 series for each of them."""

from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from prometheus_client import values
from prometheus_client.metrics import MetricWrapperBase

from service import memory
from service.inference.catalog import Catalog, Entry, Key, LoadedModel, State
from service.telemetry import metrics

LABELS = ("model", "version")  # with which every such metric begins
_METRICS: list[Any] = [
    metric
    for metric in vars(metrics).values()
    if isinstance(metric, MetricWrapperBase) and metric._labelnames[: len(LABELS)] == LABELS
]
Version = tuple[str, str]


class Versions:
    """Tells of versions, and forgets those that have left."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._models: WeakSet[LoadedModel] = WeakSet()  # a request may hold one that has left the catalog
        self._gone: set[Version] | None = None
        self._identities: dict[Key, str] = {}  # SHA-256 of those that serve

    def record(self, entry: Entry) -> None:
        """Exports a version's state; where it serves, also its identity, load time and reference distributions."""
        for state in State:
            metrics.MODEL_STATE.labels(entry.name, entry.version, state).set(entry.state is state)
        if sha256 := self._identities.pop((entry.name, entry.version), None):
            metrics.MODEL_INFO.labels(entry.name, entry.version, sha256).set(0)
        if entry.model:
            self._models.add(entry.model)
            self._identities[entry.name, entry.version] = entry.model.bundle.sha256
            metrics.MODEL_INFO.labels(entry.name, entry.version, entry.model.bundle.sha256).set(1)
            metrics.MODEL_LOAD.labels(entry.name, entry.version).set(entry.model.load_s)
            for feature, distribution in entry.model.bundle.manifest.reference.items():
                for index, share in enumerate(distribution.shares):
                    metrics.REFERENCE.labels(entry.name, entry.version, feature, index).set(share)

    def sweep(self) -> None:
        """Forgets what nobody has held since the sweep before: what was counted of it has been written by now.

        The first one forgets what files tell of versions that a dead worker had, whose number this one has.
        """
        held = {(entry.name, str(entry.version)) for entry in self._catalog.entries()}
        held |= {(model.name, str(model.version)) for model in self._models}
        if self._gone is None:
            self._gone = set()
            _forget(lambda version: version not in held)
            return
        gone = {labels[: len(LABELS)] for metric in _METRICS for labels in metric._metrics} - held
        leaving, self._gone = gone & self._gone, gone - self._gone
        if leaving:
            _forget(lambda version: version in leaving)
            memory.give_back()


def _forget(is_gone: Callable[[Version], bool]) -> None:
    """In the files, and in this process; the library's own `remove` would warn that files keep everything.

    Raises OSError where there is no room to write the files anew; the next sweep then tries again.
    """
    if stores := getattr(values.ValueClass, "stores", None):
        stores.forget(lambda labels: "version" in labels and is_gone((labels["model"], labels["version"])))
    for metric in _METRICS:
        for labels in [labels for labels in metric._metrics if is_gone(labels[: len(LABELS)])]:
            del metric._metrics[labels]

"""Versions on trial: who is asked, who answers where a canary fails, what is compared, and when a trial is stopped.

A canary answers the share of the requests whose ids say so, where a request names no version; the default then reads
some of the same rows. A shadow reads a share of what the default answered, and answers nobody.
"""

import asyncio
import logging
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from hashlib import blake2b
from typing import Literal, NamedTuple, Protocol

from service.errors import DeadlineExceeded, InternalError, Overloaded
from service.inference.batcher import Answer, Batcher
from service.inference.catalog import Catalog, LoadedModel
from service.inference.comparison import Agreement, Case, Compared, Comparisons
from service.inference.engine import Outputs, Rows
from service.inference.queue import USUAL
from service.inference.verdict import Verdict
from service.settings import Candidate
from service.settings import Rollout as Settings
from service.telemetry import metrics

log = logging.getLogger(__name__)

FAILURES = (InternalError, DeadlineExceeded)  # what an engine that fails, or hangs, ends in
PUT_OFF_S = 1.0  # that the comparison of a canary's answer may be, under load
_DIGEST_BYTES = 8


class Role(StrEnum):
    CANARY = "canary"
    SHADOW = "shadow"


class Stage(StrEnum):
    """Where a trial stands. WAITING: the version does not serve. DEFAULT: it does by default, so its trial is over."""

    WAITING = "waiting"
    ACTIVE = "active"
    STOPPED = "stopped"
    DEFAULT = "default"


class Standing(NamedTuple):
    """A version as people see its trial; all None for one that is on none."""

    role: Role | None = None
    share: float | None = None
    stopped: str | None = None


class Orders(Protocol):
    """What all workers are told of trials."""

    @property
    def stopped(self) -> Mapping[str, str]:
        """By version ("cnn/3"): why it was stopped."""
        ...

    async def stop(self, name: str, version: int, reason: str) -> None:
        """Ends a trial in every worker."""
        ...


@dataclass(frozen=True, eq=False)
class Canary(LoadedModel):
    """A candidate that was chosen for a request, and who answers where it fails."""

    default: LoadedModel

    @property
    def admission(self) -> Batcher:
        """Of the default, which answers where the canary cannot."""
        return self.default.batcher


class Trial:
    """Of one version, in one worker."""

    def __init__(
        self,
        name: str,
        role: Role,
        candidate: Candidate,
        floors: Settings,
        catalog: Catalog,
        orders: Orders,
        comparisons: Comparisons,
    ) -> None:
        self.name, self.role, self.version, self.share = name, role, candidate.version, candidate.share
        self._floors = floors
        self._catalog = catalog
        self._orders = orders
        self._comparisons = comparisons
        self._verdict = Verdict(floors)
        self._owed = 0.0  # rows of comparison that a shadow's share has come to, in requests
        self._stopping: str | None = None  # until every worker has been told
        self._telling: asyncio.Task[None] | None = None

    @property
    def why_stopped(self) -> str | None:
        """None while it goes on."""
        return self._stopping or self._orders.stopped.get(f"{self.name}/{self.version}")

    @property
    def stage(self) -> Stage:
        """Where it stands now."""
        if self._catalog.default(self.name) == self.version:
            return Stage.DEFAULT
        if self.why_stopped:
            return Stage.STOPPED
        entry = self._catalog.find(self.name, self.version)
        return Stage.ACTIVE if entry and entry.model else Stage.WAITING

    def choose(self, default: LoadedModel, request_id: str) -> LoadedModel:
        """Who answers a request that names no version: always the same for the same id, while both serve."""
        if self.role is Role.SHADOW or not self._is_among(request_id):
            return default
        model = self._candidate(default)
        return Canary(model.bundle, model.batcher, model.platform, model.load_s, default) if model else default

    async def ask(self, rows: Rows, model: LoadedModel, deadline: float, priority: int) -> tuple[Answer, LoadedModel]:
        """The answer of the model, or of the default where that is a canary that fails; and whose it is."""
        if isinstance(model, Canary):
            return await self._ask_canary(rows, model, deadline, priority)
        if model.version != self._catalog.default(self.name):
            return await model.infer(rows, deadline, priority), model
        try:
            answer = await model.infer(rows, deadline, priority)
        except FAILURES:
            self._verdict.default_asked(has_failed=True)
            raise
        self._verdict.default_asked(has_failed=False)
        if self.role is Role.SHADOW and (shadow := self._candidate(model)) and self._is_due():
            self._compare(rows, answer.outputs, shadow)
        return answer, model

    def tend(self) -> None:
        """Once a second: shows how the trial stands; one that was stopped begins anew when it goes on."""
        model = self._candidate_model()
        if model and self.stage is Stage.ACTIVE and self._catalog.is_falling_silent(model):
            self._stop("its engine does not answer")
        if self.why_stopped:
            self._verdict = Verdict(self._floors)
            self._tell_once_more()
        if self._catalog.find(self.name, self.version):
            for stage in Stage:
                series = metrics.CANDIDATE_STATE.labels(self.name, self.version, self.role, stage)
                series.set(stage is self.stage)

    async def _ask_canary(
        self, rows: Rows, model: Canary, deadline: float, priority: int
    ) -> tuple[Answer, LoadedModel]:
        if model.batcher.refusal(len(rows), deadline, priority):
            self._count_request("refused")
            return await self.ask(rows, model.default, deadline, priority)
        try:
            answer = await model.infer(rows, deadline, priority)
        except (*FAILURES, Overloaded) as error:
            self._count_request("refused" if isinstance(error, Overloaded) else "failed")
            if isinstance(error, DeadlineExceeded) or time.monotonic() >= deadline:
                raise
            return await self.ask(rows, model.default, deadline, priority)
        self._count_request("answered")
        if not self.why_stopped:
            self._compare(rows, answer.outputs, model.default)
        return answer, model

    def _candidate(self, default: LoadedModel) -> LoadedModel | None:
        """The candidate, where it serves, is not stopped, and reads what the default reads."""
        model = self._candidate_model()
        if model is None or self.version == default.version or self.why_stopped:
            return None
        return model if model.kind == default.kind else None

    def _candidate_model(self) -> LoadedModel | None:
        entry = self._catalog.find(self.name, self.version)
        return entry.model if entry else None

    def _is_among(self, request_id: str) -> bool:
        """Another candidate has another share of the ids; of a share that grows, nobody leaves."""
        text = f"{self.name}/{self.version} {request_id}".encode()
        place = int.from_bytes(blake2b(text, digest_size=_DIGEST_BYTES).digest())
        return place / (1 << 8 * _DIGEST_BYTES) < self.share

    def _is_due(self) -> bool:
        """Every tenth time, where the share is a tenth."""
        self._owed += self.share
        if self._owed < 1:
            return False
        self._owed -= 1
        return True

    def _compare(self, rows: Rows, outputs: Outputs, other: LoadedModel) -> None:
        drop = partial(self._count_rows, "dropped", len(rows))
        put_off_s = PUT_OFF_S if self.role is Role.CANARY else math.inf
        due = asyncio.get_running_loop().time() + put_off_s
        self._comparisons.offer(Case(rows, outputs, other, self._learn, drop, due))

    def _learn(self, compared: Compared) -> None:
        """What came of a comparison."""
        if self.why_stopped:
            return
        if self.role is Role.SHADOW:
            self._verdict.asked(has_failed=compared.agreement is None)
        if compared.agreement is None:
            self._count_rows("failed", compared.rows)
        else:
            same = compared.agreement.is_same.tolist()
            self._verdict.compared(same)
            self._count_rows("agree", sum(same))
            self._count_rows("differ", len(same) - sum(same))
            self._observe(compared.agreement, compared.compute_s)
        self._judge()

    def _observe(self, agreement: Agreement, compute_s: float) -> None:
        """How the versions differ; of a shadow also what is counted of others where they answer."""
        labels = self.name, self.version
        metrics.TALLY.observe_many(metrics.CONFIDENCE_DIFFERENCE.labels(*labels), agreement.difference.tolist())
        if self.role is Role.SHADOW:
            metrics.TALLY.observe_many(metrics.CONFIDENCE.labels(*labels), agreement.confidence.tolist())
            metrics.TALLY.observe(metrics.STAGE_DURATION.labels(*labels, "compute"), compute_s)

    def _count_rows(self, outcome: str, rows: int) -> None:
        metrics.TALLY.count(metrics.COMPARISONS.labels(self.name, self.version, outcome), rows)

    def _count_request(self, outcome: Literal["answered", "failed", "refused"]) -> None:
        """Refused is who met too many others, which is not the canary's fault."""
        metrics.TALLY.count(metrics.CANARY_REQUESTS.labels(self.name, self.version, outcome))
        if outcome != "refused":
            self._verdict.asked(outcome == "failed")
            self._judge()

    def _judge(self) -> None:
        if reason := self._verdict.why_stop():
            self._stop(reason)

    def _stop(self, reason: str) -> None:
        if self.why_stopped:
            return
        self._stopping = reason
        self._verdict = Verdict(self._floors)
        log.error("candidate_stopped name=%s version=%d reason=%s", self.name, self.version, reason)
        self._telling = asyncio.create_task(self._tell(reason))

    def _tell_once_more(self) -> None:
        """Where the others could not be told; not where they know, for then an operator may have the trial go on."""
        if self._stopping and f"{self.name}/{self.version}" in self._orders.stopped:
            self._stopping = None
        elif self._stopping and (self._telling is None or self._telling.done()):
            self._telling = asyncio.create_task(self._tell(self._stopping))

    async def _tell(self, reason: str) -> None:
        """Where the others cannot be told, this worker has stopped nevertheless."""
        try:
            await self._orders.stop(self.name, self.version, reason)
        except Exception:
            log.exception("stop_not_told name=%s version=%d", self.name, self.version)
        else:
            self._stopping = None


class Rollout:
    """The trials of one worker, by model."""

    def __init__(self, catalog: Catalog, settings: Settings, orders: Orders) -> None:
        self._catalog = catalog
        self.comparisons = Comparisons(catalog.ready, settings.shadow_rows)
        self._trials = {
            name: Trial(name, role, candidate, settings, catalog, orders, self.comparisons)
            for name, role, candidate in on_trial(settings)
        }

    def choose(self, default: LoadedModel, request_id: str) -> LoadedModel:
        """Who answers a request that names no version."""
        trial = self._trials.get(default.name)
        return trial.choose(default, request_id) if trial else default

    async def ask(
        self, rows: Rows, model: LoadedModel, deadline: float, priority: int = USUAL
    ) -> tuple[Answer, LoadedModel]:
        """The answer for validated rows, and whose it is. Raises what Batcher.submit raises."""
        trial = self._trials.get(model.name)
        if trial is None:
            return await model.infer(rows, deadline, priority), model
        return await trial.ask(rows, model, deadline, priority)

    def trials(self) -> Iterator[Trial]:
        """All of them."""
        return iter(self._trials.values())

    def standing(self, name: str, version: int) -> Standing:
        """How a version's trial stands."""
        trial = self._trials.get(name)
        if trial is None or trial.version != version:
            return Standing()
        return Standing(trial.role, trial.share, trial.why_stopped)

    def tend(self) -> None:
        """Once a second. Nobody asks a version that is stopped, so that one that hangs does no more harm."""
        for trial in self._trials.values():
            trial.tend()
        stopped = (trial for trial in self._trials.values() if trial.stage is Stage.STOPPED)
        self._catalog.excused = frozenset((trial.name, trial.version) for trial in stopped)


def on_trial(settings: Settings) -> Iterator[tuple[str, Role, Candidate]]:
    """Every candidate that the settings name, with its model."""
    for role, candidates in ((Role.CANARY, settings.canaries), (Role.SHADOW, settings.shadows)):
        for name, candidate in candidates.items():
            yield name, role, candidate


def versions_on_trial(settings: Settings) -> dict[str, frozenset[int]]:
    """By model."""
    return {name: frozenset({candidate.version}) for name, _, candidate in on_trial(settings)}

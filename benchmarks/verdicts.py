"""What must hold, what is aimed at, what was measured: one row a promise."""

import statistics
from collections.abc import Callable
from typing import NamedTuple

from benchmarks.arithmetic import ratio
from benchmarks.contenders import AXON
from benchmarks.results import BatchCost, Closed, Results

CONNECTIONS = 16
ABSENT, MISSED, HELD, REACHED = "—", "**missed**", "holds", "aim reached"


class Row(NamedTuple):
    """A line of the table."""

    what: str
    must: str
    aim: str
    measured: str
    verdict: str


class Promise(NamedTuple):
    """Our case against a server's: at least `must` times its rate, `aim` times if all goes well."""

    what: str
    case: str
    server: str
    their_case: str
    must: float
    aim: float


PROMISES = (
    Promise("one JSON image, REST door, against FastAPI + ONNX Runtime", "json-1", "fastapi", "json-1", 1.0, 1.3),
    Promise("… against LitServe", "json-1", "litserve", "json-1", 4, 6),
    Promise("… against default BentoML", "json-1", "bentoml", "json-1", 6, 10),
    Promise("one image, /v2 door, JSON, against MLServer JSON", "v2-json-1", "mlserver", "json-1", 2, 4),
    Promise("one image, /v2 door, binary, against MLServer JSON", "binary-1", "mlserver", "json-1", 3, 6),
    Promise(
        "hot route (one JSON image) against bare ASGI doing the same inference", "json-1", "bare", "json-1", 0.7, 0.9
    ),
)


def rows(results: Results) -> list[Row]:
    """The whole table; a row that was not measured says so."""
    return [
        *(_promise(promise, results.closed) for promise in PROMISES),
        _batch(results),
        _half_load(results),
        _overload(results),
        _start(results),
        _memory(results),
        _slope(results),
    ]


def compare(closed: Closed, promise: Promise) -> tuple[list[float], float] | None:
    """Ratios of rates by round, and the ratio of CPU time for a request; None where one of both was not measured."""
    ours = closed.cell(AXON, promise.case, CONNECTIONS)
    theirs = closed.cell(promise.server, promise.their_case, CONNECTIONS)
    if ours is None or theirs is None:
        return None
    by_round = [our / their for our, their in zip(ours.rates(), theirs.rates(), strict=True)]
    costs = (statistics.median(run.cpu_us for run in cell.rounds) for cell in (theirs, ours))
    their_cost, our_cost = costs
    return by_round, their_cost / our_cost if our_cost else 0.0


def judge(value: float, must: float, aim: float, better: Callable[[float, float], bool]) -> str:
    """A verdict; `better` says whether its first argument is at least as good as its second."""
    if better(value, aim):
        return REACHED
    return HELD if better(value, must) else MISSED


def _at_least(value: float, bound: float) -> bool:
    return value >= bound


def _at_most(value: float, bound: float) -> bool:
    return value <= bound


def _promise(promise: Promise, closed: Closed | None) -> Row:
    bounds = f"{promise.must:g}x", f"{promise.aim:g}x"
    compared = compare(closed, promise) if closed else None
    if compared is None:
        return Row(promise.what, *bounds, "not served yet" if closed else "not measured", ABSENT)
    by_round, by_cost = compared
    value = statistics.median(by_round)
    measured = f"{value:.2f}x ({min(by_round):.2f} to {max(by_round):.2f}); by CPU time {by_cost:.2f}x"
    return Row(promise.what, *bounds, measured, judge(value, promise.must, promise.aim, _at_least))


def _batch(results: Results) -> Row:
    what = "64 images a request, binary: images/s against the engine in a loop without HTTP, same cores"
    costs = [cost for cost in results.batch.costs if cost.size == 64] if results.batch else []
    if not results.batch or not costs:
        return Row(what, "0.80", "0.95", "not measured", ABSENT)
    value = against_engine(costs[0])
    if results.batch.format != "bytes":
        return Row(what, "0.80", "0.95", f"no binary door yet; {value:.2f} as {results.batch.format}", ABSENT)
    return Row(what, "0.80", "0.95", f"{value:.2f}", judge(value, 0.8, 0.95, _at_least))


def against_engine(cost: BatchCost) -> float:
    """Axon's two workers against two processes that call the engine in a loop."""
    return ratio(cost.axon, cost.engine_two)


def _half_load(results: Results) -> Row:
    what, bounds = "p99 at half load", ("10 ms", "4 ms")
    runs = [run for run in results.open.runs if run.server == AXON] if results.open else []
    if not runs:
        return Row(what, *bounds, "not measured", ABSENT)
    by_round = runs[0].by_round("p99")
    p99 = statistics.median(by_round)
    spread = f"{min(by_round):.1f} to {max(by_round):.1f}"
    measured = f"{p99:.1f} ms ({spread}) at {runs[0].offered:,.0f}/s; the generator was {runs[0].late_ms():.1f} ms late"
    return Row(what, *bounds, measured, judge(p99, 10, 4, _at_most))


def _overload(results: Results) -> Row:
    what = (
        "overload 10x (open loop): p99 of the accepted within the deadline; every refusal 429 with Retry-After; no 5xx"
    )
    if not results.overload:
        return Row(what, "holds", "", "not measured", ABSENT)
    holds, parts = True, []
    for flood in results.overload.floods:
        statuses = ", ".join(f"{count:,} x {status}" for status, count in flood.statuses.items())
        parts.append(f"{flood.title}: p99 {flood.accepted_p99_ms:,.0f} of {flood.deadline_ms:.0f} ms, {statuses}")
        holds &= set(flood.statuses) <= {200, 429} and not flood.refusals_without_retry_after
        holds &= 0 < flood.accepted_p99_ms <= flood.deadline_ms
    return Row(what, "holds", "", "; ".join(parts), HELD if holds else MISSED)


def _start(results: Results) -> Row:
    what, bounds = "start to ready", ("5 s", "2.5 s")
    runs = [run for run in results.start.runs if run.server == AXON] if results.start else []
    if not runs:
        return Row(what, *bounds, "not measured", ABSENT)
    value = statistics.median(runs[0].seconds)
    return Row(what, *bounds, f"{value:.1f} s", judge(value, 5, 2.5, _at_most))


def _memory(results: Results) -> Row:
    what, bounds = "resident memory of a worker, after the load", ("180 MB", "140 MB")
    prints = [one for one in results.closed.footprints if one.server == AXON] if results.closed else []
    if not prints:
        return Row(what, *bounds, "not measured", ABSENT)
    rss, pss = prints[0].largest_rss_mb, prints[0].largest_pss_mb
    return Row(what, *bounds, f"{rss:.0f} MB, {pss:.0f} MB shared fairly", judge(rss, 180, 140, _at_most))


def _slope(results: Results) -> Row:
    if not results.soak:
        return Row("memory slope under mixed requests", "< 1 MB per 100,000", "0", "not measured", ABSENT)
    what = f"memory slope over {results.soak.requests:,} mixed requests, all workers together"
    value = results.soak.slope_mb_per_100k
    verdict = judge(value, 1, 0.05, _at_most)  # 0.05 is told as 0.0
    return Row(what, "< 1 MB per 100,000", "0", f"{value:+.1f} MB per 100,000", verdict)

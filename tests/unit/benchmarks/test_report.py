from pathlib import Path

import pytest

from benchmarks import figures, report, results, verdicts
from benchmarks.closed_loop import Saturated
from benchmarks.contenders import CONTENDERS
from benchmarks.results import (
    BatchCost,
    Batches,
    Cell,
    Closed,
    Flood,
    Footprint,
    Open,
    Origin,
    Overload,
    Paced,
    PacedRun,
    PartCost,
    Parts,
    Results,
    Soak,
    Start,
    Starts,
    Trial,
)


def cell(server: str, *rates: float, case: str = "json-1", cpu_us: float = 100) -> Cell:
    runs = [Saturated(rate=rate, p50_ms=1, p99_ms=2, cpu_us=cpu_us, foreign=0.05) for rate in rates]
    return Cell(server=server, case=case, connections=16, rounds=runs)


def flood(**changes: object) -> Flood:
    values = {
        "title": "one image, JSON",
        "saturation": 100,
        "wanted": 1000,
        "due": 990,
        "sent": 700,
        "deadline_ms": 250,
        "connections": 1024,
        "statuses": {200: 300, 429: 400},
        "refusals_without_retry_after": 0,
        "accepted": 90,
        "accepted_p50_ms": 40,
        "accepted_p99_ms": 240,
        "accepted_late": 2,
    }
    return Flood.model_validate(values | changes)


def paced(p99: float) -> Open:
    runs = [
        PacedRun(
            answered=9,
            percentiles_ms={"p50": 1.0, "p90": 2.0, "p99": p99 + more, "p99.9": 20.0},
            generator_late_p99_ms=0.7,
            foreign=0,
        )
        for more in (0, 90, -1)
    ]
    return Open(seconds=5, connections=64, runs=[Paced(server="axon", offered=1500, rounds=runs)])


def soak(slope: float) -> Soak:
    points = [(0, 300.0), (30, 310.0), (200, 311.5)]
    return Soak(
        warm_up=20,
        requests=200,
        mixture={"PNG": 0.8, "wrong": 0.2},
        statuses={200: 160, 400: 40},
        points=points,
        slope_mb_per_100k=slope,
    )


def batch(form: str = "bytes") -> Batches:
    cost = BatchCost(size=64, axon=[900, 1000], engine_one=[600, 600], engine_two=[1000, 1000])
    return Batches(seconds=1, format=form, connections=16, costs=[cost])


@pytest.fixture
def everything() -> Results:
    rates = {"axon": (3000, 2600), "fastapi": (2000, 2000), "litserve": (1000, 1000), "bentoml": (500, 520)}
    cells = [cell(server, *rounds) for server, rounds in rates.items()]
    cells += [cell("mlserver", 1500, 1000), cell("bare", 4000, 4000, cpu_us=80)]
    cells += [cell("axon", 500, 500, case="png-28"), cell("fastapi", 1000, 1000, case="png-28")]
    closed = Closed(
        seconds=1,
        trials=[Trial(server="mlserver", variant=f"parallel_workers {count}", rate=9 - count) for count in (0, 1)],
        cells=cells,
        footprints=[
            Footprint(server="axon", processes=3, largest_rss_mb=150, largest_pss_mb=120, total_pss_mb=260),
        ],
    )
    return Results(
        machine={"processor": "Abacus, 2 cores"},
        versions={"Axon": "numpy 2"},
        origins={"closed": Origin(date="2026-01-01", commit="abc", command="python -m benchmarks")},
        closed=closed,
        open=paced(3.0),
        overload=Overload(seconds=6, floods=[flood()]),
        start=Starts(runs=[Start(server="axon", seconds=[2.0, 3.0, 2.2])]),
        soak=soak(0.2),
        batch=batch(),
        parts=Parts(costs=[PartCost(what="a drawing", beside="decoding", ours_us=[9, 30, 12], beside_us=[4, 10, 6])]),
    )


def row(found: Results, start: str) -> verdicts.Row:
    (one,) = (one for one in verdicts.rows(found) if one.what.startswith(start))
    return one


def test_ratios_become_verdicts(everything: Results) -> None:
    assert row(everything, "one JSON image").measured == "1.40x (1.30 to 1.50); by CPU time 1.00x"
    assert row(everything, "one JSON image").verdict == verdicts.REACHED
    assert row(everything, "… against LitServe").verdict == verdicts.MISSED  # 2.8 of 4
    assert row(everything, "… against default BentoML").verdict == verdicts.MISSED  # 5.5 of 6
    hot = row(everything, "hot route")
    assert (hot.measured, hot.verdict) == ("0.70x (0.65 to 0.75); by CPU time 0.80x", verdicts.HELD)


def test_other_rows(everything: Results) -> None:
    assert row(everything, "64 images").measured == "0.95"
    assert row(everything, "64 images").verdict == verdicts.REACHED
    assert row(everything, "p99 at half load").verdict == verdicts.REACHED
    assert row(everything, "overload").verdict == verdicts.HELD
    assert (row(everything, "start").measured, row(everything, "start").verdict) == ("2.2 s", verdicts.REACHED)
    assert row(everything, "resident memory").verdict == verdicts.HELD
    assert row(everything, "memory slope").verdict == verdicts.HELD


@pytest.mark.parametrize(("p99", "verdict"), [(4.0, "REACHED"), (4.1, "HELD"), (10.0, "HELD"), (10.1, "MISSED")])
def test_bounds_are_inclusive(everything: Results, p99: float, verdict: str) -> None:
    everything.open = paced(p99)
    assert row(everything, "p99 at half load").verdict == getattr(verdicts, verdict)


@pytest.mark.parametrize(
    "changes",
    [
        {"statuses": {200: 1, 429: 1, 504: 1}},
        {"refusals_without_retry_after": 1},
        {"accepted_p99_ms": 251},
        {"accepted_p99_ms": 0},
    ],
)
def test_what_breaks_the_overload_promise(everything: Results, changes: dict[str, object]) -> None:
    everything.overload = Overload(seconds=6, floods=[flood(), flood(**changes)])
    assert row(everything, "overload").verdict == verdicts.MISSED


@pytest.mark.parametrize(("slope", "verdict"), [(-3.0, "REACHED"), (0.9, "HELD"), (1.1, "MISSED")])
def test_memory_that_grows(everything: Results, slope: float, verdict: str) -> None:
    everything.soak = soak(slope)
    assert row(everything, "memory slope").verdict == getattr(verdicts, verdict)


def test_what_is_not_there_is_not_judged(everything: Results) -> None:
    assert row(everything, "one image, /v2 door, JSON").verdict == verdicts.ABSENT
    everything.batch = batch("JSON")
    assert row(everything, "64 images").verdict == verdicts.ABSENT
    assert {one.verdict for one in verdicts.rows(Results())} == {verdicts.ABSENT}


def test_a_v2_door_is_compared_with_the_peers_json(everything: Results) -> None:
    everything.closed.cells.append(cell("axon", 6000, 6000, case="binary-1"))
    assert row(everything, "one image, /v2 door, binary").measured.startswith("5.00x (4.00 to 6.00)")
    assert row(everything, "one image, /v2 door, binary").verdict == verdicts.HELD


def test_the_page_shows_what_was_measured(everything: Results) -> None:
    page = report.page(everything)
    for text in (
        "| Axon | 2,800 (2,600 to 3,000) | 1.0 ms | 2.0 ms | 100 µs |",
        "| LitServe + ONNX Runtime | — | — | — | — |",  # it has no cell for the picture
        "| one PNG, 28 x 28 | 16 | FastAPI + ONNX Runtime | 0.50x |",
        "| Axon | 1,500/s | 3 | 1.0 ms | 2.0 ms | 3.0 ms | 20.0 ms | 0.7 ms |",
        "| one image, JSON | 100/s | 990/s | 700/s | 90/s | 40, 240 ms | 250 ms | 2 | 200: 300, 429: 400 |",
        "| 64 | 950 | 67.37 ms | 1,053 µs | 600 | 1,000 | 0.95 |",
        "| a drawing | 12.0 µs | decoding | 6.0 µs | 2.25x |",
        "| Axon | 2.2 s | 3 | 150, 120 MB | 260 MB |",
        "went from 310 to 312 MB: +0.20 MB per 100,000",
        "| processor | Abacus, 2 cores |",
        "| closed | 2026-01-01 | `abc` | `python -m benchmarks` |",
        "| MLServer + ONNX Runtime | parallel_workers 0 | 9 (taken) |",
        "2 rounds of 1 s",
    ):
        assert text in page, text
    assert "| one image, JSON | 16 |" not in page  # where Axon wins, it does not lose
    assert "One image, bytes" not in page  # nobody was asked


def test_being_slower_than_the_limit_is_no_loss(everything: Results) -> None:
    assert "| bare ASGI" not in report.page(everything).partition("## Where Axon loses")[2].partition("## At half")[0]


def test_rounds_that_were_disturbed_are_left_out_if_another_was_calm(everything: Results) -> None:
    rounds = everything.open.runs[0].rounds
    rounds[0].foreign = rounds[2].foreign = 0.4
    assert row(everything, "p99 at half load").measured.startswith("93.0 ms (93.0 to 93.0)")
    assert "| Axon | 1,500/s | 1 of 3 | 1.0 ms" in report.page(everything)
    rounds[1].foreign = 0.5
    assert row(everything, "p99 at half load").measured.startswith("3.0 ms (2.0 to 93.0)")


def test_a_page_of_nothing_is_a_page() -> None:
    assert "not measured" in report.page(Results())


def test_stored_numbers_are_read_again(everything: Results, tmp_path: Path) -> None:
    file = tmp_path / "dist" / "benchmarks.json"
    assert results.load(file) == Results()
    results.store(everything, file)
    assert results.load(file) == everything
    assert report.page(results.load(file)) == report.page(everything)


def test_the_same_numbers_draw_the_same_figure(everything: Results, tmp_path: Path) -> None:
    for name in ("one.svg", "two.svg"):
        figures.draw(everything.closed, everything.open, tmp_path / name)
    drawing = (tmp_path / "one.svg").read_text()
    assert drawing == (tmp_path / "two.svg").read_text()
    for text in ("Axon", "2,800", "1,500/s"):
        assert text in drawing


def test_a_figure_without_numbers_is_drawn(tmp_path: Path) -> None:
    figures.draw(None, None, tmp_path / "empty.svg")
    assert (tmp_path / "empty.svg").stat().st_size > 0


def test_every_server_has_a_colour_and_a_mark_of_its_own() -> None:
    assert len(set(figures.COLOURS.values())) == len(set(figures.MARKS.values())) == len(CONTENDERS)

import shutil

import pytest

from benchmarks.closed_loop import find_wrk, parse, saturate
from benchmarks.protocols import JSON, Request
from tests.unit.benchmarks.fakes import Reply, answering

OUTPUT = """\
Running 1s test @ http://127.0.0.1:4101/
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     3.41ms    1.27ms  21.93ms   89.12%%

JSON {"requests": 3000, "duration_us": 1500000, "p50_us": 3250, "p99_us": 7800, "refused": %d, "broken": %d}
"""
needs_wrk = pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")


def test_what_wrk_wrote() -> None:
    run = parse(OUTPUT % (0, 0))
    assert (run.rate, run.p50_ms, run.p99_ms) == (2000, 3.25, 7.8)


@pytest.mark.parametrize("counts", [(1, 0), (0, 1)])
def test_a_failed_request_is_no_rate(counts: tuple[int, int]) -> None:
    with pytest.raises(RuntimeError, match=r"of 3000 requests [01] were refused and [01] got no answer"):
        parse(OUTPUT % counts)


def test_no_request_is_no_rate() -> None:
    with pytest.raises(RuntimeError, match="of 0 requests"):
        parse('JSON {"requests": 0, "duration_us": 1000000, "p50_us": 0, "p99_us": 0, "refused": 0, "broken": 0}')


def test_who_lacks_wrk_is_told_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SystemExit, match=r"need wrk.*apt-get install wrk"):
        find_wrk()


@needs_wrk
def test_requests_go_in_rotation() -> None:
    requests = [Request("/", JSON, body).raw() for body in (b"one", b"two", b"three")]
    with answering(lambda _: Reply()) as server:
        run = saturate(server.port, requests, connections=1, seconds=1)
    assert run.rate > 0
    assert 0 < run.p50_ms <= run.p99_ms
    assert server.bodies[:6] == [b"two", b"three", b"one"] * 2  # wrk tries the script once before it begins


@needs_wrk
def test_a_refusal_fails_the_run() -> None:
    with (
        answering(lambda body: Reply(429 if body == b"two" else 200)) as server,
        pytest.raises(RuntimeError, match="were refused"),
    ):
        saturate(server.port, [Request("/", JSON, body).raw() for body in (b"one", b"two")], 1, 1)

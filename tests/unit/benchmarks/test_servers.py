import os
import signal
import socket
from pathlib import Path

import pytest

from benchmarks.contenders import Contender, Variant
from benchmarks.servers import PORTS, Server, free_port, serving
from tests.servers import until

# A parent whose child serves, as supervisors have it; it ignores SIGTERM where it is told to.
PROGRAM = """
import http.server, os, signal, sys
port, stubborn = int(sys.argv[1]), "--stubborn" in sys.argv
if stubborn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/ready" else 404)
        self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", port), Handler)
if os.fork() == 0:
    os.setsid()
    server.serve_forever()
os.wait()
"""
FAKE = Contender("fake", "Fake", lambda port: ("-c", PROGRAM, str(port)), "/ready", {})
BROKEN = FAKE._replace(arguments=lambda port: ("-c", "raise SystemExit('no such model')"))


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except FileNotFoundError:
        return "gone"


def test_a_server_is_started_measured_and_ended_with_its_children() -> None:
    with serving(FAKE, Variant("")) as server:
        pids = server.pids()
        assert len(pids) == 2
        assert server.start_s > 0
        sizes = [process.rss_mb for process in server.memory()]
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[-1] > 1
        server.check()
    assert [state(pid) for pid in pids if state(pid) not in ("gone", "Z")] == []


def test_a_suspended_server_stands_still_and_goes_on() -> None:
    with serving(FAKE, Variant("")) as server:
        server.suspend()
        until(lambda: [state(pid) for pid in server.pids()] == ["T", "T"], 5, "standing still")
        server.resume()
        assert "T" not in [state(pid) for pid in server.pids()]


def test_a_suspended_server_can_be_ended() -> None:
    with serving(FAKE, Variant("")) as server:
        pids = server.pids()
        server.suspend()
    assert [state(pid) for pid in pids if state(pid) not in ("gone", "Z")] == []


def test_a_lost_process_is_noticed() -> None:
    with serving(FAKE, Variant("")) as server:
        os.kill(server.pids()[1], signal.SIGKILL)
        until(lambda: len(server.pids()) == 1 or state(server.pids()[1]) == "Z", 5, "the end of the child")
        until(lambda: len(server.pids()) == 1, 5, "the end of the child")
        with pytest.raises(RuntimeError, match="Fake lost processes"):
            server.check()


def test_who_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.servers.STOP_S", 0.2)
    with serving(FAKE, Variant("", ("--stubborn",))) as server:
        pids = server.pids()
    assert [state(pid) for pid in pids if state(pid) not in ("gone", "Z")] == []


def test_a_server_that_does_not_start_shows_its_log(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"Fake is not ready\n.*no such model"):
        Server(BROKEN, Variant(""), tmp_path)


def test_three_ports_in_a_row_are_free() -> None:
    port = free_port()
    for offset in range(PORTS):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port + offset))


def test_settings_of_the_shell_do_not_reach_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AXON_HTTP__WORKERS", "7")
    with serving(FAKE, Variant("", variables={"TUNED": "yes"})) as server:
        environment = Path(f"/proc/{server.pids()[0]}/environ").read_bytes().split(b"\0")
        assert b"TUNED=yes" in environment
        assert not [line for line in environment if line.startswith(b"AXON_")]

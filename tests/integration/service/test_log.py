import json
from pathlib import Path

from tests.servers import serving, until


def test_requests_and_models_are_logged_as_json_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"

    def lines() -> list[dict]:
        return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]

    with serving(log, AXON_HTTP__WORKERS="1", AXON_LOG__ACCESS_SAMPLE="1") as running:
        running.client.get("/secret-path?token=abc", headers={"x-request-id": "mine"})
        request = until(lambda: [line for line in lines() if line.get("request_id") == "mine"], 10, "the line")[0]
    assert request["event"] == "request"
    assert request["status"] == 404
    assert request["route"] == "other"
    assert request["ms"] > 0
    assert any(line["event"].startswith("model_ready name=cnn version=1") for line in lines())
    assert "secret-path" not in log.read_text(), "a path may carry what nobody should read in a log"


def test_nothing_is_logged_of_requests_where_the_sample_is_0(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with serving(log, AXON_HTTP__WORKERS="1", AXON_LOG__ACCESS_SAMPLE="0") as running:
        for _ in range(20):
            assert running.client.get("/livez").status_code == 200
    assert '"event":"request"' not in log.read_text()

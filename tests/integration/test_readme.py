"""What the README tells people to type, typed."""

import json
import re
import shutil
import subprocess

import pytest

from tests.servers import REPOSITORY, Server

README = (REPOSITORY / "README.md").read_text()
CURLS = [line.split("  #")[0].strip() for line in README.splitlines() if line.startswith("curl ")]


def run(server: Server, line: str) -> str:
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    command = line.replace("localhost:3000", f"127.0.0.1:{server.port}").replace("curl -s", "curl -sf")
    done = subprocess.run(["sh", "-c", command], cwd=REPOSITORY, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_are_lines_to_try() -> None:
    assert len(CURLS) >= 6


@pytest.mark.parametrize("line", CURLS)
def test_a_curl_line_works_as_pasted(server: Server, line: str) -> None:
    assert run(server, line)


def test_the_first_lines_read_what_they_promise(server: Server) -> None:
    seven, three, both, xor = (json.loads(run(server, line)) for line in CURLS[:4])
    assert seven["predictions"][0]["digit"] == 7
    assert seven["model"]["name"] == "cnn"
    assert three["predictions"][0]["digit"] == 3
    assert three["model"]["name"] == "rnn"
    assert [prediction["digit"] for prediction in both["predictions"]] == [7, 3]
    assert [row["output"] for row in xor["outputs"]] == [0, 1, 1, 0]


def test_the_example_answer_has_the_keys_that_answers_have(server: Server) -> None:
    [example] = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
    answer = json.loads(run(server, CURLS[0]))
    for key in (*answer, *answer["predictions"][0], *answer["timing_ms"], *answer["model"]):
        assert f'"{key}"' in example

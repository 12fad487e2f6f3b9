"""Models that change under load: what clients, operators and memory notice of it."""

import contextlib
import itertools
import json
import shutil
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import httpx
import numpy as np
import pytest

from models import bundle
from models.repository import Repository
from tests import bundles
from tests.servers import Server, serving, until

SWAPS, CLIENTS = 200, 4


class Traffic:
    """Clients that ask one after the other, until told to stop, and keep every answer that is not as it should be."""

    def __init__(self, server: Server, expected: dict[int, float], image: np.ndarray) -> None:
        self._url = server.url
        self._expected = expected  # by version modulo 2: the confidence
        self._body = {"images": [image.tolist()]}
        self._done = threading.Event()
        self.answered = [0] * CLIENTS
        self.wrong: list[str] = []
        self.versions: set[int] = set()
        self._threads = [threading.Thread(target=self._ask, args=(each,)) for each in range(CLIENTS)]

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int) -> None:
        with httpx.Client(base_url=self._url, timeout=30) as client:
            while not self._done.is_set():
                answer = client.post("/v1/digits", json=self._body)
                self.answered[number] += 1
                if answer.status_code != 200:
                    self.wrong.append(answer.text)
                    continue
                document = answer.json()
                version, [prediction] = document["model"]["version"], document["predictions"]
                self.versions.add(version)
                if prediction["confidence"] != pytest.approx(self._expected[version % 2], abs=1e-4):
                    self.wrong.append(f"version {version} answered {prediction}")


def resident(server: Server) -> int:
    """Bytes of all workers."""
    pages = (int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in server.worker_pids())
    return sum(pages) * 4096


@pytest.fixture
def root(tmp_path: Path, published: Path) -> Path:
    """The published cnn/1 and cnn/2, and nothing else."""
    shutil.copytree(published / "cnn" / "1", tmp_path / "models" / "cnn" / "1")
    shutil.copytree(published / "cnn" / "2", tmp_path / "models" / "cnn" / "2")
    return tmp_path / "models"


@pytest.fixture
def live(tmp_path: Path, root: Path) -> Iterator[Server]:
    """Two workers over a folder of their own."""
    with serving(tmp_path / "log", AXON_HTTP__WORKERS="2", AXON_MODELS__ROOT=str(root)) as running:
        until(lambda: metric_of(running, "axon_worker_starts_total") == 2, 30, "both workers' start")
        yield running


def metric_of(server: Server, line: str) -> float:
    """The value of a series, written as in the exposition."""
    found = [each for each in server.client.get("/metrics").text.splitlines() if each.startswith(line + " ")]
    return float(found[0].rpartition(" ")[2]) if found else -1


def publish_again(root: Path, version: int) -> None:
    """Publishes version 1 or 2 under a higher number."""
    again = Repository(root).open("cnn", 2 - version % 2)
    bundle.write(root / "cnn" / str(version), again.manifest.model_copy(update={"version": version}), again.files)


def states(server: Server) -> dict[int, str]:
    return {model["version"]: model["state"] for model in server.client.get("/v1/models").json()["models"]}


@pytest.fixture
def image() -> np.ndarray:
    """Something that both versions are not equally sure about."""
    return bundles.image_of(3)


@pytest.fixture
def expected(live: Server, image: np.ndarray) -> dict[int, float]:
    """The confidence of cnn/1 and cnn/2 in the image, by version modulo 2."""
    answers = (live.client.post(f"/v1/digits?version={each}", json={"images": [image.tolist()]}) for each in (1, 2))
    one, two = (answer.json()["predictions"][0]["confidence"] for answer in answers)
    assert one != pytest.approx(two, abs=1e-2), "the answers must tell the versions apart"
    return {1: one, 0: two}


@pytest.mark.timeout(400)
def test_200_swaps_under_load_fail_no_request_and_keep_no_memory(
    live: Server, root: Path, image: np.ndarray, expected: dict[int, float], tmp_path: Path
) -> None:
    with Traffic(live, expected, image) as warming:
        until(lambda: sum(warming.answered) > 500, 60, "500 answers")
    before = resident(live)
    with Traffic(live, expected, image) as traffic:
        for version in range(3, 3 + SWAPS):
            publish_again(root, version)
            live.client.put("/v1/models/cnn/pin", json={"version": version}).raise_for_status()
            assert states(live)[version] == "READY"
            if version > 4:
                shutil.rmtree(root / "cnn" / str(version - 2))
    print(f"{SWAPS} swaps, {sum(traffic.answered)} answers, {len(traffic.wrong)} wrong")
    assert traffic.wrong == []
    assert sum(traffic.answered) > 2_000
    assert len(traffic.versions) >= SWAPS, "every version answered somebody"
    until(lambda: resident(live) < 1.05 * before, 10, f"memory going from {resident(live)} back to {before} bytes")
    print(f"memory: {before} bytes before, {resident(live)} after")
    apart = changes_apart(tmp_path / "log")
    assert len(apart) == SWAPS, "both workers changed over to every version"
    print(f"workers changed over {np.median(apart) * 1e3:.0f} ms apart (median), {max(apart) * 1e3:.0f} at worst")


def changes_apart(log: Path) -> list[float]:
    """For each version that became the default, the seconds between the first worker and the last."""
    times: dict[str, list[float]] = {}
    for line in log.read_text().splitlines():
        if "default_changed" in line:
            entry = json.loads(line)
            times.setdefault(entry["event"], []).append(datetime.fromisoformat(entry["time"]).timestamp())
    return [max(both) - min(both) for both in times.values() if len(both) == 2]


@pytest.mark.timeout(300)
def test_a_candidate_that_is_spoilt_while_it_is_read_never_serves(
    live: Server, root: Path, image: np.ndarray, expected: dict[int, float]
) -> None:
    """Each file in turn is written over, again and again, while both workers read it."""
    publish_again(root, 3)
    folder, outcomes = root / "cnn" / "3", []
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    with Traffic(live, expected, image) as traffic:
        for name in names:
            good = (folder / name).read_bytes()
            with spoiling(folder / name, good):
                for _ in range(5):
                    outcomes.append(live.client.put("/v1/models/cnn/pin", json={"version": 3}).status_code)
                    shown = live.client.get("/v1/models").json()["models"]
                    assert {model["version"] for model in shown if model["default"]} == {2}
            (folder / name).write_bytes(good)
    assert traffic.wrong == []
    assert traffic.versions == {2}
    assert set(outcomes) == {422}
    live.client.put("/v1/models/cnn/pin", json={"version": 3}).raise_for_status()
    assert states(live)[3] == "READY"
    print(f"{len(names)} files, {len(outcomes)} attempts, {sum(traffic.answered)} answers, {len(traffic.wrong)} wrong")


@contextlib.contextmanager
def spoiling(path: Path, good: bytes) -> Iterator[None]:
    """Writes a file over with wrong bytes, whole or cut off, until the end: it is never what it was."""
    done = threading.Event()

    def spoil() -> None:
        for turn in itertools.cycle(range(1, 8)):
            place = len(good) * turn // 8
            path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :] if turn % 2 else good[:place])
            if done.wait(0.001):
                return

    path.write_bytes(good[: len(good) // 2])
    thread = threading.Thread(target=spoil)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_a_bad_version_is_shown_wherever_operators_look(live: Server, root: Path, tmp_path: Path) -> None:
    publish_again(root, 3)
    (root / "cnn" / "3" / bundle.ONNX).write_bytes(b"not a graph")
    until(lambda: states(live).get(3) == "FAILED", 30, "the bad version being seen")
    shown = {model["version"]: model for model in live.client.get("/v1/models").json()["models"]}
    assert shown[3]["reason"].startswith("WrongSize: cnn/3: model.onnx has 11 bytes")
    assert shown[2]["default"]
    series = 'axon_model_state{model="cnn",state="FAILED",version="3"}'
    until(lambda: metric_of(live, series) == 1, 10, "the state in the metrics")
    assert '"event":"model_failed name=cnn version=3"' in (tmp_path / "log").read_text()
    shutil.rmtree(root / "cnn" / "3")
    until(lambda: 3 not in states(live), 30, "the bad version being forgotten")
    until(lambda: metric_of(live, series) == -1, 10, "its series being forgotten")


def test_a_published_version_goes_live_by_itself_and_is_rolled_back(live: Server, root: Path) -> None:
    publish_again(root, 3)
    body = {"images": [bundles.image_of(3).tolist()]}

    def version() -> int:
        return live.client.post("/v1/digits", json=body).json()["model"]["version"]

    until(lambda: version() == 3, 30, "version 3 answering")
    live.client.post("/v1/models/cnn/rollback").raise_for_status()
    assert {version() for _ in range(20)} == {2}
    live.client.delete("/v1/models/cnn/pin").raise_for_status()
    assert {version() for _ in range(20)} == {3}


def test_orders_outlive_the_service_where_they_have_a_file(tmp_path: Path, root: Path) -> None:
    settings = {"AXON_MODELS__ROOT": str(root), "AXON_MODELS__ORDERS": str(tmp_path / "orders.json")}
    with serving(tmp_path / "log", AXON_HTTP__WORKERS="1", **settings) as running:
        running.client.put("/v1/models/cnn/pin", json={"version": 1}).raise_for_status()
    with serving(tmp_path / "log", AXON_HTTP__WORKERS="2", **settings) as running:
        shown = running.client.get("/v1/models").json()["models"]
        assert [model["version"] for model in shown if model["default"]] == [1]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("PUT", "/v1/models/cnn/pin", {"version": 9}, 404, "no version 9; published: 1, 2"),
        ("PUT", "/v1/models/gpt/pin", {"version": 1}, 404, "no model 'gpt'"),
        ("PUT", "/v1/models/cnn/pin", {"version": True}, 400, "version must be a whole number"),
        ("PUT", "/v1/models/cnn/pin", {"versions": 1}, 400, 'the key "version" alone'),
        ("PUT", "/v1/models/cnn/pin", [1], 400, "must be an object"),
        ("DELETE", "/v1/models/gpt/pin", None, 404, "no model 'gpt'"),
        ("POST", "/v1/models/gpt/rollback", None, 404, "no model 'gpt'"),
        ("GET", "/v1/models/cnn/pin", None, 405, "takes DELETE or PUT"),
    ],
)
def test_wrong_orders_are_refused_in_a_sentence(
    live: Server, method: str, path: str, body: object, status: int, says: str
) -> None:
    answer = live.client.request(method, path, json=body)
    assert (answer.status_code, says in answer.json()["error"]) == (status, True), answer.text

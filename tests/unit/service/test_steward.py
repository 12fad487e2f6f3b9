import asyncio
import errno
import os
import shutil
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from models import bundle
from service.inference import board, steward
from service.inference.catalog import Entry, State
from service.inference.loader import Loader
from tests import bundles, steered
from tests.servers import until
from tests.stewards import Worker


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One model in one version."""
    bundles.publish(tmp_path / "models", "cnn", 1)
    return tmp_path / "models"


def test_a_new_version_takes_over_once_its_files_have_settled(root: Path) -> None:
    worker = Worker(root)
    bundles.publish(root, "cnn", 2)
    worker.tend()
    assert worker.states() == {"cnn/1*": "READY"}, "seen for the first time: it may be half copied"
    worker.tend()
    assert worker.states() == {"cnn/1": "READY", "cnn/2*": "READY"}
    bundles.publish(root, "cnn", 3)
    worker.tend(2)
    assert worker.states() == {"cnn/2": "READY", "cnn/3*": "READY"}, "two are kept"
    assert worker.told == ["cnn/1 READY", *(f"cnn/{new} {state}" for new in (2, 3) for state in ("LOADING", "READY"))]


def test_a_new_model_is_served(root: Path) -> None:
    worker = Worker(root)
    bundles.publish(root, "rnn", 1)
    worker.tend(2)
    assert worker.states() == {"cnn/1*": "READY", "rnn/1*": "READY"}


FILES = [*bundle.REQUIRED, bundle.MANIFEST, "figures/curve.png"]


@pytest.mark.parametrize("name", FILES)
def test_a_bad_version_never_replaces_a_good_one_and_serves_when_it_is_mended(root: Path, name: str) -> None:
    worker = Worker(root)
    folder = bundles.publish(root, "cnn", 2)
    good = (folder / name).read_bytes()
    (folder / name).write_bytes(bytes([good[0] ^ 1]) + good[1:])
    worker.tend(3)
    assert worker.states() == {"cnn/1*": "READY", "cnn/2": "FAILED"}
    reason = worker.catalog.entry("cnn", 2).reason
    assert "cnn/2" in reason
    assert worker.catalog.get("cnn").version == 1
    (folder / name).write_bytes(good)
    worker.tend(2)
    assert worker.states() == {"cnn/1": "READY", "cnn/2*": "READY"}


def test_a_version_whose_golden_logits_differ_has_failed(root: Path) -> None:
    worker = Worker(root)
    bundles.publish(root, "cnn", 2, other={bundle.ONNX: bundles.graph(scale=1.01)})
    worker.tend(2)
    assert worker.states() == {"cnn/1*": "READY", "cnn/2": "FAILED"}
    assert worker.catalog.entry("cnn", 2).reason.startswith("GoldenMismatch: golden logits differ by up to 0.1")


def test_a_failure_is_not_repeated_while_nothing_changes(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    worker = Worker(root)
    (bundles.publish(root, "cnn", 2) / bundle.ONNX).write_bytes(b"")
    worker.tend(8)
    assert [record.getMessage() for record in caplog.records if "failed" in record.getMessage()] == [
        "model_failed name=cnn version=2"
    ]


def test_a_version_that_is_taken_away_is_served_no_more_but_the_last_one_stays(root: Path) -> None:
    bundles.publish(root, "cnn", 2)
    worker = Worker(root)
    shutil.rmtree(root / "cnn" / "2")
    worker.tend(2)
    assert worker.states() == {"cnn/1*": "READY"}
    shutil.rmtree(root)
    worker.tend(2)
    assert worker.states() == {"cnn/1*": "READY"}, "the disk may be away"


def test_a_version_becomes_the_default_when_every_worker_has_it(root: Path) -> None:
    one, two = Worker(root, 1), Worker(root, 2)
    bundles.publish(root, "cnn", 2)
    one.tend(3)
    assert one.states() == {"cnn/1*": "READY", "cnn/2": "LOADING"}
    two.tend(2)
    assert two.states() == {"cnn/1": "READY", "cnn/2*": "READY"}
    one.tend()
    assert one.states() == {"cnn/1": "READY", "cnn/2*": "READY"}


def test_a_version_that_fails_in_one_worker_serves_in_none(root: Path) -> None:
    one, two = Worker(root, 1), Worker(root, 2)
    folder = bundles.publish(root, "cnn", 2)
    one.tend(2)
    (folder / bundle.ONNX).write_bytes(b"")
    two.tend(2)
    one.tend(2)
    assert one.states() == two.states() == {"cnn/1*": "READY", "cnn/2": "FAILED"}
    assert one.catalog.entry("cnn", 2).reason == two.catalog.entry("cnn", 2).reason


def test_where_the_newest_fails_in_one_worker_all_serve_the_one_before(root: Path) -> None:
    one, two = Worker(root, 1, keep=1), Worker(root, 2, keep=1)
    bundles.publish(root, "cnn", 2)
    newest = bundles.publish(root, "cnn", 3)
    one.tend(2)
    (newest / bundle.ONNX).write_bytes(b"")
    for worker in (two, two, one, one, two):
        worker.tend()
    assert one.states() == two.states() == {"cnn/2*": "READY", "cnn/3": "FAILED"}


def test_a_worker_that_begins_anew_serves_what_the_others_serve(root: Path) -> None:
    one, two = Worker(root, 1), Worker(root, 2)
    bundles.publish(root, "cnn", 2)
    one = Worker(root, 1, loader=Flawed)
    two.tend(2)
    assert one.states() == two.states() == {"cnn/1*": "READY", "cnn/2": "FAILED"}
    assert Worker(root, 2).states() == one.states(), "it could be served here, and not there"


class Flawed(Loader):
    """Fails to load version 2, whose files are good: as if memory was short for a moment."""

    def load(self, name: str, version: int) -> Entry:
        return Entry(name, version, State.FAILED, "no memory") if version == 2 else super().load(name, version)


class Hanging(Loader):
    """Never comes to an end with version 2."""

    may_go = threading.Event()

    def load(self, name: str, version: int) -> Entry:
        if version == 2:
            self.may_go.wait(20)
        return super().load(name, version)


@pytest.fixture
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Loads may take a second."""
    monkeypatch.setattr(steward, "LOAD_S", 1.0)
    Hanging.may_go.clear()
    yield
    Hanging.may_go.set()


@pytest.mark.usefixtures("_short_patience")
def test_a_version_that_hangs_as_it_is_loaded_has_failed_and_holds_up_no_other(root: Path) -> None:
    worker = Worker(root, loader=Hanging)
    bundles.publish(root, "cnn", 2)
    bundles.publish(root, "rnn", 1)
    worker.tend(2)
    assert worker.states() == {"cnn/1*": "READY", "cnn/2": "FAILED", "rnn/1*": "READY"}
    assert worker.catalog.entry("cnn", 2).reason == "it has not loaded within 1 s"
    again = Worker(root, loader=Hanging)
    assert again.states() == {"cnn/1*": "READY", "cnn/2": "FAILED", "rnn/1*": "READY"}, "nor does it at the start"


def test_who_looks_while_a_version_is_loaded_sees_it(root: Path) -> None:
    worker = Worker(root, loader=Hanging)
    bundles.publish(root, "cnn", 2)
    worker.tend()
    Hanging.may_go.clear()

    async def scenario() -> None:
        tending = asyncio.create_task(worker.steward.tend())
        await steered.until(lambda: worker.states() == {"cnn/1*": "READY", "cnn/2": "LOADING"})
        assert worker.steward.report().is_pending
        Hanging.may_go.set()
        await tending

    asyncio.run(scenario())
    assert worker.states() == {"cnn/1": "READY", "cnn/2*": "READY"}


def test_a_version_that_three_workers_died_of_is_not_tried_by_the_fourth(root: Path) -> None:
    """What a dying worker leaves behind is what it has announced."""

    bundles.publish(root, "cnn", 2)
    Hanging.may_go.clear()
    for _ in range(steward.MOST_DEATHS):
        begin_and_die(root)
    worker = Worker(root, loader=Hanging)
    Hanging.may_go.set()
    assert worker.states() == {"cnn/1*": "READY", "cnn/2": "FAILED"}
    assert worker.catalog.entry("cnn", 2).reason == "3 times a worker died while it loaded this version"


def begin_and_die(root: Path) -> None:
    """In the middle of loading version 2."""
    worker = Worker(root, loader=Hanging, opens=False)

    def is_loading() -> bool:
        left = worker.board.left_behind()
        return left is not None and left.pid == os.getpid() and "cnn/2" in left.loading

    async def scenario() -> None:
        opening = asyncio.create_task(worker.steward.open())
        await steered.until(lambda: worker.steward.report().loading and is_loading())
        opening.cancel()

    asyncio.run(scenario())


def test_a_full_disk_is_no_reason_not_to_serve(
    root: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(board, "_write", no_room)
    worker = Worker(root)
    bundles.publish(root, "cnn", 2)
    worker.tend(2)
    assert worker.states() == {"cnn/1": "READY", "cnn/2*": "READY"}
    said = {record.getMessage() for record in caplog.records if record.levelname == "ERROR"}
    assert said == {"board_full file=1.json"}
    monkeypatch.undo()
    worker.tend()
    assert worker.board.left_behind() == worker.steward.report(), "it is told when there is room again"


def test_what_another_worker_made_of_other_files_does_not_count(root: Path) -> None:
    one, two = Worker(root, 1), Worker(root, 2)
    folder = bundles.publish(root, "cnn", 2)
    good = (folder / bundle.ONNX).read_bytes()
    (folder / bundle.ONNX).write_bytes(b"")
    for worker in (one, two, one, two):
        worker.tend()
    assert one.states() == two.states() == {"cnn/1*": "READY", "cnn/2": "FAILED"}
    (folder / bundle.ONNX).write_bytes(good)
    one.tend(2)
    assert one.states() == {"cnn/1*": "READY", "cnn/2": "LOADING"}, "the other one has not seen it mended"
    two.tend(2)
    one.tend()
    assert one.states() == two.states() == {"cnn/1": "READY", "cnn/2*": "READY"}


def test_an_order_is_not_done_while_another_worker_has_yet_to_try_again(root: Path) -> None:
    one, two = Worker(root, 1, watch_s=0), Worker(root, 2, watch_s=0)
    folder = bundles.publish(root, "cnn", 2)
    good = (folder / bundle.ONNX).read_bytes()
    (folder / bundle.ONNX).write_bytes(b"")
    order = {"loads": {"cnn": 1}}
    one.board.order(lambda orders, number: orders.model_copy(update=order))
    for worker in (one, two):
        worker.tend()
    (folder / bundle.ONNX).write_bytes(good)
    one.board.order(lambda orders, number: orders.model_copy(update={"loads": {"cnn": number}}))
    one.tend(2)
    assert one.states() == {"cnn/1*": "READY", "cnn/2": "LOADING"}
    assert one.steward.report().is_pending, "the other one's failure is older than the order"
    two.tend()
    one.tend()
    assert one.states() == two.states() == {"cnn/1": "READY", "cnn/2*": "READY"}
    assert not one.steward.report().is_pending


def test_a_request_in_flight_keeps_its_model_which_then_goes_with_its_thread(root: Path) -> None:
    worker = Worker(root, keep=1)
    held = worker.catalog.get("cnn")
    gone, threads = weakref.ref(held), threading.active_count()
    bundles.publish(root, "cnn", 2)
    worker.tend(2)
    assert worker.states() == {"cnn/2*": "READY"}
    answer = asyncio.run(held.infer(bundles.image_of(7)[None], np.inf))
    assert answer.outputs["probabilities"].argmax() == 7
    del held
    assert gone() is None
    until(lambda: threading.active_count() == threads, 5, "the end of the old model's thread")


def test_a_candidate_is_loaded_but_not_the_default(root: Path) -> None:
    worker = Worker(root, candidates={"cnn": frozenset({2})})
    bundles.publish(root, "cnn", 2)
    worker.tend(2)
    assert worker.states() == {"cnn/1*": "READY", "cnn/2": "READY"}

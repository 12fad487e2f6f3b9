"""Orders: given by one worker's management, carried out by every worker's steward."""

import asyncio
from pathlib import Path

import pytest

from models import bundle
from models.repository import Repository
from service.errors import Forbidden, NotReady, UnknownModel, UnusableInput
from service.inference import management
from service.inference.management import Management
from tests import bundles, steered
from tests.stewards import Worker


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One model in one version."""
    bundles.publish(tmp_path / "models", "cnn", 1)
    return tmp_path / "models"


def act(worker: Worker, *orders: object) -> None:
    """Gives orders while the worker watches."""

    async def scenario() -> None:
        watch = asyncio.create_task(worker.steward.watch())
        for order in orders:
            await order()
        watch.cancel()

    asyncio.run(scenario())


def test_pin_unpin_and_roll_back(root: Path) -> None:
    bundles.publish(root, "cnn", 2)
    bundles.publish(root, "cnn", 3)
    worker = Worker(root, watch_s=0)
    manage = worker.management
    act(worker, lambda: manage.pin("cnn", 1))
    assert worker.states() == {"cnn/1*": "READY", "cnn/2": "READY", "cnn/3": "READY"}
    act(worker, lambda: manage.unpin("cnn"))
    assert worker.states() == {"cnn/2": "READY", "cnn/3*": "READY"}
    act(worker, lambda: manage.roll_back("cnn"), lambda: manage.roll_back("cnn"))
    assert worker.states() == {"cnn/1*": "READY", "cnn/2": "READY", "cnn/3": "READY"}
    with pytest.raises(UnusableInput, match="no version before it"):
        act(worker, lambda: manage.roll_back("cnn"))
    with pytest.raises(UnknownModel, match="no version 9; published: 1, 2, 3"):
        act(worker, lambda: manage.pin("cnn", 9))


def test_an_order_overrules_the_pin_of_the_settings(root: Path) -> None:
    bundles.publish(root, "cnn", 2)
    worker = Worker(root, pins={"cnn": 1}, watch_s=0)
    assert worker.catalog.get("cnn").version == 1
    act(worker, lambda: worker.management.unpin("cnn"))
    assert worker.catalog.get("cnn").version == 2


def test_a_pin_to_a_version_that_fails_changes_nothing(root: Path) -> None:
    bundles.publish(root, "cnn", 2)
    worker = Worker(root, keep=1, watch_s=0)
    (root / "cnn" / "1" / bundle.ONNX).write_bytes(b"")
    with pytest.raises(UnusableInput, match="cannot serve, so nothing is changed: WrongSize: cnn/1"):
        act(worker, lambda: worker.management.pin("cnn", 1))
    assert worker.states() == {"cnn/2*": "READY"}
    assert worker.board.orders().pins == {}


def test_an_order_is_done_when_every_worker_has_done_it(root: Path) -> None:
    bundles.publish(root, "cnn", 2)
    one, two = Worker(root, 1, watch_s=0), Worker(root, 2, watch_s=0)

    async def scenario() -> None:
        watching = asyncio.create_task(one.steward.watch())
        order = asyncio.create_task(one.management.roll_back("cnn"))
        await steered.until(lambda: one.board.orders().number > 0 and one.steward.report().order == 1)
        await asyncio.sleep(0)
        assert not order.done(), "the other worker has yet to hear of it"
        other = asyncio.create_task(two.steward.watch())
        await order
        assert one.states() == two.states() == {"cnn/1*": "READY", "cnn/2": "READY"}
        watching.cancel()
        other.cancel()

    asyncio.run(scenario())


def test_an_order_that_some_worker_does_not_carry_out_is_said_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(management, "PATIENCE_S", 0.2)
    one = Worker(root, 1, watch_s=0)
    Worker(root, 2, watch_s=0)
    with pytest.raises(NotReady, match="some worker has not carried it out"):
        act(one, lambda: one.management.load("cnn"))


def test_a_pin_that_nobody_waits_for_any_more_pins_nothing(root: Path) -> None:
    bundles.publish(root, "cnn", 2)
    worker = Worker(root, keep=1, watch_s=0)
    (root / "cnn" / "1" / bundle.ONNX).write_bytes(b"")

    async def scenario() -> None:
        watch = asyncio.create_task(worker.steward.watch())
        order = asyncio.create_task(worker.management.pin("cnn", 1))
        await steered.until(lambda: worker.board.orders().number > 0)
        order.cancel()
        await asyncio.gather(order, return_exceptions=True)
        watch.cancel()

    asyncio.run(scenario())
    assert worker.board.orders().pins == {}
    assert Worker(root, keep=1).states() == {"cnn/1": "FAILED", "cnn/2*": "READY"}
    act(worker, lambda: worker.management.unpin("cnn"))
    assert worker.board.orders().asked == frozenset()


def test_a_pin_that_fails_leaves_another_ones_pin(root: Path) -> None:
    for version in (2, 3):
        bundles.publish(root, "cnn", version)
    (root / "cnn" / "1" / bundle.ONNX).write_bytes(b"")
    worker = Worker(root, watch_s=0)

    async def scenario() -> None:
        watch = asyncio.create_task(worker.steward.watch())
        orders = worker.management.pin("cnn", 1), worker.management.pin("cnn", 2)
        bad, good = await asyncio.gather(*orders, return_exceptions=True)
        watch.cancel()
        assert (type(bad), good) == (UnusableInput, None)

    asyncio.run(scenario())
    assert worker.board.orders().pins == {"cnn": 2}
    assert worker.catalog.get("cnn").version == 2


def test_unload_and_load(root: Path) -> None:
    bundles.publish(root, "rnn", 1)
    worker = Worker(root, watch_s=0)
    act(worker, lambda: worker.management.unload("cnn"))
    assert worker.states() == {"cnn/1*": "UNLOADED", "rnn/1*": "READY"}
    with pytest.raises(UnknownModel, match="'cnn' is unloaded"):
        worker.catalog.get("cnn")
    act(worker, lambda: worker.management.load("cnn"))
    assert worker.states() == {"cnn/1*": "READY", "rnn/1*": "READY"}
    with pytest.raises(UnknownModel, match="published: cnn, rnn"):
        act(worker, lambda: worker.management.load("gpt"))


def test_load_looks_at_once_and_says_what_failed(root: Path) -> None:
    worker = Worker(root, watch_s=0)
    folder = bundles.publish(root, "cnn", 2)
    onnx = (folder / bundle.ONNX).read_bytes()
    (folder / bundle.ONNX).write_bytes(b"")
    with pytest.raises(UnusableInput, match="version 2 failed to load: WrongSize"):
        act(worker, lambda: worker.management.load("cnn"))
    (folder / bundle.ONNX).write_bytes(onnx)
    act(worker, lambda: worker.management.load("cnn"))
    assert worker.states() == {"cnn/1": "READY", "cnn/2*": "READY"}


def test_a_worker_that_starts_later_does_as_was_ordered(root: Path) -> None:
    bundles.publish(root, "cnn", 2)
    one = Worker(root, 1, watch_s=0)
    act(one, lambda: one.management.pin("cnn", 1))
    assert Worker(root, 2).states() == {"cnn/1*": "READY", "cnn/2": "READY"}


def test_who_cannot_tell_the_other_workers_gives_no_orders(root: Path) -> None:
    """Of a trial it can be told that it is stopped, for that holds in this worker."""
    worker = Worker(root, watch_s=0)
    apart = Management(worker.catalog, Repository(root), worker.board, worker.steward, reaches_all=False)
    for order in (lambda: apart.load("cnn"), lambda: apart.unload("cnn"), lambda: apart.pin("cnn", 1)):
        with pytest.raises(Forbidden, match="cannot tell the others"):
            act(worker, order)
    act(worker, lambda: apart.stop("cnn", 1, "it disagrees"))
    assert apart.stopped == {"cnn/1": "it disagrees"}

import os
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from service.inference import board as board_module
from service.inference.board import ORDERS, Board, Finding, Orders, Report, is_alive


def report(pid: int, **reasons: str | None) -> Report:
    versions = {name: Finding(attempt="", reason=reason) for name, reason in reasons.items()}
    return Report(pid=pid, order=0, versions=versions, is_pending=False)


def unload(name: str) -> object:
    return lambda orders, _: orders.model_copy(update={"unloaded": orders.unloaded | {name}})


def test_an_order_reaches_every_worker_and_the_next_one(tmp_path: Path) -> None:
    one, two = Board(tmp_path, 1), Board(tmp_path, 2)
    assert two.orders() == Orders()
    assert one.order(unload("cnn")) == 1
    assert two.order(unload("rnn")) == 2
    assert one.orders() == Board(tmp_path, 3).orders() == Orders(number=2, unloaded=frozenset({"cnn", "rnn"}))


def test_orders_outlive_the_folder_where_they_have_a_file(tmp_path: Path) -> None:
    kept = tmp_path / "kept" / "orders.json"
    Board(tmp_path / "one", 1, kept).order(unload("cnn"))
    assert Board(tmp_path / "two", 1, kept).orders().unloaded == {"cnn"}


def test_servers_that_share_their_orders_share_the_lock(tmp_path: Path) -> None:
    kept = tmp_path / "kept" / "orders.json"
    one, two = Board(tmp_path / "one", 1, kept), Board(tmp_path / "two", 1, kept)
    others: list[Thread] = []

    def change(orders: Orders, number: int) -> Orders:
        others.append(Thread(target=two.order, args=(unload("rnn"),)))
        others[0].start()
        others[0].join(0.2)
        assert others[0].is_alive()  # it waits
        return unload("cnn")(orders, number)

    one.order(change)
    others[0].join()
    assert one.orders() == Orders(number=2, unloaded=frozenset({"cnn", "rnn"}))


def test_a_report_is_read_by_the_others_while_its_worker_lives(tmp_path: Path) -> None:
    one, two = Board(tmp_path, 1), Board(tmp_path, 2)
    one.report(report(os.getpid(), cnn=None))
    assert two.others() == [report(os.getpid(), cnn=None)]
    assert one.others() == []
    one.report(report(os.getpid(), cnn="Corrupt"))
    assert two.others() == [report(os.getpid(), cnn="Corrupt")]
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    one.report(report(int(gone.stdout), cnn=None))
    assert two.others() == []


def test_the_process_of_another_user_is_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    def kill(pid: int, signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr("os.kill", kill)
    assert not is_alive(1)


def test_what_cannot_be_read_is_no_order(tmp_path: Path) -> None:
    (tmp_path / ORDERS).write_text("half of a fi")
    assert Board(tmp_path, 1).orders() == Orders()


def test_orders_given_at_once_are_all_kept(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from service.inference.board import Board\n"
        "for turn in range(20):\n"
        "    name = f'{sys.argv[2]}-{turn}'\n"
        "    Board(Path(sys.argv[1]), 1).order(\n"
        "        lambda orders, _: orders.model_copy(update={'unloaded': orders.unloaded | {name}}))\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), each]) for each in "ab"]
    assert [process.wait(60) for process in processes] == [0, 0]
    orders = Board(tmp_path, 1).orders()
    assert orders.number == len(orders.unloaded) == 40


def test_orders_that_cannot_be_read_any_more_hold_as_they_were(tmp_path: Path) -> None:
    board = Board(tmp_path, 1)
    board.order(unload("cnn"))
    assert board.orders().unloaded == {"cnn"}
    (tmp_path / ORDERS).write_text('{"number": 2, "unloaded": [')
    assert board.orders().unloaded == {"cnn"}
    board.order(unload("rnn"))
    assert Board(tmp_path, 2).orders().unloaded == {"cnn", "rnn"}


def test_who_holds_the_lock_for_ever_holds_nobody_up_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_module, "LOCK_S", 0.1)
    board = Board(tmp_path, 1)
    with board._alone(), pytest.raises(TimeoutError, match="giving an order"):
        Board(tmp_path, 2).order(unload("cnn"))


def test_workers_that_have_yet_to_open_are_not_waited_for(tmp_path: Path) -> None:
    one, two = Board(tmp_path, 1), Board(tmp_path, 2)
    one.report(report(os.getpid(), cnn=None).model_copy(update={"order": -1}))
    assert two.others() == []

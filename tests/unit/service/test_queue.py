"""Who goes first: by line, and in each line by arrival."""

from dataclasses import dataclass

import numpy as np

from service.inference.engine import Rows
from service.inference.queue import Queue


@dataclass(eq=False)
class Job:
    """Something that waits."""

    name: str
    rows: Rows
    priority: int = 2


def job(name: str, rows: int = 1, priority: int = 2) -> Job:
    return Job(name, np.zeros((rows, 1)), priority)


def names(queue: Queue[Job]) -> str:
    return "".join(each.name for each in queue)


def test_earlier_lines_go_first_and_within_a_line_who_came_first() -> None:
    queue: Queue[Job] = Queue()
    for one in (job("a"), job("b", priority=3), job("c", priority=1), job("d"), job("e", priority=1)):
        queue.push(one)
    assert names(queue) == "ceadb"
    assert queue.first().name == "c"
    assert len(queue) == 5


def test_a_job_counts_only_the_rows_that_go_before_it() -> None:
    queue: Queue[Job] = Queue()
    for rows, priority in ((1, 1), (10, 2), (100, 3)):
        queue.push(job("x", rows, priority))
    assert [queue.rows_before(priority) for priority in (1, 2, 3)] == [1, 11, 111]
    assert queue.rows == 111


def test_jobs_leave_from_anywhere_once_and_may_come_back_in_front() -> None:
    queue: Queue[Job] = Queue()
    jobs = [job(name) for name in "abc"]
    for one in jobs:
        queue.push(one)
    queue.discard(jobs[1])
    queue.discard(jobs[1])
    assert (names(queue), queue.rows) == ("ac", 2)
    queue.push(jobs[1], in_front=True)
    assert names(queue) == "bac"
    for one in jobs:
        queue.discard(one)
    assert not queue

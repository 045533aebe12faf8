"""Tasks in this process and in others: the same results, whatever becomes of a process."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from fiftyone_hs2s import HS2SError
from fiftyone_hs2s.engines import Engine, InThisProcess, get_engine
from fiftyone_hs2s.processes import Processes
from fiftyone_hs2s.threads import Threads


def work(task, report):
    """Does what the task says."""
    what, number = task
    if what == "variable":
        return os.environ[number]
    if what == "process":
        return os.getpid()
    if what == "wait":
        time.sleep(number)
        return number
    if what == "fail":
        raise {0: HS2SError("this fails"), 1: KeyError("odd"), 2: Unpackable(1, 2)}[number]
    if what == "die":
        os.kill(os.getpid(), number)
    if what == "hang":
        for _ in range(600):
            report(os.getpid())
            time.sleep(0.1)
    if what == "log":
        logging.getLogger("fiftyone_hs2s.some").info("done %s", number)
    report(f"at {number}")
    return number * number


class Unpackable(HS2SError):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def square(numbers):
    return [("square", number) for number in numbers]


def values(engine: Engine, tasks, **options):
    return [result.value for result in engine.results(work, tasks, **options)]


@pytest.mark.parametrize(
    ("num_workers", "at_once", "kind"),
    [(1, 1, InThisProcess), (2, 1, Processes), (1, 3, Threads), (2, 2, Processes)],
)
def test_each_task_is_done_once(num_workers, at_once, kind):
    told = []
    engine = get_engine(num_workers, 9, at_once=at_once)
    assert isinstance(engine, kind) and engine.capacity == num_workers * at_once
    results = values(engine, iter(square(range(9))), tell=lambda *event: told.append(event))
    assert sorted(results) == [number**2 for number in range(9)]
    assert sorted(told) == [(number, f"at {number}") for number in range(9)]
    assert values(engine, square([3])) == [9], "an engine can be used again"


def test_results_in_order_whatever_takes_longest():
    tasks = [("wait", 0.5), *square(range(12))]
    assert values(Processes(2), tasks)[0] != 0.5
    assert values(Processes(2), tasks, in_order=True) == [0.5, *(number**2 for number in range(12))]


def test_results_that_wait_for_an_earlier_one_are_few():
    taken = []
    tasks = (taken.append(task) or task for task in [("wait", 1.0), *square(range(30))])
    results = Processes(2).results(work, tasks, in_order=True)
    assert next(results).value == 1
    assert len(taken) <= 10
    assert len(list(results)) == 30


def test_no_more_processes_than_tasks():
    assert get_engine(4, 3).capacity == 3
    assert isinstance(get_engine(4, 1), InThisProcess)
    engine = Processes(2)
    assert get_engine(engine, 1) is engine


def test_no_process_starts_for_nothing(monkeypatch):
    """It takes seconds: a run over a dataset looks for samples left over, and mostly finds none."""
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))
    assert values(Processes(2), []) == []


def test_process_that_is_killed_loses_its_task_alone():
    tasks = [*square([1, 2]), ("die", signal.SIGKILL), *square([3, 4])]
    results = {result.number: result for result in Processes(2).results(work, tasks)}
    assert results[2].lost == ("its process was killed by signal 9, as a system does that runs out of memory")
    assert [results[index].value for index in (0, 1, 3, 4)] == [1, 4, 9, 16]
    assert [result.lost is None for result in Processes(1).results(work, tasks)].count(False) == 1


def test_tasks_of_a_process_at_once():
    begun = time.monotonic()
    assert values(Threads(4), [("wait", 0.5)] * 4) == [0.5] * 4
    assert time.monotonic() - begun < 2
    assert len(set(values(Processes(2, at_once=2), [("process", 0)] * 8))) <= 2
    killed = [result.lost for result in Processes(1, at_once=2).results(work, [("hang", 0), ("die", 9)])]
    assert killed == ["its process was killed by signal 9, as a system does that runs out of memory"] * 2


def test_no_more_threads_than_tasks():
    assert get_engine(1, 3, at_once=8).capacity == 3
    assert get_engine(2, 5, at_once=8).capacity == 6
    assert isinstance(get_engine(1, 1, at_once=8), InThisProcess)


@pytest.mark.parametrize("engine", [InThisProcess(), Processes(2), Threads(2), Processes(2, at_once=2)])
def test_error_ends_all_work(engine):
    with pytest.raises(HS2SError, match="this fails"):
        values(engine, [*square([1]), ("fail", 0), *square(range(9))])
    with pytest.raises(KeyError, match="odd"):
        values(engine, [("fail", 1)])
    with pytest.raises(HS2SError, match="1 and 2"):
        values(engine, [("fail", 2)])


def test_what_cannot_be_sent_is_refused():
    with pytest.raises(HS2SError, match=r"cannot be done in other processes .*: use num_workers=1"):
        list(Processes(2).results(lambda task, report: task, [1]))


def test_processes_that_cannot_start(monkeypatch, capfd):
    monkeypatch.setattr("fiftyone_hs2s.processes._START", "import sys; sys.exit('no room')")
    with pytest.raises(HS2SError, match="a worker process could not start, ended with status 1: what it"):
        values(Processes(2), square([1]))
    assert "no room" in capfd.readouterr().err


def test_threads_and_variables_are_shared_out(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "6")
    assert values(Processes(2), [("variable", "OMP_NUM_THREADS")]) == ["3"]
    engine = Processes(2, [{"DEVICE": "a"}, {"DEVICE": "b"}])
    assert set(values(engine, [("variable", "DEVICE")] * 40)) == {"a", "b"}


def test_what_is_logged_there_is_logged_here(caplog):
    with caplog.at_level(logging.INFO, "fiftyone_hs2s"):
        values(Processes(1), [("log", 7)])
    assert "done 7" in caplog.messages
    caplog.clear()
    with caplog.at_level(logging.WARNING, "fiftyone_hs2s"):
        values(Processes(1), [("log", 7)])
    assert not caplog.messages


def assert_gone(processes):
    _, alive = psutil.wait_procs([psutil.Process(pid) for pid in processes if psutil.pid_exists(pid)], 5)
    assert not alive


def test_threads_that_are_given_up_end_where_they_report():
    def tell(_, pid):
        raise StopAsyncIteration

    begun = time.monotonic()
    with (
        pytest.raises(StopAsyncIteration),
        closing(Threads(2).results(work, [("hang", 0)] * 3, tell=tell)) as results,
    ):
        list(results)
    assert time.monotonic() - begun < 30, "not the minute that the work would take"
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("hs2s-task")]


@pytest.mark.parametrize("by", ["closing", "signal"])
def test_work_that_is_given_up_ends_at_once(by):
    processes = set()

    def tell(_, pid):
        processes.add(pid)
        if len(processes) == 2 and by == "signal":
            os.kill(os.getpid(), signal.SIGINT)
        if len(processes) == 2 and by == "closing":
            raise StopAsyncIteration

    with (
        pytest.raises(KeyboardInterrupt if by == "signal" else StopAsyncIteration),
        closing(Processes(2).results(work, [("hang", 0)] * 3, tell=tell)) as results,
    ):
        list(results)
    assert len(processes) == 2
    assert_gone(processes)


def test_processes_end_with_the_one_that_asked():
    script = """
import test_engines
from fiftyone_hs2s.processes import Processes
def tell(_, pid): print(pid, flush=True)
list(Processes(2).results(test_engines.work, [("hang", 0)] * 2, tell=tell))
"""
    folder = Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder.parent), str(folder)])}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment) as asked:
        processes = set()
        while len(processes) < 2:
            processes.add(int(asked.stdout.readline()))
        asked.kill()
    assert_gone(processes)

"""A run folder has one training at a time, and a dead one does not hold it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.run_lock import lock_run

REPO = Path(__file__).parents[1]
OWNER = """
import sys, os, time, pathlib
from fiftyone_hs2s.run_lock import lock_run
with lock_run(pathlib.Path(sys.argv[1])):
    if os.fork() == 0:  # a worker that outlives its parent; it speaks once it has let go of the lock
        print("locked", flush=True)
        time.sleep(30)
        os._exit(0)
    time.sleep(30)
"""


def test_the_second_is_refused_until_the_first_is_over(tmp_path: Path) -> None:
    with lock_run(tmp_path / "run"):
        message = (
            rf"Another training \(process {os.getpid()}\) is running in .*/run: wait .*, or choose another"
        )
        with pytest.raises(HS2SError, match=message), lock_run(tmp_path / "run"):
            raise AssertionError("two at a time")
        with lock_run(tmp_path / "other"):
            pass
    with pytest.raises(RuntimeError), lock_run(tmp_path / "run"):
        raise RuntimeError
    with lock_run(tmp_path / "run"):
        pass


def test_an_owner_that_was_killed_does_not_hold_it(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    command = [sys.executable, "-c", OWNER, str(tmp_path)]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as owner:
        assert owner.stdout.readline() == "locked\n"
        with pytest.raises(HS2SError, match=f"process {owner.pid}"), lock_run(tmp_path):
            pass
        os.kill(owner.pid, signal.SIGKILL)
        owner.wait()
        with lock_run(tmp_path):
            pass
        os.killpg(owner.pid, signal.SIGKILL)


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(HS2SError, match=r"cannot be written to .*: choose another run folder"),
        lock_run(tmp_path / "file"),
    ):
        pass

"""One run at a time in a folder."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import prepare_folder, reason

logger = logging.getLogger(__name__)

_held: set[IO[str]] = set()


@contextmanager
def lock_run(run: Path, what: str = "training") -> Iterator[None]:
    """Keeps a run folder to one process. The system takes the lock back when its process ends, in whatever
    way.

    Args:
        run: the folder, made if need be
        what: what runs there, for the message

    Raises:
        HS2SError: if another process has it, or it cannot be written to
    """
    prepare_folder(run, "choose another run folder")
    with (run / ".lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise HS2SError(
                f"Another {what} (process {file.read() or 'unknown'}) is running in {run}: wait until it is"
                " over, or choose another run folder"
            ) from error
        except OSError as error:  # a file system without locks
            logger.warning("%s cannot be locked (%s): start no other %s there", run, reason(error), what)
        file.truncate(0)
        print(os.getpid(), end="", file=file, flush=True)
        _held.add(file)
        try:
            yield
        finally:
            _held.discard(file)


def _let_go() -> None:
    """Called in a forked worker, which would hold the lock on when its parent is gone."""
    for file in _held:
        file.close()
    _held.clear()


os.register_at_fork(after_in_child=_let_go)

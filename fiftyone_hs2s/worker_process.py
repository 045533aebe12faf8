"""The other side of :mod:`fiftyone_hs2s.processes`: a process that does one task after the other, or
several at once."""

from __future__ import annotations

import logging
import pickle
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from logging.handlers import QueueHandler
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from fiftyone_hs2s.command import Stopped, StopSignals
from fiftyone_hs2s.engines import Engine, InThisProcess, Work
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.threads import Threads

_PACKAGE = logging.getLogger("fiftyone_hs2s")


def serve(descriptor: int, path: str, at_once: int) -> None:
    """Does the tasks that come, until there are no more, this process is asked to stop, or nobody listens.

    Args:
        descriptor: an open connection
        path: a file with the pickled work
        at_once: how many tasks to do at once, in threads
    """
    with StopSignals():
        try:
            engine = Threads(at_once) if at_once > 1 else InThisProcess()
            _Server(Connection(descriptor)).run(Path(path), engine)
        except (EOFError, Stopped):
            return


class _Server:
    def __init__(self, connection: Connection) -> None:
        self._connection, self._lock = connection, threading.Lock()

    def run(self, path: Path, engine: Engine) -> None:
        _PACKAGE.addHandler(_Forward(lambda record: self.say("log", record)))
        _PACKAGE.propagate = False
        _PACKAGE.setLevel(logging.INFO)  # what of it is wanted is known there
        try:
            work = _load(path)
            self.say("ready", None)
            with closing(engine.results(partial(self._do, work), self._tasks())) as results:
                for _ in results:
                    pass
        except BaseException as error:
            self._say_failed(error)

    def _tasks(self) -> Iterator[Any]:
        while (task := pickle.loads(self._connection.recv_bytes())) is not None:
            yield task

    def _do(self, work: Work, task: tuple[int, Any], report: Callable[[Any], object]) -> None:
        """Does a task; says itself what comes of it, since this process may be waiting for another one."""
        index, what = task

        def tell(event: Any) -> None:
            report(event)
            self.say("told", (index, event))

        try:
            self.say("done", (index, pickle.dumps(work(what, tell))))
        except BaseException as error:
            self._say_failed(error)

    def _say_failed(self, error: BaseException) -> None:
        if isinstance(error, EOFError | Stopped):
            raise error
        self.say("failed", _packed(error))

    def say(self, kind: str, what: Any) -> None:
        """Sends something to the process that asked for the work."""
        try:
            with self._lock:
                self._connection.send((kind, what))
        except OSError:
            raise Stopped("nobody waits for the result any more") from None


class _Forward(QueueHandler):
    """Lets the process that asked for the work log what is logged here."""

    def __init__(self, send: Callable[[logging.LogRecord], None]) -> None:
        super().__init__(queue=None)  # type: ignore[arg-type]
        self._send = send

    def enqueue(self, record: logging.LogRecord) -> None:
        self._send(record)


def _load(path: Path) -> Any:
    try:
        return pickle.loads(path.read_bytes())
    except (AttributeError, ImportError) as error:
        raise HS2SError(
            f"this cannot be done in other processes ({error}): define what it uses in a module that can be"
            " imported, not in the script itself"
        ) from error


def _packed(error: BaseException) -> bytes:
    """An error for another process, and where it came from, if that is of interest."""
    cause = "" if isinstance(error, HS2SError) else "".join(traceback.format_exception(error))
    try:
        packed = pickle.dumps((error, cause))
        pickle.loads(packed)  # an error may be packed and still not be unpacked
    except Exception:
        kind = HS2SError if isinstance(error, HS2SError) else RuntimeError
        said = str(error) if kind is HS2SError else f"{type(error).__name__}: {error}"
        packed = pickle.dumps((kind(said), cause))
    return packed

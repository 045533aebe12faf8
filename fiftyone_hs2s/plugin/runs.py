"""Work that was started in the App: it continues beside the App, where it can be followed and canceled."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Event as ThreadEvent
from threading import Thread
from typing import Any, Literal
from uuid import uuid4

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.progress import Progress

logger = logging.getLogger(__name__)

_INTERVAL = 0.5
"""Seconds between two reports to FiftyOne's queue, each of which is a write to the database."""
_KEPT = 20
"""Runs that are remembered while the App's server lives."""

Event = Progress | str
"""How far work is, or what it does now in words."""

_runs: list[Run] = []


class Canceled(BaseException):
    """The user has canceled the run. No ``Exception``: it must not pass for the failure of a sample."""


class Run:
    """Work in a thread.

    Args:
        title: what is done
        dataset: name of the dataset
        work: the work, called with a function that is told the progress: in words, or with a
            :class:`Progress`; it returns the outcome
        pipeline: the pipeline that the run is a stage of
        before: the run that must be finished before

    Attributes:
        state: ``"running"``, ``"finished"``, ``"failed"`` or ``"canceled"``
        progress: the part that is done, 0..1; None while that is unknown
        label: the progress, in words; of a canceled run, its end
        outcome: what the work returned, once it is finished
        error: what the work raised, once it has failed
        announced: whether the App was told the outcome
        panel: id and state of the panel of scores whose button started it, which is to look again then
    """

    def __init__(
        self,
        title: str,
        dataset: str,
        work: Callable[[Callable[[Event], None]], Any],
        pipeline: object | None = None,
        before: Run | None = None,
    ) -> None:
        self.id, self.title, self.dataset = uuid4().hex[:8], title, dataset
        self.pipeline = pipeline
        self.state: Literal["running", "finished", "failed", "canceled"] = "running"
        self.progress: float | None = None
        self.label = "Starting"
        self.outcome: Any = None
        self.error: BaseException | None = None
        self.announced = False
        self.panel: dict[str, Any] = {}
        self._work, self._before = work, before
        self._canceled = ThreadEvent()
        self._thread = Thread(target=self._run, name=f"hs2s-{title}", daemon=True)

    def start(self) -> None:
        """Starts the work, and keeps the run in :func:`list_runs`."""
        _runs.append(self)
        del _runs[:-_KEPT]
        self._thread.start()

    def wait(self) -> None:
        """Waits until the work is over; an interrupt of the wait cancels it."""
        try:
            self._thread.join()
        except BaseException:
            self.cancel()
            self._thread.join()
            raise

    def cancel(self) -> None:
        """Stops the work at its next report."""
        self._canceled.set()
        self.label = "Canceling"

    def _run(self) -> None:
        try:
            self._wait_for_turn()
            self.outcome = self._work(self._report)
            self.state = "finished"
        except Canceled as reason:
            self.label = str(reason)
            self.state = "canceled"
        except BaseException as error:
            logger.warning("%s: failed", self.title, exc_info=not isinstance(error, HS2SError))
            self.error = error
            self.state = "failed"

    def _wait_for_turn(self) -> None:
        if self._before is None:
            return
        self.label = f"Waiting for: {self._before.title}"
        self._before.wait()
        if self._before.state != "finished":
            self.announced = True  # with the run before
            raise Canceled(f"{self._before.title}: {self._before.state}")

    def _report(self, event: Event) -> None:
        if self._canceled.is_set():
            raise Canceled("What was done by then is kept")
        self.label = str(event)
        if isinstance(event, Progress):
            self.progress = event.progress


def list_runs(dataset: str) -> list[Run]:
    """The runs on a dataset since the App's server was started, the newest first."""
    return [run for run in reversed(_runs) if run.dataset == dataset]


def throttle(report: Callable[[Event], None]) -> Callable[[Event], None]:
    """Wraps a function so that calls in quick succession are dropped, except the first and texts."""
    due = 0.0

    def throttled(event: Event) -> None:
        nonlocal due
        if isinstance(event, str) or time.monotonic() >= due:
            due = time.monotonic() + _INTERVAL
            report(event)

    return throttled

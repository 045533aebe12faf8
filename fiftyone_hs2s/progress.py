"""How far long work is: one kind of event, and one way to show it in a shell, a notebook and the App."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

_FORMAT = "{percentage:3.0f}%|{bar}| {desc} [{elapsed}<{remaining}]"


class _Fields(NamedTuple):
    iteration: int
    total: int
    unit: str = "sample"
    within: Progress | None = None
    note: str = ""
    values: Mapping[str, float] = {}
    elapsed_time: float = 0.0
    beside: tuple[Progress, ...] = ()


class Progress(_Fields):
    """How far a run is; read-only, with the attributes of FiftyOne's progress bars.

    A function for ``progress=`` that works with FiftyOne's own methods works here, one of
    ``fo.report_progress()`` too.

    Attributes:
        iteration: how many units are done
        total: how many there are
        unit: what is counted, in the singular
        within: how far the unit is that is being worked on, such as the frames of a video; None if that is
            unknown
        note: more in words
        values: figures by name, such as the ``loss`` of a training step
        elapsed_time: seconds since the run began
        beside: how far the other units are that are being worked on at the same time
    """

    has_total = True

    @property
    def progress(self) -> float:
        """The part that is done, 0..1, taking all units as equally long."""
        if self.complete:
            return 1.0
        return min(1.0, (self.iteration + sum(part.progress for part in self._begun)) / self.total)

    @property
    def _begun(self) -> list[Progress]:
        return [*([self.within] if self.within else []), *self.beside]

    @property
    def complete(self) -> bool:
        """Whether all is done."""
        return self.iteration >= self.total

    def __str__(self) -> str:
        if self.beside and not self.complete:
            parts = self._begun
            within = Progress(sum(p.iteration for p in parts), sum(p.total for p in parts), parts[0].unit)
            numbers = f"{self.iteration + 1}-{self.iteration + len(parts)}"
            return f"{self.unit.capitalize()}s {numbers} of {self.total}: {within}"
        if self.within and not self.complete:
            return f"{self.unit.capitalize()} {self.iteration + 1} of {self.total}: {self.within}"
        counted = f"{self.iteration} of {self.total} {self.unit}{'s' if self.total != 1 else ''}"
        return f"{counted}, {self.note}" if self.note else counted


Report = Callable[[Progress], Any]
"""What long work calls from time to time: a function that takes a :class:`Progress`."""

ProgressOption = bool | Report | None
"""Values of an argument ``progress``: True and False for a bar or none, a function to call instead, None
for the default: where FiftyOne is at work ``fiftyone.config.show_progress_bars``, else a bar on a terminal
or in a notebook."""


@contextmanager
def reporting(progress: ProgressOption = None) -> Iterator[Report]:
    """A context with a function that shows how far the work is, as an argument ``progress`` says.

    Args:
        progress: see :data:`ProgressOption`
    """
    if callable(progress):
        yield _Callback(progress)
        return
    bar = _Bar(_is_watched() if progress is None else progress)
    try:
        yield bar
    finally:
        bar.close()


def counted(items: Iterable[T], total: int, report: Report, unit: str = "sample") -> Iterator[T]:
    """Yields the items, and reports how many of them are done: as FiftyOne's bars, from 0 to all."""
    done = 0
    report(Progress(done, total, unit))
    for item in items:
        yield item
        done += 1
        report(Progress(done, max(done, total), unit))
    if done < total:
        report(Progress(total, total, unit))


class _Callback:
    """Calls a function of the user's."""

    def __init__(self, call: Report) -> None:
        self._call, self._start = call, time.monotonic()
        self._notes: dict[str, Any] = {}

    def __call__(self, event: Progress) -> None:
        event = event._replace(elapsed_time=time.monotonic() - self._start)
        # Fo.report_progress() keeps its own on what it takes for one and the same bar.
        event.__dict__ = self._notes
        self._call(event)


class _Bar:
    """A bar in text, or in a notebook's way; it is drawn from the first event on."""

    def __init__(self, shown: bool) -> None:
        self._shown = shown
        self._bar: Any = None

    def __call__(self, event: Progress) -> None:
        if not self._shown:
            return
        if self._bar is None:
            self._bar = _make_bar(event)
        self._bar.set_description_str(str(event), refresh=False)
        self._bar.update(event.progress - self._bar.n)

    def close(self) -> None:
        """Leaves the bar as it is."""
        if self._bar is not None:
            self._bar.close()


def _make_bar(event: Progress) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there are no widgets: then a bar in text is drawn
        from tqdm.auto import tqdm
    return tqdm(desc=str(event), total=1.0, initial=event.progress, bar_format=_FORMAT)


def _is_watched() -> bool:
    return "ipykernel" in sys.modules or (sys.stderr is not None and sys.stderr.isatty())

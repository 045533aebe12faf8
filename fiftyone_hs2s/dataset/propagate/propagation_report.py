"""What a propagation did, sample by sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.tables import data_frame

if TYPE_CHECKING:
    import pandas


class AllFailedError(HS2SError):
    """No sample could be tracked.

    Args:
        failed: the samples, and why
    """

    def __init__(self, failed: dict[str, str]) -> None:
        self.problems = failed
        (name, why), *rest = failed.items()
        super().__init__(f"{name}: {why}{f' (and {len(rest)} more samples failed)' if rest else ''}")


@dataclass
class PropagationReport:
    """What a propagation did.

    Attributes:
        complete: names of the samples that were tracked to their end
        incomplete: samples whose video ended early, and why; what was tracked is kept
        failed: samples without any result, and why
        skipped: names of the samples that were finished before
        claimed: samples that another run is working on, and which
        frames: number of frames that labels were written to
        boxes: number of boxes without a mask, and of points, that were ignored
        made: number of masks that were made, by what of and by which maker: ``"box by hs2s-mask"``
    """

    complete: list[str] = field(default_factory=list)
    incomplete: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    claimed: dict[str, str] = field(default_factory=dict)
    frames: int = 0
    boxes: int = 0
    made: Counter[str] = field(default_factory=Counter)

    def add(self, other: PropagationReport) -> None:
        """Takes over what is in another report, of other samples."""
        for part in fields(self):
            mine, theirs = getattr(self, part.name), getattr(other, part.name)
            if isinstance(mine, dict):  # a Counter adds
                mine.update(theirs)
            else:
                setattr(self, part.name, mine + theirs)

    def raise_if_all_failed(self) -> None:
        """Turns failures into an error, if there is nothing else.

        Raises:
            AllFailedError: with the first failure's message, and all of them
        """
        if self.failed and not (self.complete or self.incomplete or self.skipped or self.claimed):
            raise AllFailedError(self.failed)

    @property
    def problems(self) -> dict[str, str]:
        """The samples that were not tracked to their end by this run or an earlier one, and why."""
        return {**self.failed, **self.incomplete, **self.claimed}

    def rows(self) -> Iterator[dict[str, str]]:
        """What became of each sample: ``sample``, ``state``, and ``reason`` where it is not complete."""
        for state in ("complete", "incomplete", "failed", "skipped", "claimed"):
            found = getattr(self, state)
            reasons = found if isinstance(found, dict) else dict.fromkeys(found, "")
            yield from ({"sample": name, "state": state, "reason": why} for name, why in reasons.items())

    def to_dataframe(self) -> pandas.DataFrame:
        """The rows of :meth:`rows`."""
        return data_frame(self.rows(), ("sample", "state", "reason"))

    def print(self) -> None:
        """Prints the counts, and the samples that were not tracked to their end, with the reason."""
        print(self)
        for name, why in self.problems.items():
            print(f"{name}: {why}")

    def __str__(self) -> str:
        parts = {
            "tracked": self.complete,
            "incomplete": self.incomplete,
            "failed": self.failed,
            "finished before": self.skipped,
            "left to another run": self.claimed,
        }
        text = ", ".join(f"{len(names)} {what}" for what, names in parts.items() if names) or "nothing to do"
        boxes = "1 box without a mask" if self.boxes == 1 else f"{self.boxes} boxes without masks"
        made = "".join(
            f"; {count} {'mask' if count == 1 else 'masks'} made ({what})"
            for what, count in self.made.items()
        )
        return f"{text}{made}; {boxes} ignored" if self.boxes else f"{text}{made}"

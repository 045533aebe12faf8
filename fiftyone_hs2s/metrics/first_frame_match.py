"""Which predicted object is which true one where identities were lost: by overlap, one to one."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from scipy.optimize import linear_sum_assignment

from fiftyone_hs2s.choices import check_choice
from fiftyone_hs2s.metrics.region import jaccard

MATCHES = ("identity", "first_frame")
"""How predicted objects are matched with true ones: by what they are called, or by :class:`FirstFrames`."""
_POOR = 0.5
True_ = TypeVar("True_", bound=Hashable)
Predicted = TypeVar("Predicted", bound=Hashable)


def check_match(match: str) -> str:
    """Makes sure that there is such a way to match.

    Raises:
        HS2SError: if there is none
    """
    return check_choice("match", match, MATCHES)


@dataclass(frozen=True)
class Match(Generic[Predicted]):
    """The predicted object that was taken for a true one."""

    predicted: Predicted
    J: float
    """Region similarity of the two on the frame that decided."""


class FirstFrames(Generic[True_, Predicted]):
    """Matches each true object with a predicted one by their overlap on its first frame.

    That is the true object's first annotated frame that shows it; where there is no prediction at all, the
    next one. Of all ways to match one to one, the one with the largest sum of J is taken, and nothing is
    matched with what it does not touch.
    """

    def __init__(self) -> None:
        self._overlaps: dict[True_, dict[Predicted, float]] = {}

    def new(self, true: Iterable[True_]) -> list[True_]:
        """Those of some objects whose first frame has not come yet."""
        return [key for key in true if key not in self._overlaps]

    def update(
        self, true: Mapping[True_, np.ndarray], predicted: Mapping[Predicted, np.ndarray] | None
    ) -> None:
        """Takes a frame.

        Args:
            true: the bool masks (H, W) of the true objects that it shows
            predicted: those of the predicted ones; None if nothing was predicted for this frame
        """
        for key in self.new(true) if predicted is not None else ():
            if true[key].any():
                self._overlaps[key] = {
                    other: jaccard(true[key], mask) for other, mask in (predicted or {}).items()
                }

    def finish(self) -> dict[True_, Match[Predicted]]:
        """The match of each true object that has one."""
        rows = list(self._overlaps)
        columns = list(dict.fromkeys(other for overlaps in self._overlaps.values() for other in overlaps))
        table = np.array([[self._overlaps[row].get(column, 0.0) for column in columns] for row in rows])
        if not table.size:
            return {}
        pairs = zip(*linear_sum_assignment(table, maximize=True), strict=True)
        return {rows[r]: Match(columns[c], float(table[r, c])) for r, c in pairs if table[r, c] > 0}


def match_problem(names: Mapping[True_, str], matches: Mapping[True_, Match]) -> str | None:
    """What is doubtful about matches, in words; None if nothing is.

    Args:
        names: what to call the true objects
        matches: theirs
    """
    parts = []
    if lost := [name for key, name in names.items() if key not in matches]:
        parts.append(f"{', '.join(lost)}: no predicted object overlaps on its first frame, counted as missed")
    parts += [
        f"{name}: matched on its first frame, but with J {matches[key].J:.2f} there"
        for key, name in names.items()
        if key in matches and matches[key].J < _POOR
    ]
    return "; ".join(parts) or None

"""What a tracker can be asked for."""

from __future__ import annotations

from fiftyone_hs2s.choices import check_choice
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.network.aggregation import AGGREGATIONS
from fiftyone_hs2s.tracking.views import AVERAGES

MAX_SIDE = 4096
"""Of the network's input; memory grows with it."""


def check_options(size: tuple[int, int], aggregation: str, average: str, chunk_size: int) -> None:
    """Checks options of :class:`Tracker`, which documents them.

    Raises:
        HS2SError: if one cannot be used
    """
    if not all(32 <= side <= MAX_SIDE and side % 32 == 0 for side in size):
        raise HS2SError(
            f"The network's size must be multiples of 32 up to {MAX_SIDE} such as 256x448, not"
            f" {size[0]}x{size[1]}."
        )
    check_choice("aggregation", aggregation, AGGREGATIONS)
    check_choice("average", average, AVERAGES)
    if chunk_size < 1:
        raise HS2SError(
            f"At least one object must go through the network at once, not chunk_size={chunk_size}."
        )

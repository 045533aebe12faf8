"""What is known of a frame once it is tracked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from fiftyone_hs2s.network.aggregation import margins_to_probabilities


@dataclass(frozen=True)
class TrackedFrame:
    """What is known of a frame.

    Attributes:
        label_map: uint8 (H, W) at the frame's own size, 0 for background; uint16 if an id is above 254
        confidence: per object, the mean probability over its own pixels, in 0..1: how sure the network is of
            what it shows. 0 if the object is not in view, 1 on a frame for which its mask was given
        probabilities: per object, float32 (H, W) in 0..1, computed when asked for
    """

    label_map: np.ndarray
    confidence: dict[int, float]
    probabilities: Mapping[int, np.ndarray]


class Probabilities(Mapping[int, np.ndarray]):
    """The probability map of each object at the frame's size, float32 (H, W), computed when asked for."""

    def __init__(
        self,
        ids: list[int],
        margins: torch.Tensor,
        given: Mapping[int, np.ndarray],
        size: tuple[int, int],
        aggregation: str,
    ) -> None:
        self._ids, self._margins, self._given = list(ids), margins, dict(given)
        self._size, self._aggregation = size, aggregation

    def __getitem__(self, object_id: int) -> np.ndarray:
        if object_id in self._given:
            return self._given[object_id].astype(np.float32)
        index = self._ids.index(object_id) if object_id in self._ids else None
        if index is None:
            raise KeyError(object_id)
        margins = F.interpolate(self._margins[None], self._size, mode="bilinear", align_corners=False)[0]
        result = margins_to_probabilities(margins, self._aggregation)[index].cpu().numpy()
        for mask in self._given.values():
            result[mask] = 0
        return result

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._ids))

    def __len__(self) -> int:
        return len(self._ids)

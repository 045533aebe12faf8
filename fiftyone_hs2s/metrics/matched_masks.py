"""Predicted masks in files whose ids are not those of the truth."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from fiftyone_hs2s.mask_files.reading import VOID
from fiftyone_hs2s.mask_files.sequence_masks import MaskSequence
from fiftyone_hs2s.masks import label_dtype
from fiftyone_hs2s.metrics.first_frame_match import FirstFrames, Match


class MatchedMasks:
    """A prediction with the ids of the true objects that its own were matched with; others are left out.

    Args:
        prediction: its files
        truth: the true ones
        frames: names of the frames on which both can be compared
    """

    def __init__(self, prediction: MaskSequence, truth: MaskSequence, frames: Collection[str]) -> None:
        found: FirstFrames[int, int] = FirstFrames()
        seen: set[int] = set()
        for name in truth.names:
            true = truth.masks(name)
            seen |= true.keys()
            if name in frames and found.new(true):
                found.update(true, prediction.masks(name))
        self._prediction = prediction
        self.true_ids = sorted(seen)
        self.matches: dict[int, Match[int]] = found.finish()
        self._ids = {match.predicted: i for i, match in self.matches.items()}

    @property
    def is_layered(self) -> bool:
        """As of :class:`MaskSequence`."""
        return self._prediction.is_layered

    @property
    def note(self) -> str | None:
        """As of :class:`MaskSequence`."""
        return self._prediction.note

    def label_map(self, name: str) -> np.ndarray:
        """As of :class:`MaskSequence`, with the true ids."""
        given = self._prediction.label_map(name)
        dtype = label_dtype(self._ids.values())
        table = np.zeros(np.iinfo(given.dtype).max + 1, dtype)
        for predicted, true in self._ids.items():
            if predicted < len(table):
                table[predicted] = true
        if given.dtype == dtype == np.uint8:
            table[VOID] = VOID
        return table[given]

    def layers(self, name: str) -> Mapping[int, np.ndarray | None]:
        """As of :class:`MaskSequence`, with the true ids."""
        return {self._ids[i]: mask for i, mask in self._prediction.layers(name).items() if i in self._ids}

"""J&F of a network on whole sequences, tracked as users track."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from fiftyone_hs2s.masks import list_label_maps, read_label_map, split_label_map
from fiftyone_hs2s.metrics import Evaluation, SequenceScorer, summarize
from fiftyone_hs2s.network import HS2S
from fiftyone_hs2s.tracking import Frames, Tracker, open_frames, track


class ValidationSequence(Protocol):
    """An annotated sequence."""

    name: str

    def open(self) -> Frames:
        """Its frames."""

    def truth(self) -> Iterator[tuple[int, np.ndarray]]:
        """Index (0-based) and label map (H, W) of each annotated frame, ascending; the first one is the prompt."""


class FolderSequence:
    """A sequence of a DAVIS-layout folder."""

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.name = root, name

    def open(self) -> Frames:
        """Its frames."""
        return open_frames(self.root / "JPEGImages" / self.name)

    def truth(self) -> Iterator[tuple[int, np.ndarray]]:
        """Its label maps."""
        index = {name: i for i, name in enumerate(self.open().names)}
        for name, path in list_label_maps(self.root / "Annotations" / self.name).items():
            yield index[name], read_label_map(path)


def validate(network: HS2S, sequences: list[ValidationSequence], size: tuple[int, int] = (256, 448)) -> Evaluation:
    """Tracks each sequence from its first annotated frame, and scores it as DAVIS does.

    Args:
        network: it is put to evaluation mode
        sequences: what to track
        size: (h, w) that the network sees

    Returns:
        J, F and J&F in 0..1
    """
    tracker = Tracker(network, size, device=next(network.parameters()).device, precision="float32")
    return summarize({sequence.name: _score(tracker, sequence) for sequence in sequences}, "davis2017")


def _score(tracker: Tracker, sequence: ValidationSequence):
    truth = sequence.truth()
    start, first = next(truth)
    scorer = SequenceScorer()
    scorer.update(first, first)
    wanted = next(truth, None)
    for index, tracked in track(tracker, sequence.open(), {start: split_label_map(first)}):
        if wanted is not None and index == wanted[0]:
            scorer.update(wanted[1], tracked.label_map)
            wanted = next(truth, None)
    return scorer.finish()

"""J&F of a network on whole sequences, tracked as users track."""

from __future__ import annotations

import logging
import typing
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.mask_files.layouts import IMAGES, MASKS, find_part
from fiftyone_hs2s.mask_files.sequence_masks import MaskSequence
from fiftyone_hs2s.masks import fit_mask, object_ids
from fiftyone_hs2s.metrics import Evaluation, Protocol, SequenceScorer, SequenceScores, summarize
from fiftyone_hs2s.network import HS2S
from fiftyone_hs2s.tracking import Frames, MissingFrameError, Tracker, open_frames, track

logger = logging.getLogger(__name__)

PROTOCOL = Protocol("validation", skip_ends=True, after_appearance=True)
"""DAVIS 2017, for objects that come later too: each counts from the frame after its prompt."""


class ValidationSequence(typing.Protocol):
    """An annotated sequence."""

    name: str

    def open(self) -> Frames:
        """Its frames."""

    def truth(self) -> Iterator[tuple[int, np.ndarray]]:
        """Index (0-based) and label map (H, W) of each annotated frame, ascending; an object's first is
        its prompt."""


class FolderSequence:
    """A sequence of a DAVIS-layout folder."""

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.name = root, name

    def open(self) -> Frames:
        """Its frames."""
        return open_frames((find_part(self.root, IMAGES) or self.root) / self.name)

    def truth(self) -> Iterator[tuple[int, np.ndarray]]:
        """Its label maps."""
        frames = self.open()
        index = {name: i for i, name in enumerate(frames.names)}
        masks = MaskSequence((find_part(self.root, MASKS) or self.root) / self.name)
        for name in masks.names:
            if name in index:
                label_map = masks.label_map(name, frames.size)
                yield index[name], fit_mask(label_map, frames.size, f"mask {masks.folder / name}")


def scorable(sequences: Sequence[ValidationSequence]) -> list[ValidationSequence]:
    """The sequences that can be scored; the others are named and left out.

    Raises:
        HS2SError: if there are some, but none can be scored
    """
    good = [sequence for sequence in sequences if _is_scorable(sequence)]
    if lost := ", ".join(sequence.name for sequence in sequences if sequence not in good):
        reason = (
            f"nothing to score in {lost}: annotate two frames more than an object's first, the last does not"
            " count"
        )
        if not good:
            raise HS2SError(f"the validation has {reason}")
        logger.warning("Left out of the validation: %s", reason)
    return good


def validate(
    network: HS2S, sequences: list[ValidationSequence], size: tuple[int, int] = (256, 448)
) -> Evaluation:
    """Tracks each object from its first mask, and scores it as DAVIS does.

    Args:
        network: it is put to evaluation mode
        sequences: what to track
        size: (h, w) that the network sees

    Returns:
        J, F and J&F in 0..1

    Raises:
        HS2SError: if a sequence cannot be read; names it
    """
    return summarize(score_sequences(network, sequences, size), PROTOCOL)


def score_sequences(
    network: HS2S, sequences: Sequence[ValidationSequence], size: tuple[int, int] = (256, 448)
) -> dict[str, SequenceScores]:
    """The scores of each sequence by its name, to be summarized; see :func:`validate`."""
    tracker = Tracker(network, size, device=next(network.parameters()).device, precision="float32")
    return {sequence.name: _score(tracker, sequence) for sequence in sequences}


def _is_scorable(sequence: ValidationSequence) -> bool:
    truth = sequence.truth()
    return any(object_ids(label_map) for _, label_map in truth) and len(list(islice(truth, 2))) == 2


def _score(tracker: Tracker, sequence: ValidationSequence) -> SequenceScores:
    scorer, truth = SequenceScorer(), sequence.truth()
    wanted = next(truth, None)
    try:
        for index, tracked in track(tracker, sequence.open(), _first_masks(sequence)):
            while wanted is not None and wanted[0] <= index:
                scorer.update(wanted[1], tracked.label_map if wanted[0] == index else None)
                wanted = next(truth, None)
    except HS2SError as error:
        if isinstance(error, MissingFrameError):  # FiftyOne's sequences do not count from 0
            error = error.numbered_from(getattr(sequence, "first_number", 0))
        raise HS2SError(f"{sequence.name} cannot be validated on: {error}") from error
    return scorer.finish()


def _first_masks(sequence: ValidationSequence) -> dict[int, dict[int, np.ndarray]]:
    """The first mask of each object, as the tracker takes them: {frame index: {id: mask}}.

    The tracker would choose them itself, but the masks of all frames at once would fill the memory.
    """
    seen: set[int] = set()
    prompts = {}
    for index, label_map in sequence.truth():
        if new := [i for i in object_ids(label_map) if i not in seen]:
            prompts[index] = {i: label_map == i for i in new}
            seen.update(new)
    return prompts

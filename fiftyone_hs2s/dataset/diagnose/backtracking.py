"""Tracks predicted objects back to where they came from: where the way back differs, one of the two is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fiftyone_hs2s.choices import Direction
from fiftyone_hs2s.dataset.evaluate.matching import Matching
from fiftyone_hs2s.dataset.evaluate.scoring import Agreement, agreement
from fiftyone_hs2s.dataset.pieces import Piece
from fiftyone_hs2s.dataset.propagate.prompts import collect_prompts
from fiftyone_hs2s.dataset.sequences import find_sequences
from fiftyone_hs2s.errors import HS2SError

if TYPE_CHECKING:
    from fiftyone_hs2s.dataset.propagate.model import HS2SVideoModel
    from fiftyone_hs2s.tracking import Frames


def track_back(piece: Piece, prediction: str, model: HS2SVideoModel) -> Agreement:
    """Tracks each object from its last prediction back to the first predicted frame.

    The way back is against the model's own direction: backward, unless the model tracks backward. Its masks are
    compared with the predictions one frame at a time and never stored.

    Args:
        piece: the video or clip
        prediction: field of the predictions
        model: the tracker, ready to be used

    Returns:
        J of the predictions with the way back

    Raises:
        HS2SError: if a mask is unusable, or the video breaks off
    """
    matching = Matching(piece, None, prediction)
    if not matching.predicted_numbers:
        return {}
    (sequence,) = find_sequences(piece.view)
    frames, first = sequence.open(), sequence.first_number
    direction: Direction = "forward" if model.direction == "backward" else "backward"
    end = matching.predicted_numbers[0 if direction == "backward" else -1]
    found: dict[int, dict[int, float]] = {}
    if matching.predicted_numbers[-1] - first >= len(frames):
        frames.verify_length()  # tells whether it breaks off
        raise _lost(piece, frames)
    try:
        labels = sequence.labels(prediction)
        prompts = collect_prompts(labels, lambda i: sequence.read(prediction, i), frames, "first", direction, first)
        for index, tracked in model.track(frames, prompts, direction, "first"):
            predicted = matching.objects(sequence.read(prediction, index))
            found[index + first] = agreement(predicted, matching.objects(tracked))
            if index + first == end:
                return found
    except HS2SError as error:
        raise HS2SError(f"{piece.name} cannot be tracked back: {error}") from error
    raise _lost(piece, frames)


def _lost(piece: Piece, frames: Frames) -> HS2SError:
    return HS2SError(f"{piece.name} cannot be tracked back: {frames.incomplete or 'it has fewer frames than labels'}")

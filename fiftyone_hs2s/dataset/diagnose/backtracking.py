"""Tracks predicted objects back to where they came from: where the backward track differs, one of the two
is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fiftyone_hs2s.choices import Direction
from fiftyone_hs2s.dataset.evaluate.matching import Matching
from fiftyone_hs2s.dataset.evaluate.scoring import Agreement, agreement
from fiftyone_hs2s.dataset.propagate.prompts import sequence_prompts
from fiftyone_hs2s.dataset.sequences import LabeledSequence
from fiftyone_hs2s.errors import HS2SError

if TYPE_CHECKING:
    from fiftyone_hs2s.dataset.propagate.model import HS2SVideoModel
    from fiftyone_hs2s.tracking import Frames


def track_back(sequence: LabeledSequence, prediction: str, model: HS2SVideoModel) -> Agreement:
    """Tracks each object from its last prediction back to the first predicted frame.

    The backward track runs against the model's own direction: backward, unless the model tracks backward. Its
    masks are compared with the predictions one frame at a time and never stored.

    Args:
        sequence: the video or clip
        prediction: field of the predictions
        model: the tracker, ready to be used

    Returns:
        J of the predictions with the backward track

    Raises:
        HS2SError: if a mask is unusable, or the video ends early
    """
    matching = Matching(sequence, None, prediction)
    if not matching.predicted_indices:
        return {}
    frames = sequence.open()
    direction: Direction = "forward" if model.direction == "backward" else "backward"
    end = matching.predicted_indices[0 if direction == "backward" else -1]
    found: dict[int, dict[int, float]] = {}
    if matching.predicted_indices[-1] >= len(frames):
        frames.verify_length()  # tells whether it ends early
        raise _lost(sequence, frames)
    try:
        plan = model.plan(frames, sequence_prompts(sequence, prediction, frames), direction, "first")
        for index, tracked in model.track(frames, plan):
            predicted = matching.objects(sequence.read_at(prediction, index))
            found[index] = agreement(predicted, matching.objects(tracked))
            if index == end:
                return found
    except HS2SError as error:
        raise HS2SError(f"{sequence.name} cannot be tracked back: {error}") from error
    raise _lost(sequence, frames)


def _lost(sequence: LabeledSequence, frames: Frames) -> HS2SError:
    return HS2SError(
        f"{sequence.name} cannot be tracked back: {frames.incomplete or 'it has fewer frames than labels'}"
    )

"""One pass over a sequence: everything that the protocols, the failure events and the analyses need, as
numbers."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import VOID
from fiftyone_hs2s.metrics.frame_scores import NAN, FrameScore, score_label_maps, void_pixels


@dataclass(frozen=True, eq=False)
class ObjectScores:
    """One object over a sequence of T frames: arrays of length T, aligned with ``frames``."""

    object_id: int
    frames: np.ndarray
    """Frame numbers, int, ascending, as they were given to the scorer (0, 1, 2, ... unless told)."""
    annotated: np.ndarray
    """bool: the frame has ground truth (for any object; the object itself may be absent)."""
    J: np.ndarray
    F: np.ndarray
    truth_area: np.ndarray
    predicted_area: np.ndarray
    intersection: np.ndarray
    other_id: np.ndarray
    other_area: np.ndarray
    x: np.ndarray
    y: np.ndarray
    confidence: np.ndarray
    """The tracker's confidence in 0..1, NaN where none was given."""
    agreement: np.ndarray
    """J in 0..1 of this prediction with one of another run, such as backward from the end; NaN where none
    was given."""
    prompted: np.ndarray
    """bool: the predicted mask is one that the tracker was given, a first mask or a correction."""
    diagonal: float
    """Diagonal of the image in pixels."""

    @cached_property
    def JF(self) -> np.ndarray:
        """(J + F) / 2 per frame."""
        return (self.J + self.F) / 2

    def visible(self, threshold: int = 0) -> np.ndarray:
        """bool (T,): annotated frames on which the true area is over ``threshold`` pixels."""
        return self.annotated & (self.truth_area > threshold)


@dataclass(frozen=True, eq=False)
class SequenceScores:
    """All objects of a sequence of T frames."""

    frames: np.ndarray
    """Frame numbers, int (T,)."""
    annotated: np.ndarray
    """bool (T,): the frame has ground truth."""
    objects: dict[int, ObjectScores]
    """By id, ascending: every object that is in the truth or in the prediction of any frame."""
    names: tuple[str, ...] = ()
    """Names of the T frames, such as file names; may be empty."""

    @property
    def true_ids(self) -> list[int]:
        """Ids that are in the truth of some frame."""
        return [i for i, scores in self.objects.items() if scores.truth_area.any()]

    @property
    def extra_ids(self) -> list[int]:
        """Predicted ids that are in the truth of no frame."""
        return [i for i, s in self.objects.items() if s.predicted_area.any() and not s.truth_area.any()]


class SequenceScorer:
    """Scores a sequence frame by frame, and keeps no image: a hundred bytes per frame and object are all that
    grows.

    Example::

        scorer = SequenceScorer()
        for truth, prediction in frames:
            scorer.update(truth, prediction)
        sequence = scorer.finish()

    Args:
        exclude_void: leave void pixels out instead of taking them as background, see ``score_label_maps``
        merge_objects: take all objects as one, with id 1, as DAVIS-2016 does
        void: a value that means in uint16 label maps what 255 means in uint8
    """

    def __init__(
        self, exclude_void: bool = False, merge_objects: bool = False, void: int | None = None
    ) -> None:
        self._exclude_void = exclude_void
        self._merge_objects = merge_objects
        self._void = void
        self._frames = array("q")
        self._annotated = array("b")
        self._rows: dict[int, array[float]] = {}
        self._diagonal = 0.0

    def update(
        self,
        truth: np.ndarray | None,
        prediction: np.ndarray | None,
        *,
        frame: int | None = None,
        confidence: Mapping[int, float] | None = None,
        agreement: Mapping[int, float] | None = None,
        prompted: Collection[int] = (),
    ) -> dict[int, FrameScore]:
        """Adds the next frame.

        Args:
            truth: true label map (H, W), uint8 or uint16; None if the frame is not annotated
            prediction: predicted label map (H, W); None if there is none, which counts as empty
            frame: number of the frame, greater than the last one; by default the next one
            confidence: the tracker's confidence in 0..1, by object id
            agreement: J in 0..1 with the prediction of another run, by object id
            prompted: ids of the objects whose mask on this frame the tracker was given

        Returns:
            the scores of the objects on this frame, by id

        Raises:
            HS2SError: if the label maps differ in size, or the frame number does not rise
        """
        frame = self._next_frame(frame)
        scores = self._score(truth, prediction)
        self._frames.append(frame)
        self._annotated.append(truth is not None)
        confidence, agreement = confidence or {}, agreement or {}
        for i in scores.keys() | confidence.keys() | agreement.keys() | {*prompted}:
            score = scores.get(i, _absent(truth is not None))
            row = (
                len(self._frames) - 1,
                *score,
                confidence.get(i, NAN),
                agreement.get(i, NAN),
                i in prompted,
            )
            self._rows.setdefault(i, array("d")).extend(row)
        return scores

    def update_layers(
        self, truth: Mapping[int, np.ndarray | None], prediction: Mapping[int, np.ndarray | None]
    ) -> dict[int, FrameScore]:
        """Adds the next frame, of objects that may overlap: each is scored by itself.

        Args:
            truth: true bool mask (H, W) of each object, by id; None where the object is not annotated on this
                frame
            prediction: predicted bool masks (H, W); what is missing or None counts as empty

        Returns:
            the scores of the objects on this frame, by id
        """
        shape = next(mask.shape for mask in (*truth.values(), *prediction.values()) if mask is not None)
        scores, empty = {}, np.zeros(shape, bool)
        for i in sorted({*truth, *prediction}):
            true, predicted = truth.get(i, empty), prediction.get(i)
            found = self._score(
                None if true is None else true.astype(np.uint8),
                empty.view(np.uint8) if predicted is None else predicted.astype(np.uint8),
            )
            scores[i] = found.get(1, _absent(true is not None))
        self._frames.append(self._next_frame(None))
        self._annotated.append(any(mask is not None for mask in truth.values()))
        for i, score in scores.items():
            self._rows.setdefault(i, array("d")).extend((len(self._frames) - 1, *score, NAN, NAN, False))
        return scores

    def _next_frame(self, frame: int | None) -> int:
        last = self._frames[-1] if self._frames else -1
        if frame is not None and frame <= last and self._frames:
            raise HS2SError(
                f"Frame {frame} cannot be scored after frame {last}: give the frames in order, each once."
            )
        return last + 1 if frame is None else frame

    def _score(self, truth: np.ndarray | None, prediction: np.ndarray | None) -> dict[int, FrameScore]:
        given = [label_map for label_map in (truth, prediction) if label_map is not None]
        if not given:
            return {}
        self._diagonal = float(np.hypot(*given[0].shape))
        if self._merge_objects:
            truth, prediction = (None if m is None else _merge(m, self._void) for m in (truth, prediction))
        prediction = np.zeros_like(truth) if prediction is None else prediction
        return score_label_maps(truth, prediction, self._exclude_void, self._void)

    def finish(self, names: Sequence[str] = ()) -> SequenceScores:
        """The scores of all frames so far; more frames may follow.

        Args:
            names: names of the frames, in the order in which they were given; optional
        """
        frames, annotated = np.array(self._frames, np.int64), np.array(self._annotated, bool)
        objects = {i: self._object(i, frames, annotated) for i in sorted(self._rows)}
        return SequenceScores(frames, annotated, objects, tuple(names))

    def _object(self, object_id: int, frames: np.ndarray, annotated: np.ndarray) -> ObjectScores:
        rows = np.array(self._rows[object_id]).reshape(-1, 1 + len(_COLUMNS))
        table = np.array([(*_absent(known), NAN, NAN, False) for known in annotated])
        table[rows[:, 0].astype(int)] = rows[:, 1:]
        columns = {
            name: values.astype(kind) for (name, kind), values in zip(_COLUMNS.items(), table.T, strict=True)
        }
        # Where each object has files of its own, some may lack one.
        annotated = annotated & ~np.isnan(columns["J"])
        return ObjectScores(object_id, frames, annotated, **columns, diagonal=self._diagonal)


_COUNTS = ("truth_area", "predicted_area", "intersection", "other_id", "other_area")
_COLUMNS: dict[str, type] = {
    **{name: int if name in _COUNTS else float for name in (*FrameScore._fields, "confidence", "agreement")},
    "prompted": bool,
}


def _absent(known: bool) -> FrameScore:
    """The score of an object that is neither in the truth nor in the prediction."""
    equal = 1.0 if known else NAN
    return FrameScore(equal, equal, 0, 0, 0, 0, 0, NAN, NAN)


def _merge(label_map: np.ndarray, void: int | None) -> np.ndarray:
    """All objects as object 1; void stays void, 255."""
    merged = (label_map != 0).astype(np.uint8)
    if (ignored := void_pixels(label_map, void)) is not None:
        merged[ignored] = VOID
    return merged

"""Scores one video, clip or group of images, frame by frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import fiftyone as fo

from fiftyone_hs2s.dataset.evaluate.matching import Matching
from fiftyone_hs2s.dataset.objects import FrameObjects, is_prompt
from fiftyone_hs2s.dataset.sequences import LabeledSequence
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.metrics import (
    ObjectScores,
    Protocol,
    SequenceScorer,
    SequenceScores,
    get_protocol,
    jaccard,
)

Agreement = Mapping[int, Mapping[int, float]]
"""J of the predictions with those of another run, by frame index and object number."""


class LabelRef(NamedTuple):
    """What results need of a detection: the masks of a whole video would fill the memory."""

    id: str
    label: str | None
    confidence: float | None


@dataclass
class ObjectLabels:
    """The labels of one object on one frame."""

    truth: list[LabelRef] = field(default_factory=list)
    predicted: list[LabelRef] = field(default_factory=list)


@dataclass(frozen=True)
class ScoredSequence:
    """The series of all objects of a sequence, and which labels they come from."""

    source: LabeledSequence
    sequence: SequenceScores
    names: dict[int, str]
    """What to call the objects, by number."""
    classes: dict[int, str]
    """Their labels, by number."""
    frame_ids: list[str]
    """Ids of the scored frames, aligned with ``sequence.frames``."""
    labels: list[dict[int, ObjectLabels]]
    """On each of these frames, the labels by the number of their object. Empty unless kept."""
    problem: str | None = None
    """What is odd about the identities."""
    matched: dict[int, str] = field(default_factory=dict)
    """By number, what objects were matched with, where they were matched by overlap."""


def score_sequence(
    source: LabeledSequence,
    truth: str | None,
    prediction: str,
    protocol: str | Protocol = "all",
    *,
    other: str | Agreement | None = None,
    keep_labels: bool = False,
    match: str = "identity",
) -> ScoredSequence:
    """Scores a sequence in one pass over its frames; masks are read some frames at a time.

    Args:
        source: the video, clip or group
        truth: field of the ground truth; None if there is none
        prediction: field of the predictions
        protocol: how void and several objects are taken
        other: field of another run, to compare the predictions with where there is no truth; or how they
            compare
        keep_labels: whether to list the labels by frame
        match: how objects are matched, see :class:`Matching`

    Raises:
        HS2SError: if the media, a mask or the identities are unusable, or there is no prediction
    """
    protocol = get_protocol(protocol)
    if not all(source.size):
        raise HS2SError(f"{source.name} cannot be read: restore the file, or set the sample's metadata")
    matching = _match(source, truth, prediction, "identity" if protocol.merge_objects else match)
    scorer = SequenceScorer(protocol.exclude_void, protocol.merge_objects)
    frame_ids, labels = [], []
    names = [name for name in (prediction, truth, other) if isinstance(name, str)]
    for index, (frame_id, *found) in source.read("id", *names):
        drawn = (
            _objects(matching, source, index, labels_of, name == truth)
            for name, labels_of in zip(names, found, strict=True)
        )
        sides = dict(zip(names, drawn, strict=True))
        predicted, true = sides[prediction], sides[truth] if truth else FrameObjects(None, {})
        if true.label_map is None and predicted.label_map is None:
            continue
        agrees = agreement(predicted, sides[other]) if isinstance(other, str) else (other or {}).get(index)
        scorer.update(
            true.label_map,
            predicted.label_map,
            frame=source.number(index),
            confidence=_confidence(predicted, protocol.merge_objects),
            agreement=agrees,
            prompted=_prompted(predicted, protocol.merge_objects),
        )
        frame_ids.append(frame_id)
        if keep_labels:
            labels.append(_object_labels(true, predicted, protocol.merge_objects))
    merged = {1: "all objects"} if protocol.merge_objects else None
    classes = merged or {number: label for number, (label, _) in matching.labels.items()}
    sequence = scorer.finish()
    problem = _identity_problem(matching, sequence) if truth and not protocol.merge_objects else None
    named = merged or matching.names
    return ScoredSequence(
        source, sequence, named, classes, frame_ids, labels, problem, matching.matched_names
    )


def _match(source: LabeledSequence, truth: str | None, prediction: str, match: str) -> Matching:
    try:
        matching = Matching(source, truth, prediction, match)
    except HS2SError as error:
        raise HS2SError(f"{source.name}: {error}") from error
    if not matching.has_predictions:
        raise HS2SError(f"{source.name} has no predictions in {prediction!r}: propagate its masks first")
    return matching


def _identity_problem(matching: Matching, sequence: SequenceScores) -> str | None:
    """What is odd about which object was taken for which."""
    if matching.by_overlap:
        return matching.doubts
    hint = '; if identities were lost, match="first_frame" matches by overlap'
    if matching.num_truth and not matching.shares_identity:
        return (
            "no predicted object has the instance, index or label of a true one: all of them count as"
            f" missed{hint}"
        )
    if matching.kind == "instance":
        return None
    astray = [
        matching.name(number) for number, scores in sequence.objects.items() if _starts_elsewhere(scores)
    ]
    return f"{', '.join(astray)}: predicted, but elsewhere, on its first frame{hint}" if astray else None


def _starts_elsewhere(scores: ObjectScores) -> bool:
    """Whether an object is predicted on its first visible frame, and nowhere near."""
    first = int(scores.visible().argmax())
    return bool(scores.visible().any() and scores.predicted_area[first] and not scores.intersection[first])


def _objects(
    matching: Matching, source: LabeledSequence, index: int, detections: fo.Detections | None, true: bool
) -> FrameObjects:
    try:
        return matching.objects(detections, true)
    except HS2SError as error:
        raise HS2SError(f"{source.name}, frame {source.number(index)}: {error}") from error


def _confidence(predicted: FrameObjects, merge: bool) -> dict[int, float]:
    """The least confidence of each object's parts."""
    known: dict[int, list[float]] = {}
    for number, parts in predicted.detections.items():
        known.setdefault(1 if merge else number, []).extend(
            d.confidence for d in parts if d.confidence is not None
        )
    return {number: min(values) for number, values in known.items() if values}


def _prompted(predicted: FrameObjects, merge: bool) -> set[int]:
    """The objects whose mask the tracker was given; of merged ones, only if it was given all of them."""
    given = {number for number, parts in predicted.detections.items() if any(map(is_prompt, parts))}
    return given if not merge else {1} if given and given == predicted.detections.keys() else set()


def agreement(predicted: FrameObjects, other: FrameObjects) -> dict[int, float]:
    """J of each object's mask with that of another run; nothing where a run has no masks at all."""
    if predicted.label_map is None or other.label_map is None:
        return {}
    ids = predicted.detections.keys() | other.detections.keys()
    return {i: jaccard(other.label_map == i, predicted.label_map == i) for i in ids}


def _object_labels(true: FrameObjects, predicted: FrameObjects, merge: bool) -> dict[int, ObjectLabels]:
    found: dict[int, ObjectLabels] = {}
    for side, objects in (("truth", true), ("predicted", predicted)):
        for number, detections in objects.detections.items():
            labels = found.setdefault(1 if merge else number, ObjectLabels())
            getattr(labels, side).extend(LabelRef(d.id, d.label, d.confidence) for d in detections)
    return found

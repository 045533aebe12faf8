"""All events of a sequence, and their totals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from fiftyone_hs2s.metrics.events import Event, EventOptions, by_frame, worst_frame
from fiftyone_hs2s.metrics.prediction_events import prediction_events
from fiftyone_hs2s.metrics.protocols import Protocol, counted_frames, get_protocol, scored_ids
from fiftyone_hs2s.metrics.scores import SequenceScores
from fiftyone_hs2s.metrics.truth_events import low_score, truth_events

CONDITIONS = frozenset({"occlusion", "partial_occlusion", "reappearance", "reappeared", "scene_cut"})
"""Labels of events that make it hard to track, but are no failure."""


def find_events(
    sequence: SequenceScores, options: EventOptions | None = None, protocol: str | Protocol = "youtube-vos"
) -> list[Event]:
    """The events of all objects of a sequence: from ground truth if any frame has it, else from the
    predictions alone.

    Args:
        sequence: series of the objects
        options: what counts; by default ``EventOptions()``
        protocol: which frames count for an object's score, to tell whether it is low

    Returns:
        the events, by object, then by first frame
    """
    found = _truth_events(sequence, options, get_protocol(protocol))
    if not sequence.annotated.any():
        found = (
            event for scores in sequence.objects.values() for event in prediction_events(scores, options)
        )
    return [
        replace(event, worst=worst_frame(sequence.objects[event.object_id], event.first, event.last))
        for event in found
    ]


def _truth_events(
    sequence: SequenceScores, options: EventOptions | None, protocol: Protocol
) -> Iterator[Event]:
    scored = scored_ids(sequence, protocol)
    for number, scores in sequence.objects.items():
        events = truth_events(scores, options)
        failures = [event for event in events if event.label not in CONDITIONS]
        low = (
            low_score(scores, counted_frames(scores, protocol), failures, options)
            if number in scored
            else None
        )
        yield from by_frame([*events, *([low] if low else [])])


def scene_cut_events(sequence: SequenceScores, cuts: Iterable[int]) -> list[Event]:
    """An event of no object (id 0) for each scene cut within a sequence; severity 0.

    Args:
        sequence: series of the objects
        cuts: numbers of the frames that begin a scene, as ``sequence`` numbers them
    """
    numbers = {int(n) for scores in sequence.objects.values() for n in scores.frames[[0, -1]]} or {0}
    inside = range(min(numbers), max(numbers) + 1)
    return [Event("scene_cut", 0, cut, cut, 0.0) for cut in sorted(cuts) if cut in inside]


@dataclass(frozen=True)
class EventSummary:
    """The events of a sequence in four values to filter by."""

    num_occlusions: int
    """Of all objects; partial ones not included."""
    longest_occlusion: int
    """In annotated frames; 0 if there is none."""
    recovered: bool | None
    """Whether every object was tracked again after each of its occlusions; None if none of them reappears."""
    worst_event: str | None
    """Label of the most severe failure; None if there is none."""


def summarize_events(events: Sequence[Event]) -> EventSummary:
    """The events of a sequence in short."""
    lengths = [int(event.details["frames"] or 0) for event in events if event.label == "occlusion"]
    recoveries = [bool(event.details["recovered"]) for event in events if event.label == "reappearance"]
    failures = [event for event in events if event.label not in CONDITIONS]
    worst = max(failures, key=lambda event: event.severity, default=None)
    return EventSummary(
        len(lengths),
        max(lengths, default=0),
        all(recoveries) if recoveries else None,
        worst.label if worst else None,
    )

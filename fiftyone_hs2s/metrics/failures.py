"""All events of a sequence, and what they come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fiftyone_hs2s.metrics.events import Event, EventOptions
from fiftyone_hs2s.metrics.prediction_events import prediction_events
from fiftyone_hs2s.metrics.scores import SequenceScores
from fiftyone_hs2s.metrics.truth_events import truth_events

CONDITIONS = frozenset({"occlusion", "partial_occlusion", "reappearance", "reappeared"})
"""Labels of events that make it hard to track, but are no failure."""


def find_events(sequence: SequenceScores, options: EventOptions | None = None) -> list[Event]:
    """The events of all objects of a sequence: from ground truth if any frame has it, else from the predictions alone.

    Returns:
        the events, by object, then by first frame
    """
    find = truth_events if sequence.annotated.any() else prediction_events
    return [event for scores in sequence.objects.values() for event in find(scores, options)]


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
        len(lengths), max(lengths, default=0), all(recoveries) if recoveries else None, worst.label if worst else None
    )

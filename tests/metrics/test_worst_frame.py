from __future__ import annotations

from event_kit import THERE, boxes, events_of, scores_of

from fiftyone_hs2s.metrics import find_events
from fiftyone_hs2s.metrics.events import worst_frame


def test_the_worst_frame_of_an_event_and_of_an_object():
    truth = [THERE] * 12
    off = [20, 20, 20, 21, 21, 30, 33, 30, 30, 31, 30, 30]
    (drift,) = (e for e in events_of(truth, [(x, 20) for x in off]) if e.label == "drift")
    assert (drift.label, drift.first, drift.last, drift.worst) == ("drift", 6, 12, 7)
    sequence = scores_of([boxes(_1=b) for b in truth], [boxes(_1=(x, 20)) for x in off])
    scores = sequence.objects[1]
    assert (worst_frame(scores), worst_frame(scores, 1, 6), worst_frame(scores, 8, 12)) == (7, 6, 10)
    scores.prompted[6] = True
    assert worst_frame(scores) == 10, "a mask that was given is no result"


def test_the_worst_frame_without_ground_truth():
    shown = [boxes(_1=THERE)] * 6
    doubts = scores_of([None] * 6, shown, confidence=[0.9, 0.9, 0.4, 0.2, 0.4, 0.9])
    (event,) = find_events(doubts)
    assert (event.label, event.worst) == ("low_confidence", 4)
    agreement = [0.9, 0.3, 0.4, 0.2, 0.1, 0.9]
    both = scores_of([None] * 6, shown, confidence=[0.9, 0.9, 0.4, 0.2, 0.4, 0.9], agreement=agreement)
    assert {event.label: event.worst for event in find_events(both)}["disagreement"] == 5
    nothing_known = scores_of([None] * 6, shown).objects[1]
    assert worst_frame(nothing_known, 3, 5) == 3

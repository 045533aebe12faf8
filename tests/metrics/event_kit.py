"""Sequences of boxes, and their events."""

from __future__ import annotations

import numpy as np

from fiftyone_hs2s.metrics import SequenceScorer, find_events

SIZE = (40, 120)


def boxes(**objects):
    """A label map of boxes: _1=(x, width) or (x, width, height); None or width 0: not there; later ones on
    top."""
    out = np.zeros(SIZE, np.uint8)
    for name, box in objects.items():
        if box:
            x, width, height = (*box, 20)[:3]
            out[10 : 10 + height, x : x + width] = int(name[1:])
    return out


def scores_of(truths, predictions, **series):
    scorer = SequenceScorer()
    for t, (truth, prediction) in enumerate(zip(truths, predictions, strict=True)):
        at_t = {name: {1: values[t]} for name, values in series.items() if values[t] is not None}
        scorer.update(truth, prediction, frame=t + 1, **at_t)
    return scorer.finish()


def events_of(truth_boxes, predicted_boxes, options=None):
    """(label, first, last) of object 1, from boxes by frame; frames count from 1."""
    sequence = scores_of([boxes(_1=b) for b in truth_boxes], [boxes(_1=b) for b in predicted_boxes])
    return find_events(sequence, options)


def spans(events):
    return [(event.label, event.first, event.last) for event in events]


THERE = (20, 20)

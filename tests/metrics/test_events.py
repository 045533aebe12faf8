from __future__ import annotations

import numpy as np
import pytest
from event_kit import THERE, boxes, events_of, scores_of, spans

from fiftyone_hs2s.masks import list_label_maps, read_label_map
from fiftyone_hs2s.metrics import EventOptions, SequenceScorer, find_events, summarize_events
from fiftyone_hs2s.metrics.events import running_median, runs
from fiftyone_hs2s.metrics.prediction_events import prompt_agreement


def test_a_good_track_has_none():
    walk = [(10 + t, 20) for t in range(12)]
    assert events_of(walk, [(x + 1, w) for x, w in walk]) == []


def test_occlusion_and_recovery():
    truth = [THERE] * 4 + [None] * 3 + [THERE] * 5
    prediction = [THERE] * 4 + [None] * 5 + [THERE] * 3
    occlusion, reappearance = events_of(truth, prediction)
    assert spans([occlusion, reappearance]) == [("occlusion", 5, 7), ("reappearance", 8, 10)]
    assert occlusion.details == {"frames": 3, "threshold": 0, "reappears": True}
    assert occlusion.severity == 0
    assert reappearance.details == {"recovered": True, "frames_to_recover": 2}
    assert reappearance.severity == pytest.approx(2 / 12)  # two frames with J = 0 of twelve


def test_lost_after_occlusion():
    truth = [THERE] * 4 + [None] * 3 + [THERE] * 5
    prediction = [THERE] * 4 + [None] * 8
    occlusion, reappearance, lost = events_of(truth, prediction)
    assert spans([reappearance, lost]) == [("reappearance", 8, 12), ("lost", 8, 12)]
    assert reappearance.details == {"recovered": False, "frames_to_recover": None}
    assert lost.severity == pytest.approx(5 / 12)
    summary = summarize_events([occlusion, reappearance, lost])
    assert (summary.num_occlusions, summary.longest_occlusion) == (1, 3)
    assert (summary.recovered, summary.worst_event) == (False, "lost")


@pytest.mark.parametrize(("threshold", "first", "last"), [(0, 6, 7), (50, 5, 8), (100, 4, 9)])
def test_occlusion_thresholds(threshold, first, last):
    """The object shrinks to nothing behind something and comes back: 400, 90, 50, 0, 0, 50, 90, 400 px."""
    areas = [(20, 20)] * 3 + [(20, 9, 10), (20, 5, 10), None, None, (20, 5, 10), (20, 9, 10)] + [(20, 20)] * 3
    found = events_of(areas, areas, EventOptions(occlusion_area=threshold))
    assert ("occlusion", first, last) in spans(found)
    assert ("reappearance", last + 1, last + 1) in spans(found)


def test_occlusion_until_the_end_is_no_reappearance():
    (occlusion,) = events_of([THERE] * 3 + [None] * 2, [THERE] * 3 + [None] * 2)
    assert (occlusion.label, occlusion.first, occlusion.last) == ("occlusion", 4, 5)
    assert occlusion.details["reappears"] is False
    assert summarize_events([occlusion]).recovered is None


def test_before_its_first_frame_an_object_is_not_occluded():
    assert events_of([None] * 3 + [THERE] * 3, [None] * 3 + [THERE] * 3) == []


def test_partial_occlusion():
    truth = [THERE] * 5 + [(20, 8)] * 2 + [(20, 11)] + [THERE] * 2
    (partial,) = events_of(truth, truth)
    assert (partial.label, partial.first, partial.last) == ("partial_occlusion", 6, 7)
    assert partial.details == {"visible_share": pytest.approx(0.4)}


def test_lost_takes_three_frames():
    away = (80, 20)
    assert events_of([THERE] * 8, [THERE] * 4 + [away] * 2 + [THERE] * 2) == []
    assert spans(events_of([THERE] * 8, [THERE] * 4 + [away] * 3 + [THERE])) == [("lost", 5, 7)]


def test_lost_goes_on_over_frames_without_truth():
    truths = [boxes(_1=THERE) if t % 2 == 0 else None for t in range(11)]
    predictions = [boxes(_1=THERE if t < 4 else None) for t in range(11)]
    (lost,) = find_events(scores_of(truths, predictions))
    assert (lost.label, lost.first, lost.last) == ("lost", 5, 11)
    assert lost.severity == pytest.approx(4 / 6)


def test_drift():
    """The prediction slides off by a pixel per frame until J is 1/3, and stays there."""
    offsets = [0] * 6 + list(range(1, 11)) + [10] * 4
    predicted = [(20 + d, 20) for d in offsets]
    j = [(20 - d) / (20 + d) for d in offsets]
    first = next(t for t, value in enumerate(j) if value <= 0.7) + 1
    (drift,) = events_of([THERE] * len(offsets), predicted)
    assert (drift.label, drift.first, drift.last) == ("drift", first, len(offsets))
    assert drift.details == {"drop": pytest.approx(2 / 3)}
    assert drift.severity == pytest.approx(sum(1 - value for value in j[first - 1 :]) / len(j))


def test_drift_must_stay_and_be_a_fall():
    off = (30, 20)
    assert events_of([THERE] * 14, [THERE] * 6 + [off] * 4 + [THERE] * 4) == []
    found = events_of([THERE] * 14, [THERE] + [off] * 13)  # never was better than on the given frame
    assert spans(found) == [("low_score", 2, 14)]


def test_identity_switch():
    def sequence(xs):
        truths = [boxes(_1=(10, 20), _2=(60, 20))] * len(xs)
        return scores_of(truths, [boxes(_1=(x, 20), _2=None if x > 30 else (60, 20)) for x in xs])

    found = find_events(sequence([10, 10, 10, 55, 60, 60, 10]))
    switch = next(event for event in found if event.label == "identity_switch")
    assert (switch.object_id, switch.first, switch.last) == (1, 4, 6)
    assert switch.details == {"other_id": 2}
    assert spans(e for e in found if e.object_id == 2) == [("lost", 4, 6)]


def test_leak():
    truth = [THERE] * 6
    (leak,) = events_of(truth, [THERE] * 3 + [(20, 50)] * 2 + [(20, 40)])
    assert (leak.label, leak.first, leak.last) == ("leak", 4, 5)
    assert leak.details == {"ratio": 2.5}
    assert leak.severity == pytest.approx(2 * 0.6 / 6)


def test_hallucination():
    truth = [THERE] * 3 + [None] * 3
    hallucination, occlusion = events_of(truth, [THERE] * 5 + [None])
    assert (occlusion.first, occlusion.last) == (4, 6)
    assert (hallucination.label, hallucination.first, hallucination.last) == ("hallucination", 4, 5)
    assert hallucination.severity == pytest.approx(2 / 6)
    assert summarize_events([occlusion, hallucination]).worst_event == "hallucination"


def test_summary_of_nothing():
    summary = summarize_events([])
    assert (summary.num_occlusions, summary.longest_occlusion) == (0, 0)
    assert summary.recovered is summary.worst_event is None


def predicted_only(predicted_boxes, **series):
    sequence = scores_of([None] * len(predicted_boxes), [boxes(_1=b) for b in predicted_boxes], **series)
    return find_events(sequence)


def test_without_truth_vanished_and_reappeared():
    vanished, reappeared, at_end = predicted_only([None, THERE, THERE, None, None, THERE, None])
    assert spans([vanished, reappeared, at_end]) == [
        ("vanished", 4, 5),
        ("reappeared", 6, 6),
        ("vanished", 7, 7),
    ]
    assert vanished.details == {"frames": 2, "reappears": True}
    assert vanished.severity == pytest.approx(2 / 6)
    assert at_end.details["reappears"] is False


def test_without_truth_jumps():
    (grown,) = predicted_only([(30, 20)] * 4 + [(18, 45)] * 3)
    assert (grown.label, grown.first, grown.last) == ("area_jump", 5, 5)
    assert grown.severity == pytest.approx(1 - 20 / 45)
    (moved,) = predicted_only([(10 + 2 * t + 40 * (t > 3), 20) for t in range(7)])
    assert (moved.label, moved.first, moved.last) == ("position_jump", 5, 5)
    assert moved.details["diameters"] == pytest.approx(40 / np.sqrt(4 / np.pi * 400))
    assert predicted_only([(5 + 14 * t, 20) for t in range(7)]) == []  # fast, but all the time
    assert spans(predicted_only([(10, 20)] + [(60, 20)] * 6)) == [("position_jump", 2, 2)]


def test_without_truth_small_jumps_are_noise():
    assert predicted_only([(20, 4, 4), (20, 9, 9), (60, 3, 3)]) == []


def test_without_truth_confidence_and_agreement():
    confidence = [1, 0.9, 0.4, 0.2, 0.8, 0.8]
    agreement = [None, 0.9, 0.4, None, 0.2, 0.6]
    low, disagreement = predicted_only([THERE] * 6, confidence=confidence, agreement=agreement)
    assert spans([low, disagreement]) == [("low_confidence", 3, 4), ("disagreement", 3, 5)]
    assert low.severity == pytest.approx(0.7)
    assert disagreement.severity == pytest.approx(0.7)
    assert disagreement.details == {"prompt_J": None}


@pytest.mark.parametrize(
    ("there", "agreement", "expected"),
    [
        ([0, 1, 1, 1], [None, 0.3, 0.7, 1], 0.3),  # from the last frame back to the prompt on frame 2
        ([1, 1, 1, 0], [1, 0.2, 0.6, None], 0.6),  # the prompt came last
        ([1, 1, 0, 1], [0.9, 0, 0, 1], 0.9),  # what lies between does not matter
        ([0, 1, 0, 0], [0, 1, 0, 0], None),  # its prompt is all there is of it
        ([1, 1, 1, 1], [None, 0.7, 1, 1], None),  # the way back ended early
        ([0, 0, 0, 0], [0, 0, 0, 0], None),
    ],
)
def test_prompt_agreement_is_that_of_the_far_end(there, agreement, expected):
    predictions = [boxes(_1=THERE if there[t] else None) for t in range(4)]
    sequence = scores_of([None] * 4, predictions, agreement=agreement)
    assert prompt_agreement(sequence.objects[1]) == expected


@pytest.mark.parametrize(
    ("truth", "prediction", "reason"),
    [
        ((20, 20), (28, 20), "poor region"),  # 12 of 28 columns
        ((20, 60), (20, 52), None),  # 52 of 60 columns: neither region nor boundary is low
    ],
)
def test_low_score_without_a_failure(truth, prediction, reason):
    found = events_of([truth] * 12, [truth] + [prediction] * 11)
    assert [event.details["reason"] for event in found] == [reason] * bool(reason)
    assert spans(found) == [("low_score", 2, 12)] * bool(reason)


def test_low_score_of_a_poor_boundary():
    """Slits in the mask: little area, much boundary."""
    truth = boxes(_1=(20, 60, 20))
    slit = truth.copy()
    slit[14:28:5, 22:78] = 0
    (low,) = find_events(scores_of([truth] * 10, [truth] + [slit] * 9))
    assert (low.label, low.first, low.last, low.details["reason"]) == ("low_score", 2, 10, "poor boundary")
    assert low.details["F"] < 0.6 < 0.8 < low.details["J"] == pytest.approx(1 - 3 * 56 / 1200)


def test_low_score_starts_where_the_score_falls_for_good():
    """A single poor frame before, and a single good one within, do not move its ends."""
    poor, good = (23, 20), (20, 20)
    prediction = [good, good, poor, good, good, good, *[poor] * 6, good, *[poor] * 6]
    (low,) = events_of([good] * len(prediction), prediction, EventOptions(low_score=0.9))
    assert spans([low]) == [("low_score", 7, 19)]
    assert low.severity == pytest.approx(12 * (1 - 17 / 23) / 19)


def test_low_score_that_a_failure_explains_has_no_event_of_its_own():
    far = (80, 20)
    assert {event.label for event in events_of([THERE] * 10, [THERE] * 3 + [far] * 7)} == {"lost"}


def test_prompts_tell_nothing_about_a_low_score():
    """Half of the frames are corrections: the others alone tell that the track is poor."""
    scorer = SequenceScorer()
    for number in range(12):
        prompt = number % 2 == 0
        scorer.update(
            boxes(_1=THERE), boxes(_1=THERE if prompt else (28, 20)), prompted={1} if prompt else ()
        )
    (low,) = find_events(scorer.finish())
    assert (low.label, low.first, low.last) == ("low_score", 1, 11)


def test_helpers():
    assert runs(np.array([], bool)) == []
    assert runs(np.array([True, True, False, True])) == [(0, 2), (3, 4)]
    assert running_median(np.array([3, 1, 2, 10]), 3).tolist() == [3, 2, 2, 2]


def test_real_occlusions(shared_data):
    """bmx-bumps has frames with nothing in view; the first mask, kept on all frames, is lost before and
    wrong there."""
    folder = shared_data / "data/video/DAVIS2016-train/Annotations/bmx-bumps"
    maps = [read_label_map(file) for file in list_label_maps(folder).values()]
    found = find_events(scores_of(maps, [maps[0]] * len(maps)))
    absent = [t + 1 for t, label_map in enumerate(maps) if not label_map.any()]
    by_label = {}
    for event in found:
        by_label.setdefault(event.label, []).extend(range(event.first, event.last + 1))
    assert by_label["occlusion"] == by_label["hallucination"] == absent
    assert len(absent) == 14
    lost = [t + 1 for t, m in enumerate(maps) if m.any() and (m & maps[0]).sum() < 0.1 * (m | maps[0]).sum()]
    assert set(by_label["lost"]) <= set(lost)
    assert len(by_label["lost"]) > 0.9 * len(lost)
    assert summarize_events(found).recovered is False
    assert not {"drift", "identity_switch"} & by_label.keys()

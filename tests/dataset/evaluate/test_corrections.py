"""The loop: a mask is corrected, propagated again, evaluated, and compared with what was there before."""

from __future__ import annotations

import fiftyone as fo
import pytest
from fiftyone_kit import T, color_model, detection, found, prompted_sample, truth

from fiftyone_hs2s import HS2SError, evaluate_corrections, evaluate_propagation, propagate

LOST = 6
"""From this frame on square 1 is lost."""


@pytest.fixture
def lost(dataset, video) -> fo.Dataset:
    """Two samples in both of which a square is lost half-way, scored."""
    for _ in range(2):
        dataset.add_sample(prompted_sample(video, "gt"))
    propagate(dataset, color_model(), prompt_field="gt", label_field="pred", progress=False)
    for sample in dataset.iter_samples(autosave=True):
        for number in range(LOST, T + 1):
            labels = sample.frames[number].pred
            labels.detections = [d for d in labels.detections if d.index == 0]
    evaluate_propagation(dataset, "pred", "gt", "ev")
    return dataset


def correct(sample: fo.Sample, number: int) -> None:
    """Draws the true mask of square 1, as a person does."""
    mask = detection(truth(number)[1], label="square 1", index=1, keyframe=True)
    sample.frames[number].pred.detections.append(mask)
    sample.save()


def test_from_a_corrected_mask_to_what_it_brought(lost):
    before = lost.load_evaluation_results("ev").JF
    first, second = lost.first(), lost.last()
    correct(first, LOST)
    comparison = evaluate_corrections(first, "ev", color_model())
    assert set(found(lost[first.id])[T]) == {0, 1}, "found again to the end"
    assert set(found(lost[second.id])[T]) == {0}
    one, other = comparison.rows
    assert (one["name"], other["name"], one["objects"]) == ("ev", "ev_corrected", 2)
    assert other["change"] > 0.2
    rows = {row["object"]: row for row in comparison.tables["object"]}
    assert rows["square 1"]["change"] > 0.5 and abs(rows["square 0"]["change"]) < 0.05
    assert comparison.notes[0] == f"{T - 2} frames were propagated again"  # all but those of the two masks
    assert comparison.better().values("id") == [first.id]
    assert before == lost.load_evaluation_results("ev").JF, "the first evaluation stays"

    correct(second, LOST)  # and the second sample, from the evaluation of the first round
    comparison = evaluate_corrections(lost.select(second.id), "ev_corrected", color_model())
    assert [row["name"] for row in comparison.rows] == ["ev", "ev_corrected"]
    assert comparison.rows[1]["objects"] == 4, "of both samples"
    assert len(comparison.better()) == 2
    assert sorted(lost.list_evaluations()) == ["ev", "ev_corrected"]


def test_what_cannot_be_corrected(lost):
    with pytest.raises(HS2SError, match="'nothing' is not an evaluation of propagated masks"):
        evaluate_corrections(lost, "nothing", color_model())
    comparison = evaluate_corrections(lost.limit(1), "ev", color_model())
    assert comparison.notes[0] == "0 frames were propagated again"
    assert comparison.rows[1]["change"] == 0

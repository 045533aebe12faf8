from __future__ import annotations

import fiftyone as fo
import numpy as np
import pytest
from evaluation_kit import labeled_sample, labels
from fiftyone_kit import H, T, W, truth

from fiftyone_hs2s import HS2SError, analyze, compare_evaluations, evaluate_propagation, find_failures
from fiftyone_hs2s.dataset.failures import SUMMARY

OCCLUDED, LOST = range(5, 8), range(8, T + 1)
"""The first square is out of view on frames 5 to 7, and never found again."""


def hidden_truth(number: int) -> fo.Detections:
    masks = truth(number)
    return labels({i: mask for i, mask in masks.items() if i or number not in OCCLUDED})


def lost_prediction(number: int) -> fo.Detections:
    masks = truth(number)
    return labels({i: mask for i, mask in masks.items() if i or number < OCCLUDED.start}, confidence=0.9)


@pytest.fixture
def occluded(dataset, video) -> fo.Dataset:
    dataset.add_sample(labeled_sample(video, hidden_truth, lost_prediction))
    return dataset


def found(sample, field="pred_events") -> dict[str, list[int]]:
    return {event.label: event.support for event in sample[field].detections if event.object == "square 0 0"}


def test_events_from_ground_truth(occluded):
    report = find_failures(occluded, "frames.pred", "frames.gt", tag=True, save_views=True)
    occluded.reload()
    sample = occluded.first()
    assert found(sample) == {"occlusion": [5, 7], "reappearance": [8, 12], "lost": [8, 12]}
    assert report.counts == {"occlusion": 1, "reappearance": 1, "lost": 1}
    assert (sample.pred_num_occlusions, sample.pred_longest_occlusion) == (1, 3)
    assert (sample.pred_recovered, sample.pred_worst_event) == (False, "lost")
    assert sample.tags == ["hs2s: lost"]
    lost = next(event for event in sample.pred_events.detections if event.label == "lost")
    assert lost.severity == pytest.approx(len(LOST) / T)
    counts = {name: len(occluded.load_saved_view(name)) for name in occluded.list_saved_views()}
    assert counts == {
        "HS2S: occlusions": 1,
        "HS2S: lost after occlusion": 1,
        "HS2S: drift": 0,
        "HS2S: late frames": 0,
    }
    clips = occluded.to_clips("pred_events")
    assert sorted(clips.values("support")) == [[5, 7], [8, 12], [8, 12]]
    assert "pred_events.detections.severity" in occluded.get_field_schema(flat=True)


def test_evaluation_is_reused_and_owns_the_summary(occluded, monkeypatch):
    evaluate_propagation(occluded, "frames.pred", "frames.gt", "ev")
    monkeypatch.setattr("fiftyone_hs2s.dataset.series.score_piece", None)
    find_failures(occluded, "frames.pred", eval_key="ev")
    sample = occluded.first()
    assert found(sample) == {"occlusion": [5, 7], "reappearance": [8, 12], "lost": [8, 12]}
    assert sample.ev_worst_event == "lost"
    occluded.rename_evaluation("ev", "other")
    assert occluded.values("other_num_occlusions") == [1]
    occluded.delete_evaluation("other")
    assert not [name for name in SUMMARY if any(occluded.has_field(f"{key}_{name}") for key in ("ev", "other"))]


def test_events_without_ground_truth(occluded):
    find_failures(occluded, "pred")
    sample = occluded.first()
    assert found(sample) == {"vanished": [5, 12]}
    assert (sample.pred_num_occlusions, sample.pred_recovered, sample.pred_worst_event) == (0, None, "vanished")


def test_second_run_replaces_the_first(occluded):
    find_failures(occluded, "pred", "gt", tag=True)
    occluded.set_values("frames.pred", [occluded.values("frames.gt")[0]])
    find_failures(occluded, "pred", "gt", tag=True)
    sample = occluded.first()
    assert set(found(sample)) == {"occlusion", "reappearance"}
    assert (sample.pred_recovered, sample.pred_worst_event, sample.tags) == (True, None, [])


def test_disagreement_with_another_run(occluded):
    occluded.clone_frame_field("gt", "backward")
    find_failures(occluded, "pred", other_field="backward")
    assert found(occluded.first())["disagreement"] == [8, 12]


def test_clips_keep_the_videos_frame_numbers(occluded):
    clips = occluded.to_clips([[(3, 9)]])
    find_failures(clips, "pred", "gt")
    assert found(occluded.first()) == {"occlusion": [5, 7], "reappearance": [8, 9]}


def test_failures_of_nothing(occluded, tmp_path):
    with pytest.raises(HS2SError, match=r"'nothing' is no evaluation of propagated masks.*run evaluate_propagation"):
        find_failures(occluded, "pred", eval_key="nothing")
    evaluate_propagation(occluded, "pred", "gt", "ev")
    with pytest.raises(HS2SError, match="choose one of ev"):
        find_failures(occluded, "pred", eval_key="nothing")
    with pytest.raises(HS2SError, match=r"is of 'frames\.pred', not of 'gt'"):
        find_failures(occluded, "gt", eval_key="ev")


def test_analysis(occluded):
    evaluate_propagation(occluded, "pred", "gt", "ev")
    found = analyze(occluded, "pred", "gt", fps=6)
    assert analyze(occluded, eval_key="ev", fps=6).analysis.to_dict() == found.analysis.to_dict()
    assert found.analysis.sequence_lengths == (T, T)
    assert found.analysis.occlusion_lengths[0] == (3,)
    first = found.analysis.occlusion[0]
    assert (first.num_objects, first.JF) == (1, 0)
    rows = {row["frames"]: row for row in found.rows()}
    # of 11 frames 4 have the first square, three both nothing of it, and from 5 on it is lost
    assert rows["all frames"]["JF"] == pytest.approx(((3 + 3) / 11 + 1) / 2)
    assert rows["all frames"]["paper"] == {"JF": 0.690}
    assert sum(len(trace.x) for trace in found.plot_occlusion_lengths().data) == 3
    assert len(found.plot_sequence_lengths().data[0].x) == 2


def test_time_is_counted_with_the_videos_rate(occluded):
    (length,) = set(analyze(occluded, "pred", "gt").analysis.sequence_lengths)
    assert length == int((T - 1) * 6 / 10) + 1  # 10 frames a second


def test_analysis_needs_truth(occluded):
    with pytest.raises(HS2SError, match="give an eval_key, or pred_field and gt_field"):
        analyze(occluded, "pred")
    occluded.add_frame_field("none", fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
    with pytest.raises(HS2SError, match="nothing can be analyzed"):
        analyze(occluded, "pred", "none")


def test_comparison_is_on_shared_objects(occluded, video, capsys):
    occluded.add_sample(labeled_sample(video))
    evaluate_propagation(occluded, "pred", "gt", "everything")
    evaluate_propagation(occluded.limit(1), "pred", "gt", "first")
    comparison = compare_evaluations(occluded, ["everything", "first"], paper=True)
    everything, first, *paper = comparison.rows
    assert everything["JF"] == first["JF"]
    assert (everything["objects"], everything["of"], first["of"]) == (2, 4, 2)
    assert paper[-1] == {"name": "HS2S (paper)", "J": 0.661, "F": 0.717, "JF": 0.689}
    comparison.print()
    assert "everything" in capsys.readouterr().out
    assert [trace.name for trace in comparison.plot().data] == ["J", "F", "JF"]
    evaluate_propagation(occluded, "pred", "gt", "third", protocol="all")
    with pytest.raises(HS2SError, match="different protocol cannot be compared"):
        compare_evaluations(occluded)


def test_masks_of_another_size_are_fitted(dataset, video):
    small = labeled_sample(video)
    for frame in small.frames.values():
        for detection in frame.pred.detections:
            detection.mask = np.kron(detection.mask, np.ones((2, 2), bool))
    dataset.add_sample(small)
    assert evaluate_propagation(dataset, "pred", "gt", protocol="all").objects[0]["J"] == 1
    assert (H, W) == (64, 96)

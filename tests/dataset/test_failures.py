from __future__ import annotations

import fiftyone as fo
import numpy as np
import pytest
from evaluation_kit import labeled_sample, labels
from fiftyone_kit import H, T, W, color_model, truth

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


BACK = 7
"""From this frame on the predictions have the two squares mixed up."""


def mixed_up(number: int) -> fo.Detections:
    masks = truth(number)
    return labels(masks if number < BACK else {0: masks[1], 1: masks[0]})


def all_paths(dataset) -> set[str]:
    return {*dataset.get_field_schema(flat=True), *dataset.get_frame_field_schema(flat=True)}


def test_track_back_agrees_with_a_right_track(dataset, video):
    dataset.add_sample(labeled_sample(video, lambda number: None, lambda number: labels(truth(number))))
    before = all_paths(dataset)
    report = find_failures(dataset, "pred", track_back=color_model())
    assert report.events == report.problems == []
    assert [row["object"] for row in report.track_back] == ["square 0 0", "square 1 1"]
    assert dataset.values("pred_track_back_J")[0] > 0.9
    own = {"pred_events", *(f"pred_{name}" for name in SUMMARY)}
    assert {path.partition(".")[0] for path in all_paths(dataset) - before} == own


def test_track_back_finds_objects_that_were_mixed_up(dataset, video):
    dataset.add_sample(labeled_sample(video, lambda number: None, mixed_up))
    report = find_failures(dataset, "pred", track_back=color_model())
    sample = dataset.first()
    assert found(sample)["disagreement"] == [1, BACK - 1]
    assert report.counts["disagreement"] == 2
    event = next(event for event in sample.pred_events.detections if event.label == "disagreement")
    assert (event.severity, event.prompt_J) == (1, 0)
    assert (sample.pred_track_back_J, report.track_back[0]["J"]) == (0, 0)
    dataset.set_values("frames.pred", [[labels(truth(number)) for number in range(1, T + 1)]])
    find_failures(dataset, "pred")  # which does not track back
    assert dataset.values("pred_track_back_J") == [None]


def test_track_back_starts_where_an_object_was_last_seen(dataset, video):
    def pred(number):
        masks = truth(number)
        return labels({0: masks[0] if 3 <= number <= 6 else masks[0] & False, 1: masks[1] & (number == 4)})

    dataset.add_sample(labeled_sample(video, lambda number: None, pred))
    model = color_model()
    seen = []
    model.track = lambda *args: (seen.append(step[0]) or step for step in type(model).track(model, *args))
    report = find_failures(dataset, "pred", track_back=model)
    assert seen == [5, 4, 3, 2]  # from frame 6 to frame 3
    ((row, j),) = ((row["object"], row["J"]) for row in report.track_back)  # the other one is on one frame only
    assert row == "square 0 0"
    assert j > 0.9


def test_track_back_of_clips_and_of_a_backward_model(dataset, video):
    dataset.add_sample(labeled_sample(video, lambda number: None, mixed_up))
    find_failures(dataset.to_clips([[(4, 9)]]), "pred", track_back=color_model())
    assert found(dataset.first())["disagreement"] == [4, BACK - 1]
    find_failures(dataset, "pred", track_back=color_model(direction="backward"))
    assert found(dataset.first())["disagreement"] == [BACK, T]
    assert dataset.values("pred_track_back_J") == [0]


def test_track_back_that_fails_is_named_and_leaves_nothing(dataset, broken_video, video):
    metadata = fo.VideoMetadata(frame_width=W, frame_height=H, frame_rate=10, total_frame_count=60)
    sample = fo.Sample(filepath=str(broken_video), metadata=metadata)
    for number in (1, 2, 60):
        sample.frames[number] = fo.Frame(pred=labels(truth(min(number, T))), gt=None)
    dataset.add_samples([sample, labeled_sample(video, lambda number: None, mixed_up)])
    before = all_paths(dataset)
    report = find_failures(dataset, "pred", track_back=color_model())
    (problem,) = report.problems
    assert problem["sample_id"] == sample.id
    assert "cannot be tracked back" in problem["message"]
    assert dataset.values("pred_track_back_J") == [None, 0]
    dataset.delete_sample_fields([name for name in dataset.get_field_schema() if name.startswith("pred_")])

    model = color_model()
    model.tracker.step = None
    with pytest.raises(TypeError):
        find_failures(dataset, "pred", track_back=model)
    assert all_paths(dataset) == before


def test_other_runs_are_for_predictions_without_truth(occluded):
    for other in ({"track_back": True}, {"other_field": "gt"}):
        with pytest.raises(HS2SError, match="leave other_field and track_back out"):
            find_failures(occluded, "pred", "gt", **other)
    with pytest.raises(HS2SError, match="not both"):
        find_failures(occluded, "pred", other_field="gt", track_back=True)


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

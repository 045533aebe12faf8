from __future__ import annotations

from pathlib import Path

import fiftyone as fo
import numpy as np
import pytest
from evaluation_kit import labeled_sample, labels, predicted_labels, shifted, true_labels
from fiftyone_kit import H, T, W, color_model, truth

from fiftyone_hs2s import HS2SError, analyze, compare_evaluations, evaluate_propagation, find_failures
from fiftyone_hs2s.dataset.evaluate.evaluation_key import FAILURE_FIELDS

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
    return {event.kind: event.support for event in sample[field].detections if event.object == "square 0"}


def test_events_from_ground_truth(occluded):
    report = find_failures(occluded, "frames.pred", "frames.gt", tag=True, save_views=True)
    occluded.reload()
    sample = occluded.first()
    assert found(sample) == {"occlusion": [5, 7], "reappearance": [8, 12], "lost": [8, 12]}
    assert report.counts == {"occlusion": 1, "reappearance": 1, "lost": 1}
    assert (sample.pred_num_occlusions, sample.pred_longest_occlusion) == (1, 3)
    assert (sample.pred_recovered, sample.pred_worst_event) == (False, "lost")
    assert sample.tags == ["hs2s: lost"]
    lost = next(event for event in sample.pred_events.detections if event.kind == "lost")
    assert lost.severity == pytest.approx(len(LOST) / T)
    assert lost.label == "lost: square 0"
    clips = occluded.to_clips("pred_events")
    assert sorted(clips.values("support")) == [[5, 7], [8, 12], [8, 12]]
    assert "pred_events.detections.severity" in occluded.get_field_schema(flat=True)


def switched(number: int) -> fo.Detections:
    """From frame 7 on the mask of square 0 is on square 1, which has none."""
    masks = truth(number)
    return labels(masks if number < 7 else {0: masks[1]})


def saved(dataset) -> dict[str, list[str]]:
    """The files of each saved view, in its order."""
    return {
        name: [Path(path).stem for path in dataset.load_saved_view(name).values("filepath")]
        for name in dataset.list_saved_views()
    }


@pytest.fixture
def three(dataset, video, tmp_path) -> fo.Dataset:
    """A good sample, one whose square 0 is lost, and one in which it is mixed up with square 1."""
    for name, pred in {"good": true_labels, "lost": lost_prediction, "switched": switched}.items():
        path = tmp_path / f"{name}.mp4"
        path.symlink_to(video)
        dataset.add_sample(labeled_sample(path, hidden_truth if name == "lost" else true_labels, pred))
    return dataset


def test_saved_views_are_those_of_what_occurred(three):
    find_failures(three, "pred", "gt", save_views=True)
    assert saved(three) == {
        "HS2S: worst first (pred)": ["switched", "lost"],
        "HS2S: occlusion (pred)": ["lost"],
        "HS2S: reappearance (pred)": ["lost"],
        "HS2S: lost (pred)": ["lost", "switched"],
        "HS2S: identity switch (pred)": ["switched"],
    }
    switches = three.load_saved_view("HS2S: identity switch (pred)")
    assert switches.distinct("pred_events.detections.kind") == ["identity switch"]
    three.clone_frame_field("gt", "other")
    # Which has no failure, and no view of the other field's.
    find_failures(three, "other", "gt", save_views=True)
    assert [name for name in three.list_saved_views() if "(other)" in name] == [
        "HS2S: occlusion (other)",
        "HS2S: reappearance (other)",
    ]
    three.save_view("HS2S: mine", three.limit(1))
    three.limit(2).set_values("frames.pred", three.limit(2).values("frames.gt"))
    find_failures(three, "pred", "gt", save_views=True)
    names = {
        "HS2S: mine",
        "HS2S: occlusion (other)",
        "HS2S: identity switch (pred)",
        "HS2S: worst first (pred)",
    }
    assert names < set(saved(three))
    assert all(saved(three).values()), "none is empty"
    assert saved(three)["HS2S: lost (pred)"] == ["switched"]


def test_worst_first_goes_by_the_scores_of_an_evaluation(three):
    results = evaluate_propagation(three, "pred", "gt", "ev")
    find_failures(three, "pred", eval_key="ev", save_views=True)
    scores = results.sample_scores()
    files = dict(zip(three.values("id"), ("good", "lost", "switched"), strict=True))
    worst = [files[sample_id] for sample_id in sorted(scores, key=scores.get)]
    assert saved(three)["HS2S: worst first (pred)"] == worst == ["switched", "lost", "good"]


def test_events_are_told_in_words(three):
    report = find_failures(three, "pred", "gt", tag=True)
    events = three.last().pred_events.detections
    told = {event.label: event.explanation for event in events}
    assert told["identity switch: square 0"] == "the mask is on square 1"
    attributes = [name for name in events[0].field_names if name not in ("id", "tags", "confidence")]
    assert attributes == ["label", "support", "kind", "object", "explanation", "severity"]
    assert str(report) == "3 lost, 1 occlusion, 1 reappearance, 1 identity switch"
    assert "hs2s: identity switch" in three.last().tags
    occlusion, reappearance, lost = three.skip(1).first().pred_events.detections
    assert occlusion.explanation == "hidden for 3 frames, then visible again"
    assert reappearance.explanation == "visible again, but not tracked again"
    assert lost.explanation == "visible, but the mask is elsewhere or empty"


def test_a_low_score_is_explained(scored_dataset):
    """Square 1 is 12 of 28 columns right from the start on, so that it never gets worse."""
    off = [labels({**truth(n), 1: shifted(truth(n)[1], 8 if n > 1 else 0)}) for n in range(1, T + 1)]
    scored_dataset.set_values("frames.pred", [off])
    evaluate_propagation(scored_dataset, "pred", "gt", "ev")
    report = find_failures(scored_dataset, "pred", eval_key="ev", save_views=True)
    (row,) = report.events
    assert (row["kind"], row["object"], row["first"], row["last"]) == ("low score", "square 1", 2, T - 1)
    assert row["explanation"].startswith("poor region since frame 2: J 0.33, F 0.")
    assert scored_dataset.values("ev_worst_event") == ["low score"]
    assert "HS2S: low score (pred)" in scored_dataset.list_saved_views()


def test_evaluation_is_reused_and_owns_the_summary(occluded, monkeypatch):
    evaluate_propagation(occluded, "frames.pred", "frames.gt", "ev")
    monkeypatch.setattr("fiftyone_hs2s.dataset.diagnose.series.score_sequence", None)
    find_failures(occluded, "frames.pred", eval_key="ev")
    sample = occluded.first()
    assert found(sample) == {"occlusion": [5, 7], "reappearance": [8, 12], "lost": [8, 12]}
    assert sample.ev_worst_event == "lost"
    occluded.rename_evaluation("ev", "other")
    assert occluded.values("other_num_occlusions") == [1]
    occluded.delete_evaluation("other")
    assert not [
        name for name in FAILURE_FIELDS if any(occluded.has_field(f"{key}_{name}") for key in ("ev", "other"))
    ]


def test_events_without_ground_truth(occluded):
    find_failures(occluded, "pred")
    sample = occluded.first()
    assert found(sample) == {"vanished": [5, 12]}
    assert (sample.pred_num_occlusions, sample.pred_recovered, sample.pred_worst_event) == (
        0,
        None,
        "vanished",
    )


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


def test_objects_that_only_the_other_run_has_are_left_out(scored_dataset):
    """The other run has a third object, over all of square 0 as this run has it."""
    right = [labels(truth(n)) for n in range(1, T + 1)]
    more = [labels({**truth(n), 7: truth(n)[0]}) for n in range(1, T + 1)]
    scored_dataset.set_values("frames.pred", [right])
    scored_dataset.set_values("frames.more", [more])
    report = find_failures(scored_dataset, "pred", other_field="more")
    assert (report.events, report.problems) == ([], [])


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
    assert [row["object"] for row in report.track_back] == ["square 0", "square 1"]
    assert dataset.values("pred_track_back_J")[0] > 0.9
    own = {"pred_events", *(f"pred_{name}" for name in FAILURE_FIELDS)}
    assert {path.partition(".")[0] for path in all_paths(dataset) - before} == own


def test_track_back_finds_objects_that_were_mixed_up(dataset, video):
    dataset.add_sample(labeled_sample(video, lambda number: None, mixed_up))
    report = find_failures(dataset, "pred", track_back=color_model())
    sample = dataset.first()
    assert found(sample)["disagreement"] == [1, BACK - 1]
    assert report.counts["disagreement"] == 2
    event = next(event for event in sample.pred_events.detections if event.kind == "disagreement")
    assert event.severity == 1
    assert (
        event.explanation
        == "J with the other run is 0.00 on average, and 0.00 where the object was first masked"
    )
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
    # The other one is on one frame only.
    ((row, j),) = ((row["object"], row["J"]) for row in report.track_back)
    assert row == "square 0"
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
    assert found(occluded.first()) == {"occlusion": [5, 7], "reappearance": [8, 9], "low score": [8, 9]}


def test_failures_of_nothing(occluded, tmp_path):
    with pytest.raises(
        HS2SError, match=r"'nothing' is no evaluation of propagated masks.*run evaluate_propagation"
    ):
        find_failures(occluded, "pred", eval_key="nothing")
    evaluate_propagation(occluded, "pred", "gt", "ev")
    with pytest.raises(HS2SError, match="choose one of ev"):
        find_failures(occluded, "pred", eval_key="nothing")
    with pytest.raises(HS2SError, match=r"is of 'frames\.pred', not of 'gt'"):
        find_failures(occluded, "gt", eval_key="ev")


def test_analysis(occluded, capsys):
    evaluation = evaluate_propagation(occluded, "pred", "gt", "ev")
    found = analyze(occluded, "pred", "gt", fps=6)
    assert (
        analyze(occluded, eval_key="ev", fps=6, protocol="youtube-vos").analysis.to_dict()
        == found.analysis.to_dict()
    )
    assert found.analysis.sequence_lengths == (T, T)
    assert found.analysis.occlusion_lengths[0] == (3,)
    first = found.analysis.occlusion[0]
    assert (first.num_objects, first.JF) == (1, 0)
    rows = {row["frames"]: row for row in found.rows()}
    # of 11 frames 4 have the first square, three both nothing of it, and from 5 on it is lost
    assert rows["all frames"]["JF"] == pytest.approx(((3 + 3) / 11 + 1) / 2)
    assert rows["all frames"]["paper"] == {"JF": 0.690}
    # Of squares that are right or missed.
    assert rows["all frames"]["J"] == pytest.approx(rows["all frames"]["JF"])
    assert pytest.approx(evaluation.JF) == analyze(occluded, eval_key="ev", fps=6).analysis.JF
    found.print()
    printed = capsys.readouterr().out
    assert "HS2S paper, YouTube-VOS" in printed
    assert "note: objects and frames that count are those of the protocol youtube-vos" in printed
    assert "note: early and late: no object is in view for more than 20 steps (3.3 s)" in printed
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
    (note,) = comparison.notes
    assert (
        note
        == "not all evaluations scored the same objects (everything 4, first 2): compared on the 2 that all"
        " scored"
    )
    comparison.print()
    own, printed_paper = capsys.readouterr().out.split("reported in the HS2S paper, on other data")
    assert "everything" in own and note in own and "(paper)" not in own
    assert len({len(line.split()) for line in printed_paper.splitlines()[3:]}) == 1, "no column is blank"
    assert [trace.name for trace in comparison.plot().data] == ["J", "F", "JF"]
    evaluate_propagation(occluded, "pred", "gt", "third", protocol="all")
    with pytest.raises(HS2SError, match="different protocol cannot be compared"):
        compare_evaluations(occluded)


def test_comparison_is_on_shared_frames(scored_dataset):
    """The second run has a correction on frame 9, where the first one is at its worst: it tells nothing of
    either."""
    evaluate_propagation(scored_dataset, "pred", "gt", "before")
    corrected = [predicted_labels(n) if n != 9 else true_labels(n) for n in range(1, T + 1)]
    corrected[8].detections[1]["keyframe"] = True
    scored_dataset.set_values("frames.corrected", [corrected])
    evaluate_propagation(scored_dataset, "corrected", "gt", "after")
    before, after = compare_evaluations(scored_dataset, ["before", "after"]).rows
    results = {key: scored_dataset.load_evaluation_results(key) for key in ("before", "after")}
    assert results["after"].JF > results["before"].JF + 0.01  # what the two say apart
    assert after["change"] == pytest.approx(0)
    assert before["J"] == pytest.approx((1 + (5 + 4 * 0.6) / 9) / 2)
    (note,) = compare_evaluations(scored_dataset, ["before", "after"]).notes
    assert note == "1 frame is left out that not all evaluations scored, such as prompts"


def test_numbers_of_true_objects_do_not_depend_on_the_prediction(dataset, video):
    """Truth has instances, and objects in another order than by index; not all predictions share the
    instances."""
    instances = {0: fo.Instance(), 1: fo.Instance()}

    def named(number, masks, instance=True):
        found = labels(masks)
        found.detections.reverse()
        for d in found.detections if instance else ():
            d.instance = instances[d.index]
        return found

    sample = labeled_sample(video)
    for number, frame in sample.frames.items():
        frame["gt"], frame["pred"] = (named(number, truth(number)) for _ in range(2))
        frame["bare"] = named(number, {0: truth(number)[0], 1: shifted(truth(number)[1], 4)}, instance=False)
    dataset.add_sample(sample)
    for field in ("pred", "bare"):
        results = evaluate_propagation(dataset, field, "gt", f"{field}_eval")
        assert [row["name"] for row in results.objects] == ["square 0", "square 1"]
    assert compare_evaluations(dataset, ["pred_eval", "bare_eval"]).rows[1]["change"] == pytest.approx(
        results.JF - 1
    )


def test_masks_of_another_size_are_fitted(dataset, video):
    small = labeled_sample(video)
    for frame in small.frames.values():
        for detection in frame.pred.detections:
            detection.mask = np.kron(detection.mask, np.ones((2, 2), bool))
    dataset.add_sample(small)
    assert evaluate_propagation(dataset, "pred", "gt", protocol="all").objects[0]["J"] == 1
    assert (H, W) == (64, 96)

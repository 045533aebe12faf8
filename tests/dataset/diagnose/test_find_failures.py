from __future__ import annotations

import fiftyone as fo
import pytest
from evaluation_kit import labels, shifted
from failure_kit import LOST, found, hidden_truth, lost_prediction
from fiftyone import ViewField as F
from fiftyone_kit import H, T, W, truth

from fiftyone_hs2s import HS2SError, delete_run, evaluate_propagation, find_failures, list_runs
from fiftyone_hs2s.dataset.evaluate.evaluation_key import FAILURE_FIELDS


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
    assert lost.worst_frame == LOST.start
    assert next(row for row in report.events if row["kind"] == "lost")["worst_frame"] == LOST.start
    clips = occluded.to_clips("pred_events")
    assert sorted(clips.values("support")) == [[5, 7], [8, 12], [8, 12]]
    named = dict(zip(*clips.values(["pred_events.label", "pred_events.worst_frame"]), strict=True))
    assert named["lost: square 0 (0.42)"] == LOST.start, "object, event and severity"
    assert "pred_events.detections.severity" in occluded.get_field_schema(flat=True)


def sidebar(dataset: fo.Dataset) -> dict[str, list[str]]:
    return {group.name: group.paths for group in dataset.app_config.sidebar_groups}


def test_the_sidebar_filters_events_also_where_there_are_none(scored_dataset):
    find_failures(scored_dataset, "gt")
    assert not scored_dataset.first().gt_events.detections
    schema = scored_dataset.get_field_schema(flat=True)
    assert {
        f"gt_events.detections.{name}"
        for name in ("kind", "object", "explanation", "severity", "worst_frame")
    } <= {*schema}
    assert {"gt_num_occlusions", "gt_worst_event"} <= {*sidebar(scored_dataset)["run: gt"]}


def test_events_are_told_in_words(three):
    report = find_failures(three, "pred", "gt", tag=True)
    events = three.last().pred_events.detections
    told = {(event.kind, event.object): event.explanation for event in events}
    assert told["identity switch", "square 0"] == "the mask is on square 1"
    attributes = [name for name in events[0].field_names if name not in ("id", "tags", "confidence")]
    assert attributes == [*("label", "support", "kind", "object", "explanation", "severity", "worst_frame")]
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
    assert {"ev_J", "ev_worst_event"} <= {*sidebar(occluded)["run: pred"]}
    occluded.rename_evaluation("ev", "other")
    assert occluded.values("other_num_occlusions") == [1]
    occluded.delete_evaluation("other")
    assert not [
        name for name in FAILURE_FIELDS if any(occluded.has_field(f"{key}_{name}") for key in ("ev", "other"))
    ]
    groups = sidebar(occluded)
    assert "ev" not in groups
    assert not [path for paths in groups.values() for path in paths if path.startswith(("ev_", "other_"))]


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
        HS2SError, match=r"'nothing' is not an evaluation of propagated masks.*run evaluate_propagation"
    ):
        find_failures(occluded, "pred", eval_key="nothing")
    evaluate_propagation(occluded, "pred", "gt", "ev")
    with pytest.raises(HS2SError, match="choose one of ev"):
        find_failures(occluded, "pred", eval_key="nothing")
    with pytest.raises(HS2SError, match=r"is of 'frames\.pred', not of 'gt'"):
        find_failures(occluded, "gt", eval_key="ev")


@pytest.fixture
def images(dataset, tmp_path):
    """The occluded video and one without failures, as images of two sequences."""
    for scene, predicted in (("hidden", lost_prediction), ("seen", hidden_truth)):
        for number in range(T, 0, -1):
            sample = fo.Sample(str(tmp_path / f"{scene}{number}.png"), scene=scene, place=number)
            sample.metadata = fo.ImageMetadata(width=W, height=H)
            sample["gt"], sample["pred"] = hidden_truth(number), predicted(number)
            dataset.add_sample(sample)
    return dataset


def on_images(dataset, path):
    hidden = dataset.match(F("scene") == "hidden").sort_by("place")
    return dict(zip(*hidden.values(["place", path]), strict=True))


def test_images_of_groups_have_the_events_that_happen_on_them(images):
    groups = images.group_by("scene", order_by="place")
    report = find_failures(groups, "pred", "gt", tag=True, save_views=True)
    assert report.counts == {"occlusion": 2, "reappearance": 2, "lost": 1}
    images.reload()
    lost = {
        n for n, kinds in on_images(images, "pred_events.classifications.kind").items() if "lost" in kinds
    }
    assert lost == {*LOST}
    assert {n for n, tags in on_images(images, "tags").items() if "hs2s: lost" in tags} == {*LOST}
    assert set(on_images(images, "pred_longest_occlusion").values()) == {3}
    (row,) = [row for row in report.events if row["kind"] == "lost"]
    worst = images.filter_labels("pred_events", (F("kind") == "lost") & F("worst"))
    assert worst.values("id") == [row["sample_id"]] and worst.values("place") == [row["worst_frame"]]
    (label,) = worst.first().pred_events.classifications
    assert (label.first, label.last, label.label) == (LOST.start, T, "lost: square 0 (0.42)")
    assert sorted(images.load_saved_view("HS2S: lost (pred)").values("place")) == [*LOST]


def test_events_of_images_from_an_evaluation_go_with_its_run(images):
    groups = images.group_by("scene", order_by="place")
    evaluate_propagation(groups, "pred", "gt", "ev")
    find_failures(groups, "pred", eval_key="ev")
    assert set(on_images(images, "ev_worst_event").values()) == {"lost"}
    assert "pred" in [run.name for run in list_runs(images)]
    delete_run(images, "pred")
    assert not {"pred_events", "ev_worst_event", "ev_JF"} & {*images.get_field_schema()}


def test_an_evaluation_of_other_images_of_a_group_is_not_used(images):
    evaluate_propagation(images.group_by("scene", order_by="place"), "pred", "gt", "ev")
    for part in (F("place") < 5, F("place") > 4):
        report = find_failures(
            images.match(part).group_by("scene", order_by="place"), "pred", eval_key="ev", tag=True
        )
        assert not report.events and len(report.problems) == 2
        assert report.problems[0]["message"].endswith(
            "of the images that this group has here: evaluate again"
        )
    assert not any(images.values("pred_events.classifications"))

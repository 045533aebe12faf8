from __future__ import annotations

import fiftyone as fo
import pytest
from evaluation_kit import labeled_sample, labels
from failure_kit import found
from fiftyone_kit import H, T, W, color_model, truth

from fiftyone_hs2s import find_failures
from fiftyone_hs2s.dataset.evaluate.evaluation_key import FAILURE_FIELDS

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

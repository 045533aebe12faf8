from __future__ import annotations

import fiftyone as fo
import numpy as np
import pytest
from fiftyone import ViewField as F
from fiftyone_kit import (
    H,
    T,
    W,
    assert_right,
    detection,
    found,
    iou,
    prompted_sample,
    prompts,
    truth,
)
from propagate_kit import run

from fiftyone_hs2s import HS2SError, evaluate_propagation


@pytest.mark.parametrize(
    ("direction", "numbers"),
    [("forward", range(4, T + 1)), ("backward", range(1, 5)), ("both", range(1, T + 1))],
)
def test_masks_reach_all_frames_of_the_direction(dataset, sample, model, direction, numbers):
    report = run(dataset, model, direction=direction)
    sample.reload()
    results = found(sample)
    assert_right(results, numbers)
    for index, mask in truth(4).items():
        np.testing.assert_array_equal(results[4][index], mask)
    assert sample.pred_status == "complete"
    assert report.frames == len(numbers)
    assert str(report) == "1 tracked"
    assert sample.metadata is None


def test_identity_is_kept(dataset, sample, model):
    instance = fo.Instance()
    sample.frames[4].gt.detections[1].instance = instance
    sample.save()
    ids = {d.id for d in sample.frames[4].gt.detections}
    run(dataset, model)
    sample.reload()
    for number in range(4, T + 1):
        first, second = sample.frames[number].pred.detections
        assert (first.label, first.index, first.instance_id) == ("square 0", 0, None)
        assert (second.label, second.index, second.instance_id) == ("square 1", 1, instance.id)
        assert not ids & {first.id, second.id}
        assert 0 < first.confidence <= 1
    assert sample.frames[4].pred.detections[0].confidence == 1


@pytest.mark.parametrize(
    ("mode", "given"), [("first", {2: [0], 5: [1]}), ("all", {2: [0], 5: [0, 1], 9: [1]})]
)
@pytest.mark.parametrize("direction", ["forward", "both"])
def test_masks_that_were_given_say_so(dataset, video, model, mode, given, direction):
    sample = fo.Sample(filepath=str(video))
    for number, indices in {2: [0], 5: [0, 1], 9: [1]}.items():
        sample.frames[number]["gt"] = prompts(number, indices)
    dataset.add_sample(sample)
    run(dataset, model, prompt_frames=mode, direction=direction)
    marked = dataset.filter_labels("frames.pred", F("keyframe") == True)  # noqa: E712
    frames = {number: frame.pred for number, frame in marked.first().frames.items() if frame.pred}
    assert {
        number: [d.index for d in labels.detections] for number, labels in frames.items() if labels.detections
    } == given


def test_corrections_are_left_out_of_the_scores(dataset, video, model):
    """With ``all`` frame 6 is a correction of both squares; with ``first`` its masks are not used."""
    sample = prompted_sample(video, "gt")
    for number in (1, 6):
        sample.frames[number]["start"] = prompts(number)
    dataset.add_sample(sample)
    for mode, counted in (("first", range(2, T)), ("all", [n for n in range(2, T) if n != 6])):
        run(dataset, model, prompt_field="start", label_field=mode, prompt_frames=mode)
        results = evaluate_propagation(dataset, mode, "gt", f"{mode}_eval")
        assert [row["frames"] for row in results.objects] == [len(counted)] * 2
        assert [row["prompts"] for row in results.objects] == [int(mode == "all")] * 2
        scored = [
            n for n, value in enumerate(dataset.values(f"frames.{mode}_eval_JF")[0], 1) if value is not None
        ]
        assert scored == list(counted)
    assert results.prompts_note == "2 masks that were prompts left out of the scores"
    everything = evaluate_propagation(dataset, "all", "gt", protocol="all")
    assert [row["frames"] for row in everything.objects] == [T, T]
    assert "4 masks that were prompts counted as if tracked" in everything.prompts_note
    run(dataset, model, label_field="copied", prompt_frames="all")
    with pytest.raises(
        HS2SError,
        match="nothing could be scored: objects square 0, square 1 with no frame that counts but those whose",
    ):
        evaluate_propagation(dataset, "copied", "gt")


def test_object_that_appears_later(dataset, sample, model):
    sample.frames[4]["gt"] = prompts(4, [0])
    sample.frames[7]["gt"] = prompts(7)
    sample.save()
    run(dataset, model, direction="forward")
    sample.reload()
    assert {n: sorted(masks) for n, masks in found(sample).items()} == {
        n: [0, 1] if n >= 7 else [0] for n in range(4, T + 1)
    }
    run(dataset, model, label_field="back", direction="backward")
    sample.reload()
    assert_right(found(sample, "back"), range(1, 8))


@pytest.mark.parametrize(("mode", "anchored"), [("first", False), ("all", True)])
def test_all_prompts_anchor_again(dataset, sample, model, mode, anchored):
    other = np.zeros((H, W), bool)
    other[50:60, 2:30] = True
    sample.frames[9]["gt"] = fo.Detections(detections=[detection(other, label="square 0", index=0)])
    sample.save()
    run(dataset, model, prompt_frames=mode)
    sample.reload()
    assert bool(iou(found(sample)[9][0], other) == 1) is anchored


def test_prefix_makes_no_difference(dataset, sample, model):
    run(dataset, model, prompt_field="gt", label_field="frames.pred")
    sample.reload()
    assert_right(found(sample), range(4, T + 1))
    assert "pred" in dataset.get_frame_field_schema()
    assert not any(name.startswith("frames") and name != "frames" for name in dataset.get_field_schema())


def test_a_field_that_another_process_has_added_meanwhile(dataset, sample, model, monkeypatch):
    """As in the App's server, where each run has an object of its own for the dataset."""
    monkeypatch.setattr(fo.config, "singleton_cache", False)
    other = fo.load_dataset(dataset.name)
    assert other is not dataset
    for samples, field in ((dataset, "one"), (other, "two")):
        assert len(run(samples, model, label_field=field).complete) == 1
    (seen,) = fo.load_dataset(dataset.name)
    for field in ("one", "two"):
        assert_right(found(seen, field), range(4, T + 1))

from __future__ import annotations

import fiftyone as fo
import numpy as np
import pytest
from fiftyone import ViewField as F
from fiftyone_kit import H, T, W, assert_right, detection, found, iou, truth

from fiftyone_hs2s import HS2SError, propagate, repropagate
from fiftyone_hs2s.dataset.objects import is_prompt
from fiftyone_hs2s.dataset.propagate.stretches import Stretch


@pytest.fixture
def tracked(dataset, sample, model):
    """The sample, tracked from frame 4 to its end, 12."""
    propagate(dataset, model, prompt_field="gt", label_field="pred", skip_failures=False)
    sample.reload()
    return sample


def labels_of(sample):
    """All labels of the field as they are stored, by frame number and id."""
    sample.reload()
    return {
        number: {str(d.id): d.to_dict() for d in frame.pred.detections}
        for number, frame in sample.frames.items()
        if frame.has_field("pred") and frame.pred
    }


def changed_frames(before, after, index):
    """The frames on which an object's label is another one."""

    def own(labels):
        return {n: [d for d in row.values() if d["index"] == index] for n, row in labels.items()}

    one, other = own(before), own(after)
    return [n for n in sorted({*one, *other}) if one.get(n) != other.get(n)]


def correct(sample, number, index, mask):
    """What a person does to a result: its mask is another one, and it says that it is a keyframe."""
    label = next(d for d in sample.frames[number].pred.detections if d.index == index)
    new = detection(mask)
    label.mask, label.bounding_box, label["keyframe"] = new.mask, new.bounding_box, True
    sample.save()


def rerun(samples, model, **options):
    return repropagate(samples, "pred", model, skip_failures=False, **options)


def test_results_say_what_they_were_tracked_from(tracked):
    given = {d.index: d for d in tracked.frames[4].pred.detections}
    runs = set()
    for number in range(5, T + 1):
        for label in tracked.frames[number].pred.detections:
            sign = label["propagation"]
            assert sign["method"] == "hs2s"
            assert sign["parent_keyframes"] == [given[label.index].id]
            assert not is_prompt(label)
            runs.add(sign["run_id"])
    assert len(runs) == 1


def test_nothing_changed_is_nothing_done(dataset, tracked, model, steps):
    before = labels_of(tracked)
    assert str(rerun(dataset, model)) == "1 finished before"
    assert not steps
    assert labels_of(tracked) == before


@pytest.mark.parametrize("frames", ["pred", "frames.pred"])
def test_only_the_stretches_beside_a_correction_are_tracked(dataset, tracked, model, steps, frames):
    correct(tracked, 8, 0, truth(8)[0])
    before = labels_of(tracked)
    assert str(repropagate(dataset, frames, model, skip_failures=False)) == "1 tracked"
    after = labels_of(tracked)
    assert changed_frames(before, after, 0) == [5, 6, 7, 9, 10, 11, 12]
    assert changed_frames(before, after, 1) == []
    assert len(steps) == 2 * 4 + 5  # between frames 4 and 8 both ways, from 8 to 12
    keyframes = (
        {d.index: d.id for d in tracked.frames[4].pred.detections},
        {d.index: d.id for d in tracked.frames[8].pred.detections},
    )
    parents = {
        n: next(d for d in tracked.frames[n].pred.detections if d.index == 0)["propagation"][
            "parent_keyframes"
        ]
        for n in (6, 9)
    }
    assert parents == {6: [keyframes[0][0], keyframes[1][0]], 9: [keyframes[1][0]]}
    assert_right(found(tracked), range(4, T + 1))
    steps.clear()
    rerun(dataset, model)
    assert not steps


def test_between_two_corrections_only_that_stretch(dataset, tracked, model, steps):
    for number in (6, 10):
        correct(tracked, number, 1, truth(number)[1])
    rerun(dataset, model)
    before = labels_of(tracked)
    steps.clear()
    correct(tracked, 8, 1, truth(8)[1])
    before = labels_of(tracked)
    rerun(dataset, model)
    assert changed_frames(before, labels_of(tracked), 1) == [7, 9]
    assert len(steps) == 2 * 2 + 2 * 2


def test_a_changed_keyframe_is_seen(dataset, tracked, model, steps):
    correct(tracked, 8, 0, truth(8)[0])
    rerun(dataset, model)
    steps.clear()
    before = labels_of(tracked)
    half = truth(8)[0].copy()
    half[:16] = False
    correct(tracked, 8, 0, half)
    kept = labels_of(tracked)[8]
    rerun(dataset, model)
    after = labels_of(tracked)
    assert len(steps) == 13
    assert changed_frames(before, after, 0) == [5, 6, 7, 8, 9, 10, 11, 12]
    assert after[8] == kept, "a person's label stays bit for bit"


def test_a_correction_makes_the_track_better(dataset, sample, model):
    """The prompt is a mask of the wrong thing, so the run finds the wrong thing, until frame 8 is
    corrected."""
    label = next(d for d in sample.frames[4].gt.detections if d.index == 0)
    wrong = detection(np.pad(np.ones((10, 30), bool), ((20, H - 30), (60, W - 90))))
    label.mask, label.bounding_box = wrong.mask, wrong.bounding_box
    sample.save()
    propagate(dataset, model, prompt_field="gt", label_field="pred", skip_failures=False)
    sample.reload()

    def mean():
        empty = np.zeros((H, W), bool)
        return np.mean([iou(found(sample)[n].get(0, empty), truth(n)[0]) for n in range(9, T + 1)])

    worse = mean()
    correct(sample, 8, 0, truth(8)[0])
    rerun(dataset, model)
    sample.reload()
    assert worse < 0.3
    assert mean() > 0.8


def test_a_keyframe_beside_ours_takes_its_place(dataset, tracked, model):
    """A person draws a mask again, where a run's label is, too."""
    drawn = detection(truth(9)[0], label="square 0", index=0)
    tracked.frames[9].pred.detections.append(drawn)
    tracked.save()
    rerun(dataset, model)
    tracked.reload()
    assert [d.id for d in tracked.frames[9].pred.detections if d.index == 0] == [drawn.id]
    assert_right(found(tracked), range(4, T + 1))


def test_filters_of_a_view_lose_no_label(dataset, tracked, model):
    correct(tracked, 8, 0, truth(8)[0])
    before = labels_of(tracked)
    rerun(dataset.filter_labels("frames.pred", F("index") == 0), model)
    assert changed_frames(before, labels_of(tracked), 1) == []


def test_what_no_run_of_ours_made_stays(dataset, tracked, model):
    other = fo.Detection(label="car", bounding_box=[0, 0, 0.2, 0.2], confidence=0.5)
    box = fo.Detection(label="square 0", index=0, bounding_box=[0.1, 0.1, 0.2, 0.2])
    tracked.frames[7].pred.detections += [other, box]
    correct(tracked, 8, 0, truth(8)[0])
    before = labels_of(tracked)[7]
    rerun(dataset, model)
    after = labels_of(tracked)[7]
    assert after[other.id] == before[other.id]
    assert after[box.id] == before[box.id]


def test_copies_of_a_drawn_box_give_way(dataset, sample, model):
    """FiftyOne puts the box of a mask that is drawn on the frames after it."""
    instance = fo.Instance()
    drawn = detection(truth(4)[0], label="square 0", instance=instance, keyframe=True)
    sample.frames[4]["pred"] = fo.Detections(detections=[drawn])
    for number in range(5, 9):
        copied = fo.Detection(label="square 0", instance=instance, bounding_box=list(drawn.bounding_box))
        sample.frames[number]["pred"] = fo.Detections(detections=[copied])
    sample.save()
    rerun(dataset, model)
    sample.reload()
    for number in range(5, T + 1):
        (label,) = sample.frames[number].pred.detections
        assert label.has_mask
        assert label.instance.id == instance.id


def test_no_keyframe_is_refused(dataset, tracked, model):
    for frame in tracked.frames.values():
        for label in frame.pred.detections:
            label["keyframe"] = None
            label["propagation"] = {"method": "hs2s"}
    tracked.save()
    with pytest.raises(HS2SError, match="no frame has a keyframe"):
        rerun(dataset, model)
    report = repropagate(dataset, "pred", model)
    assert "no frame has a keyframe" in next(iter(report.failed.values()))


def test_steps_of_a_stretch():
    assert Stretch(0, 5, True, True).steps == 10
    assert Stretch(0, 5, True, False).steps == 6
    assert list(Stretch(0, 5, True, True).inner) == [1, 2, 3, 4]


def test_a_mask_that_was_changed_is_a_keyframe_though_it_says_nothing(tracked, model, steps):
    label = next(d for d in tracked.frames[8].pred.detections if d.index == 0)
    label.mask = np.pad(label.mask, 1)
    left, top, width, height = label.bounding_box
    label.bounding_box = [left - 1 / W, top - 1 / H, width + 2 / W, height + 2 / H]
    tracked.save()
    before = labels_of(tracked)
    report = rerun(tracked._dataset, model)
    after = labels_of(tracked)
    assert changed_frames(before, after, 0) == list(range(5, T + 1))
    assert (str(report), report.frames) == ("1 tracked", T - 4), "the keyframe is in two stretches"
    kept = after[8][label.id]
    assert kept["keyframe"] and kept["mask"] == before[8][label.id]["mask"]
    assert str(rerun(tracked._dataset, model)) == "1 finished before"

from __future__ import annotations

import fiftyone as fo
from fiftyone_kit import color_model

from fiftyone_hs2s import propagate
from fiftyone_hs2s.dataset.propagate.plan import Plan, plan


def test_counts_are_what_propagation_then_does(dataset, sample, video):
    box = fo.Detections(detections=[fo.Detection(label="box", bounding_box=[0.1, 0.1, 0.2, 0.2])])
    unmasked = fo.Sample(filepath=str(video))
    unmasked.frames[1] = fo.Frame(gt=box)
    dataset.add_sample(unmasked)
    assert plan(dataset, "gt", "frames.out", boxes=False) == Plan(todo=1, done=0, unmasked=1)
    report = propagate(dataset, color_model(), prompt_field="gt", label_field="out")
    assert (len(report.complete), len(report.failed)) == (1, 1)
    after = plan(dataset, "frames.gt", "out", boxes=False)
    assert after == Plan(todo=0, done=1, unmasked=1)
    assert str(after) == "Samples: 0 to do, 1 done before, 1 with nothing to start from"
    assert plan(dataset, "gt", "out", overwrite=True, boxes=False) == Plan(todo=1, done=0, unmasked=1)
    assert plan(dataset.select(unmasked.id), "gt", "out", boxes=False) == Plan(todo=0, done=0, unmasked=1)


def test_clips_are_counted_each(dataset, sample):
    (masked,) = (number for number, frame in sample.frames.items() if frame.gt)
    clips = dataset.to_clips([[[1, masked - 1], [masked, masked + 3]]])
    assert plan(clips, "gt", "out") == Plan(todo=1, done=0, unmasked=1)
    propagate(clips, color_model(), prompt_field="gt", label_field="out")
    assert plan(clips, "gt", "out") == Plan(todo=0, done=1, unmasked=1)


def test_boxes_without_masks_are_counted_in_the_report(dataset, sample):
    box = fo.Detection(label="box", bounding_box=[0.1, 0.1, 0.2, 0.2])
    (frame,) = (frame for frame in sample.frames.values() if frame.gt)
    frame.gt.detections += [box.copy(), box.copy()]
    sample.save()
    report = propagate(dataset, color_model(), prompt_field="gt", label_field="out")
    assert str(report) == "1 tracked; 2 boxes without masks ignored"

from __future__ import annotations

import fiftyone as fo
import fiftyone.utils.labels as foul
import numpy as np
import pytest
from fiftyone_kit import H, T, W, assert_right, color_model, found, truth

from fiftyone_hs2s import HS2SError, evaluate_propagation, propagate
from fiftyone_hs2s.dataset.fields import check_detections, check_field, masks_fix

POINTS = [[(0.1, 0.1), (0.5, 0.1), (0.5, 0.5)]]
OTHERS = {
    "seg": fo.Segmentation(mask=np.eye(8, dtype=np.uint8)),
    "lines": fo.Polylines(polylines=[fo.Polyline(label="a", points=POINTS, closed=True, filled=True)]),
    "points": fo.Keypoints(keypoints=[fo.Keypoint(label="a", points=POINTS[0])]),
    "one": fo.Detection(label="a", bounding_box=[0, 0, 0.5, 0.5], mask=np.ones((4, 4), bool)),
}
FIXES = {
    "seg": (
        r"holds Segmentation; .*segmentations_to_detections\(dataset, 'frames\.seg', 'frames\.seg_masks'\)"
    ),
    "lines": r"holds Polylines; .*polylines\.to_detections\(frame_size=\(width, height\)\)",
    "points": r"holds Keypoints; .*apply_model\(.*segment-anything.*prompt_field='frames\.points'\)",
    "one": r"holds Detection; .*fo\.Detections",
}


@pytest.fixture
def others(dataset, video):
    sample = fo.Sample(filepath=str(video))
    for number in range(1, T + 1):
        sample.frames[number] = fo.Frame(**{name: label.copy() for name, label in OTHERS.items()})
    dataset.add_sample(sample)
    return dataset


@pytest.mark.parametrize("name", OTHERS)
def test_other_labels_are_refused_with_fiftyones_own_conversion(others, name):
    for call in (
        lambda: evaluate_propagation(others, f"frames.{name}", "frames.gt"),
        lambda: check_field(others, name, "ground truth"),
        lambda: check_detections(others, name),
    ):
        with pytest.raises(HS2SError, match=FIXES[name]):
            call()


def test_a_field_of_single_labels_is_no_prompt_field(others):
    with pytest.raises(HS2SError, match=FIXES["one"]):
        propagate(others, color_model(), prompt_field="frames.one", label_field="pred")
    with pytest.raises(HS2SError, match=r"prompt field 'nothing' .* does not exist: add masks"):
        propagate(others, color_model(), prompt_field=["frames.seg", "nothing"], label_field="pred")
    with pytest.raises(HS2SError, match="there is no prompt field"):
        propagate(others, color_model(), prompt_field=[], label_field="pred")


def test_the_form_names_what_can_be_converted(others, dataset):
    assert masks_fix(others, "draw some").startswith(
        "of the field 'seg', it holds Segmentation; make each pixel"
    )
    dataset.delete_frame_fields(list(OTHERS))
    assert masks_fix(dataset, "draw some") == "draw some"


def test_what_the_refusal_names_works(dataset, video):
    """The masks of a Segmentation are tracked after FiftyOne's conversion."""
    sample = fo.Sample(filepath=str(video))
    label_map = sum(np.uint8(10 * (index + 1)) * mask for index, mask in truth(1).items())
    sample.frames[1] = fo.Frame(seg=fo.Segmentation(mask=label_map))
    dataset.add_sample(sample)
    foul.segmentations_to_detections(dataset, "frames.seg", "frames.seg_masks")
    propagate(
        dataset, color_model(), prompt_field="frames.seg_masks", label_field="pred", skip_failures=False
    )
    sample.reload()
    for frame in sample.frames.values():
        for label in frame.pred.detections:
            label.index = int(label.label) // 10 - 1
    assert label_map.shape == (H, W)
    assert_right(found(sample), range(1, T + 1))

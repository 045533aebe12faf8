from __future__ import annotations

import fiftyone as fo
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fiftyone_hs2s.dataset.labels import (
    Identity,
    detection_mask,
    label_map_to_detections,
    object_key,
    read_objects,
)
from fiftyone_hs2s.errors import HS2SError

H, W = 48, 64


def cut(mask: np.ndarray, **attributes) -> fo.Detection:
    """FiftyOne's own way from a full-frame mask to a detection."""
    return fo.Detection.from_mask(mask, label=attributes.pop("label", "thing"), **attributes)


@st.composite
def label_maps(draw):
    height, width = draw(st.integers(1, 90)), draw(st.integers(1, 90))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    coarse = rng.integers(0, 4, (draw(st.integers(1, 6)), draw(st.integers(1, 6))), np.uint8)
    rows = np.arange(height) * coarse.shape[0] // height
    columns = np.arange(width) * coarse.shape[1] // width
    return coarse[rows[:, None], columns]


@settings(max_examples=150, deadline=None)
@given(label_maps())
def test_label_map_survives_the_way_to_detections_and_back(label_map):
    detections = label_map_to_detections(label_map, {i: Identity("thing", i) for i in range(4) if i})
    again = np.zeros_like(label_map)
    for detection in detections.detections:
        again[detection_mask(detection, label_map.shape)] = detection.index
    np.testing.assert_array_equal(again, label_map)


def test_agrees_with_fiftyones_own_rendering():
    mask = np.zeros((H, W), bool)
    mask[5:30, 11:40] = np.random.default_rng(0).random((25, 29)) > 0.5
    detection = cut(mask)
    rendered = detection.to_segmentation(frame_size=(W, H), target=1).mask
    np.testing.assert_array_equal(detection_mask(detection, (H, W)), rendered.astype(bool))
    np.testing.assert_array_equal(detection_mask(detection, (H, W)), mask)


@pytest.mark.parametrize(
    "detection",
    [
        fo.Detection(label="box only", bounding_box=[0.1, 0.1, 0.5, 0.5]),
        fo.Detection(label="davis", bounding_box=[0, 0, 0, 0], mask=None),
        fo.Detection(label="empty box", bounding_box=[0, 0, 0, 0], mask=np.ones((2, 2), bool)),
        fo.Detection(label="empty mask", bounding_box=[0.1, 0.1, 0.5, 0.5], mask=np.zeros((24, 32), bool)),
        fo.Detection(label="outside", bounding_box=[1.5, 0, 0.5, 0.5], mask=np.ones((24, 32), bool)),
        fo.Detection(label="no box", mask=np.ones((24, 32), bool)),
    ],
    ids=lambda detection: detection.label,
)
def test_absent_objects_are_no_error(detection):
    assert detection_mask(detection, (H, W)) is None


def test_box_off_the_frame_is_cut():
    detection = fo.Detection(label="thing", bounding_box=[-4 / W, -2 / H, 8 / W, 6 / H], mask=np.ones((6, 8), bool))
    mask = detection_mask(detection, (H, W))
    assert mask.sum() == 4 * 4
    assert mask[:4, :4].all()


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
def test_mask_values_of_any_type(dtype):
    detection = fo.Detection(label="thing", bounding_box=[0, 0, 0.5, 0.5], mask=np.ones((24, 32), dtype))
    assert detection_mask(detection, (H, W)).sum() == 24 * 32


def test_mask_on_disk(tmp_path):
    mask = np.zeros((24, 32), np.uint8)
    mask[3:9, 4:20] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    detection = fo.Detection(label="thing", bounding_box=[0, 0, 0.5, 0.5], mask_path=str(tmp_path / "mask.png"))
    np.testing.assert_array_equal(detection_mask(detection, (H, W))[:24, :32], mask > 0)


@pytest.mark.parametrize("scale", [864 / 854, 0.5, 2, 1.9])
def test_mask_of_another_resolution_lands_on_its_object(scale):
    """A disc whose mask was made at 854x480 covers the same part of a video of another size."""
    y, x = np.mgrid[:480, :854]
    mask = (y - 200) ** 2 + (x - 600) ** 2 < 120**2
    width = round(854 * scale)
    height = 480 if scale == 864 / 854 else round(480 * scale)
    y, x = np.mgrid[:height, :width]
    expected = ((y + 0.5) * 480 / height - 200.5) ** 2 + ((x + 0.5) * 854 / width - 600.5) ** 2 < 120**2
    found = detection_mask(cut(mask), (height, width))
    iou = (found & expected).sum() / (found | expected).sum()
    assert iou > 0.98  # half a pixel at the edges


@pytest.mark.parametrize(
    ("mask", "box", "message"),
    [
        (np.ones((H, W), bool), [0.5, 0.5, 0.25, 0.05], "64x48 pixels but its box is 16x2: crop the mask"),
        (np.ones((5, 5, 3), np.uint8), [0, 0, 0.1, 0.1], r"shape \(5, 5, 3\): masks must be 2D"),
        (np.full((5, 6), np.nan), [0, 0, 0.1, 0.1], "not finite: masks must be 0 or 1"),
        (np.ones((5, 6)), [0, np.inf, 0.1, 0.1], "bounding box .* is not finite"),
        (np.arange(30, dtype=np.uint16).reshape(5, 6), [0, 0, 0.1, 0.1], "several values"),
    ],
    ids=["full-frame mask", "RGB", "NaN mask", "infinite box", "16-bit ids"],
)
def test_unusable_masks_are_named(mask, box, message):
    with pytest.raises(HS2SError, match=message):
        detection_mask(fo.Detection(label="thing", bounding_box=box, mask=mask), (H, W))


def test_missing_mask_file_is_named(tmp_path):
    detection = fo.Detection(label="thing", bounding_box=[0, 0, 1, 1], mask_path=str(tmp_path / "gone.png"))
    with pytest.raises(HS2SError, match=r"gone\.png"):
        detection_mask(detection, (H, W))


def test_identity_is_instance_then_index_then_label():
    instance = fo.Instance()
    assert object_key(fo.Detection(label="a", index=3, instance=instance)) == ("instance", str(instance.id))
    assert object_key(fo.Detection(label="a", index=0)) == ("index", 0)
    assert object_key(fo.Detection(label="a")) == ("label", "a")


def test_identity_and_confidence_are_set_and_ids_are_new():
    instance = fo.Instance()
    prompt = fo.Detection(label="dog", index=0, instance=instance)
    label_map = np.zeros((H, W), np.uint8)
    label_map[4:8, 4:9] = 1
    (found,) = label_map_to_detections(label_map, {1: Identity.of(prompt), 2: Identity("gone")}, {1: 0.75}).detections
    assert (found.label, found.index, found.instance_id, found.confidence) == ("dog", 0, instance.id, 0.75)
    assert found.id != prompt.id
    (plain,) = label_map_to_detections(label_map, {1: Identity("dog")}).detections
    assert plain.index is plain.instance_id is plain.confidence is None


def square(left: int, **attributes) -> fo.Detection:
    return fo.Detection(bounding_box=[left / W, 0, 4 / W, 4 / H], mask=np.ones((4, 4), bool), **attributes)


def test_parts_of_one_object_are_united():
    objects = read_objects(
        fo.Detections(detections=[square(0, index=5, label="a"), square(8, index=5, label="a")]), (H, W)
    )
    assert objects.keys() == {("index", 5)}
    assert objects["index", 5].mask.sum() == 32


def test_detections_with_nothing_but_a_label_are_several_objects():
    detections = [square(0, label="a"), square(8, label="b"), square(16, label="a"), square(24, label="a")]
    objects = read_objects(fo.Detections(detections=detections), (H, W))
    assert list(objects) == [("label", "a"), ("label", "b"), ("label", "a", 2), ("label", "a", 3)]


def test_index_of_two_labels_is_refused():
    with pytest.raises(HS2SError, match="index 5 is both 'a' and 'b'"):
        read_objects(fo.Detections(detections=[square(0, index=5, label="a"), square(8, index=5, label="b")]), (H, W))

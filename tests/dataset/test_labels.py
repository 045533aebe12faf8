from __future__ import annotations

import fiftyone as fo
import numpy as np
import pytest
from PIL import Image

from fiftyone_hs2s.dataset.labels import detection_mask
from fiftyone_hs2s.errors import HS2SError

H, W = 48, 64


def disc(height: int, width: int, tight: bool = False) -> np.ndarray:
    """A mask of a disc: the frame's, where it lies at (24, 20) of 64x48; or cropped, as large as fits."""
    y, x = np.mgrid[:height, :width]
    if tight:
        return ((y + 0.5) / height - 0.5) ** 2 + ((x + 0.5) / width - 0.5) ** 2 <= 0.25
    return (y * H / height - 20) ** 2 + (x * W / width - 24) ** 2 <= 8.5**2


def cut(mask: np.ndarray, **attributes) -> fo.Detection:
    """FiftyOne's own way from a full-frame mask to a detection."""
    return fo.Detection.from_mask(mask, label=attributes.pop("label", "thing"), **attributes)


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
    detection = fo.Detection(
        label="thing", bounding_box=[-4 / W, -2 / H, 8 / W, 6 / H], mask=np.ones((6, 8), bool)
    )
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
    detection = fo.Detection(
        label="thing", bounding_box=[0, 0, 0.5, 0.5], mask_path=str(tmp_path / "mask.png")
    )
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
        (
            np.ones((H, W), bool),
            [0.5, 0.5, 0.25, 0.05],
            "whole frame, 64x48 pixels, but its box is 16x2: crop",
        ),
        (
            disc(H, W),
            [16 / W, 12 / H, 17 / W, 17 / H],
            "whole frame, 64x48 pixels, but its box is 17x17: crop",
        ),
        (
            disc(H, W),
            [10 / W, 8 / H, 28 / W, 24 / H],
            "whole frame, 64x48 pixels, but its box is 28x24: crop",
        ),
        (
            disc(2 * H, 2 * W),
            [16 / W, 12 / H, 17 / W, 17 / H],
            "whole frame, 128x96 pixels, but its box is 17x17",
        ),
        (np.ones((5, 5, 3), np.uint8), [0, 0, 0.1, 0.1], r"shape \(5, 5, 3\): masks must be 2D"),
        (np.full((5, 6), np.nan), [0, 0, 0.1, 0.1], "not finite: masks must be 0 or 1"),
        (np.ones((5, 6)), [0, np.inf, 0.1, 0.1], "bounding box .* is not finite"),
        (np.arange(30, dtype=np.uint16).reshape(5, 6), [0, 0, 0.1, 0.1], "several values"),
        (np.ones((5, 6)), [0, 0, 1e9, 0.1], r"bounding box .* is not relative: divide pixels by"),
        (np.ones((5, 6)), [120, 80, 6, 5], "bounding box .* is not relative"),
        (np.ones((5, 6)), [0, 0], r"bounding box \[0\.0, 0\.0\] has 2 numbers"),
        (np.ones((5, 6)), [0, 0, 0.1, 0.1, 0.9], "bounding box .* has 5 numbers"),
        (
            np.ones((5, 6), [("a", "u1"), ("b", "f4")]),
            [0, 0, 0.1, 0.1],
            "values of the type .*'a'.*: masks must be",
        ),
        (np.ones((5, 6), "datetime64[s]"), [0, 0, 0.1, 0.1], r"values of the type datetime64\[s\]"),
        (np.array([["a", "b"]]), [0, 0, 0.1, 0.1], "values of the type <U1"),
    ],
)
def test_unusable_masks_are_named(mask, box, message):
    with pytest.raises(HS2SError, match=message):
        detection_mask(fo.Detection(label="thing", bounding_box=box, mask=mask), (H, W))


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        ((28, 28), [0.125, 0.42, 0.625, 0.16]),
        ((28, 28), [0.1, 0.1, 0.2, 0.8]),
        ((14, 14), [0, 0, 1, 1]),
        ((9, 40), [0.25, 0.25, 0.5, 0.5]),
        ((H, W), [0.25, 0.25, 0.375, 0.375]),
        ((96, 96), [0.25, 0.5, 0.5, 0.25]),
    ],
)
def test_mask_of_another_shape_is_stretched_to_its_box_as_fiftyone_draws_it(shape, box):
    detection = fo.Detection(label="thing", bounding_box=box, mask=disc(*shape, tight=True))
    found = detection_mask(detection, (H, W))
    drawn = detection.to_segmentation(frame_size=(W, H), target=1).mask.astype(bool)
    assert (found & drawn).sum() / (found | drawn).sum() > 0.95


def test_mask_of_a_polyline():
    """FiftyOne makes masks of polylines at any size that it is asked for."""
    points = [(0.125, 0.42), (0.75, 0.42), (0.75, 0.58), (0.125, 0.58)]
    line = fo.Polyline(label="a", index=1, points=[points], closed=True, filled=True)
    detection = line.to_detection(mask_size=(28, 28))
    drawn = detection.to_segmentation(frame_size=(80, 60)).mask > 0
    found = detection_mask(detection, (60, 80))
    np.testing.assert_array_equal(found, drawn)


def test_missing_mask_file_is_named(tmp_path):
    detection = fo.Detection(label="thing", bounding_box=[0, 0, 1, 1], mask_path=str(tmp_path / "gone.png"))
    with pytest.raises(HS2SError, match=r"gone\.png"):
        detection_mask(detection, (H, W))

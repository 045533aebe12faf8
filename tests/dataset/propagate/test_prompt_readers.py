from __future__ import annotations

import cv2
import fiftyone as fo
import numpy as np
import pytest

from fiftyone_hs2s.dataset.propagate.prompt_readers import READERS, read_frame, read_polylines
from fiftyone_hs2s.errors import HS2SError

SIZE = H, W = 48, 64


def read(label, targets=None):
    return READERS[type(label)](label, SIZE, targets or {})


def test_a_box_without_a_mask_is_a_hint_and_a_mask_is_a_mask():
    found = read(
        fo.Detections(
            detections=[
                fo.Detection(label="cat", index=1, bounding_box=[0.25, 0.5, 0.5, 0.25]),
                fo.Detection(
                    label="dog", index=2, bounding_box=[0, 0, 4 / W, 4 / H], mask=np.ones((4, 4), bool)
                ),
                fo.Detection(label="none", index=3),
            ]
        )
    )
    assert list(found.masks) == [("index", 2)]
    (hinted,) = found.hints.values()
    assert (hinted.hint.box, hinted.kind, hinted.identity.label) == ((16, 24, 48, 36), "box", "cat")


def test_polylines_are_filled_as_fiftyone_fills_them():
    triangle, size = [(0.1, 0.1), (0.9, 0.2), (0.4, 0.9)], (480, 640)
    polyline = fo.Polyline(label="cat", index=4, points=[triangle], closed=True, filled=True)
    found = read_polylines(fo.Polylines(polylines=[polyline]), size, {})
    expected = polyline.to_segmentation(frame_size=size[::-1], target=1).mask > 0
    mask = found.masks["index", 4].mask
    assert (mask & expected).sum() / (mask | expected).sum() > 0.98
    assert mask.sum() == pytest.approx(
        cv2.contourArea(np.multiply(triangle, size[::-1]).astype(np.float32)), rel=0.01
    )


def test_holes_stay_holes_and_lines_are_refused():
    outer, inner = [(0, 0), (1, 0), (1, 1), (0, 1)], [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)]
    found = read(fo.Polylines(polylines=[fo.Polyline(label="ring", points=[outer, inner], filled=True)]))
    mask = found.masks["label", "ring"].mask
    assert mask[2, 2] and not mask[H // 2, W // 2]
    with pytest.raises(HS2SError, match="polyline 'road' 3 is a line, not an area: close it"):
        read(fo.Polylines(polylines=[fo.Polyline(label="road", index=3, points=[outer])]))


def test_each_value_of_a_segmentation_is_an_object(tmp_path):
    values = np.zeros(SIZE, np.uint8)
    values[:10], values[20:30] = 1, 7
    for label in (fo.Segmentation(mask=values), fo.Segmentation(mask_path=str(tmp_path / "m.png"))):
        cv2.imwrite(str(tmp_path / "m.png"), values)
        found = read(label, {7: "sky"}).masks
        assert {key: (item.identity.label, item.mask.sum()) for key, item in found.items()} == {
            ("index", 1): ("1", 10 * W),
            ("index", 7): ("sky", 10 * W),
        }


def test_255_is_an_object_alone_or_by_name_and_void_beside_others(caplog):
    values = np.zeros(SIZE, np.uint8)
    values[:10] = 255
    assert list(read(fo.Segmentation(mask=values)).masks) == [("index", 255)]
    values[20:30] = 2
    assert list(read(fo.Segmentation(mask=values)).masks) == [("index", 2)]
    assert "255 beside others in a segmentation is taken for void" in caplog.text
    assert list(read(fo.Segmentation(mask=values), {255: "rim"}).masks) == [("index", 2), ("index", 255)]


def test_each_color_of_an_rgb_segmentation_is_an_object():
    values = np.zeros((*SIZE, 3), np.uint8)
    values[:10], values[20:30] = (255, 0, 0), (0, 0, 9)
    assert {key[1] for key in read(fo.Segmentation(mask=values)).masks} == {0xFF0000, 9}


def test_a_segmentation_that_cannot_be_used_is_refused(tmp_path):
    with pytest.raises(HS2SError, match="cannot be read"):
        read(fo.Segmentation(mask_path=str(tmp_path / "gone.png")))
    with pytest.raises(HS2SError, match="float64 values of shape"):
        read(fo.Segmentation(mask=np.full(SIZE, 0.5)))
    assert read(fo.Segmentation()).masks == {}


def test_blue_is_an_object_beside_other_colors(caplog):
    values = np.zeros((*SIZE, 3), np.uint8)
    values[:10], values[20:30] = (0, 0, 255), (255, 0, 0)
    assert list(read(fo.Segmentation(mask=values)).masks) == [("index", 255), ("index", 255 << 16)]
    assert "void" not in caplog.text


def _disk():
    y, x = np.mgrid[:H, :W]
    return ((y - 24) ** 2 + (x - 30) ** 2 < 200).astype(np.uint8)


@pytest.mark.parametrize("colored", [False, True])
def test_soft_edges_are_refused_and_not_taken_for_objects(tmp_path, colored):
    path = tmp_path / "soft.png"
    soft = cv2.GaussianBlur(255 * _disk(), (0, 0), 1)
    cv2.imwrite(str(path), np.dstack([0 * soft, soft // 2, soft]) if colored else soft)
    with pytest.raises(HS2SError, match="its segmentation has soft edges"):
        read(fo.Segmentation(mask_path=str(path)))


def test_a_jpeg_whose_pixels_changed_is_refused(tmp_path):
    path = tmp_path / "mask.jpg"
    cv2.imwrite(str(path), 255 * _disk())
    with pytest.raises(HS2SError, match="from a JPEG"):
        read(fo.Segmentation(mask_path=str(path)))


def test_values_below_the_background_are_refused():
    with pytest.raises(HS2SError, match="has the value -1: 0 is the background"):
        read(fo.Segmentation(mask=_disk().astype(int) - 1))


@pytest.mark.parametrize("corner", [(100, 30), (float("nan"), 0.5)])
def test_polylines_that_are_not_relative_are_refused(corner):
    polyline = fo.Polyline(label="car", index=2, points=[[(0.1, 0.1), (0.2, 0.9), corner]], closed=True)
    with pytest.raises(HS2SError, match="polyline 'car' 2 is not relative: divide pixels by"):
        read(fo.Polylines(polylines=[polyline]))


def test_points_outside_the_frame_are_refused_and_missing_ones_left_out():
    missing = fo.Keypoint(label="car", index=2, points=[[float("nan"), float("nan")], [0.5, 1.0]])
    (hinted,) = read(fo.Keypoints(keypoints=[missing])).hints.values()
    np.testing.assert_array_equal(hinted.hint.positive, [[W / 2, H]])
    outside = fo.Keypoint(label="car", index=2, points=[[0.5, 0.5], [32, 24]])
    with pytest.raises(HS2SError, match=r"'car' 2 has the point \[32.0, 24.0\] outside the frame"):
        read(fo.Keypoints(keypoints=[outside]))


def test_points_are_on_the_object_or_beside_it():
    keypoint = fo.Keypoint(
        label="cat", index=2, points=[(0.5, 0.5), (0.25, 0.25), (float("nan"), float("nan"))]
    )
    keypoint["sam_labels"] = [1, 0, 1]
    (hinted,) = read(fo.Keypoints(keypoints=[keypoint])).hints.values()
    assert hinted.kind == "points" and hinted.hint.box is None
    np.testing.assert_array_equal(hinted.hint.positive, [[32, 24]])
    np.testing.assert_array_equal(hinted.hint.negative, [[16, 12]])
    keypoint["sam_labels"] = [1]
    with pytest.raises(HS2SError, match="'cat' 2 has 3 points and 1 sam_labels"):
        read(fo.Keypoints(keypoints=[keypoint]))


def test_a_box_and_points_of_one_object_are_one_hint_and_a_mask_beats_both():
    box = fo.Detections(detections=[fo.Detection(label="cat", index=1, bounding_box=[0, 0, 0.5, 0.5])])
    points = fo.Keypoints(keypoints=[fo.Keypoint(label="cat", index=1, points=[(0.2, 0.2)])])
    found = read_frame({"boxes": box, "points": points, "none": None}, SIZE, lambda field: {})
    (hinted,) = found.hints.values()
    assert (hinted.kind, hinted.hint.box, len(hinted.hint.positive)) == ("box and points", (0, 0, 32, 24), 1)
    masks = fo.Polylines(
        polylines=[fo.Polyline(label="cat", index=1, points=[[(0, 0), (1, 0), (1, 1)]], closed=True)]
    )
    found = read_frame({"boxes": box, "masks": masks}, SIZE, lambda field: {})
    assert found.hints == {} and list(found.masks) == [("index", 1)]
    with pytest.raises(HS2SError, match="has a mask in two prompt fields, one of them 'more': keep one"):
        read_frame({"masks": masks, "more": masks}, SIZE, lambda field: {})


def test_one_object_with_two_names_is_refused():
    box = fo.Detections(detections=[fo.Detection(label="dog", index=1, bounding_box=[0, 0, 0.5, 0.5])])
    points = fo.Keypoints(keypoints=[fo.Keypoint(label="cat", index=1, points=[(0.2, 0.2)])])
    with pytest.raises(HS2SError, match="index 1 is both 'dog' and 'cat'"):
        read_frame({"boxes": box, "points": points}, SIZE, lambda field: {})


def test_objects_that_have_only_a_label_are_told_apart_on_their_frame():
    box = fo.Detection(label="cat", bounding_box=[0, 0, 0.5, 0.5])
    found = read(fo.Detections(detections=[box, box]))
    assert list(found.hints) == [("label", "cat"), ("label", "cat", 2)]

from __future__ import annotations

from types import SimpleNamespace

import fiftyone as fo
import numpy as np
import pytest

from fiftyone_hs2s.dataset.propagate.prompts import collect_prompts
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.tracking import plan_prompts

H, W = 48, 64


class Video(SimpleNamespace):
    size = (H, W)
    incomplete = None

    def __len__(self) -> int:
        return 10


def square(left: int = 0, **attributes) -> fo.Detection:
    return fo.Detection(bounding_box=[left / W, 0, 4 / W, 4 / H], mask=np.ones((4, 4), bool), **attributes)


def absent(**attributes) -> fo.Detection:
    return fo.Detection(bounding_box=[0, 0, 0, 0], **attributes)


def collect(frames: dict[int, list[fo.Detection]], first_number=1):
    labels = {index: fo.Detections(detections=detections) for index, detections in frames.items()}
    return collect_prompts(labels.items(), labels.get, Video(), first_number)


FRAMES = {
    2: [square(0, index=0, label="a"), absent(index=7, label="b")],
    4: [square(1, index=0, label="a"), square(20, index=7, label="b")],
    8: [square(2, index=0, label="a")],
}


@pytest.mark.parametrize(
    ("mode", "direction", "expected"),
    [
        ("first", "forward", {2: [1], 4: [2]}),
        ("first", "both", {2: [1], 4: [2]}),
        ("first", "backward", {4: [2], 8: [1]}),
        ("all", "forward", {2: [1], 4: [1, 2], 8: [1]}),
        ("all", "backward", {2: [1], 4: [1, 2], 8: [1]}),
    ],
)
def test_objects_start_where_they_are_first_seen(mode, direction, expected):
    prompts = collect(FRAMES)
    assert plan_prompts(Video(), prompts, direction, mode).anchors == expected
    assert {number: identity.index for number, identity in prompts.identities.items()} == {1: 0, 2: 7}


def test_masks_are_read_where_they_belong():
    prompts = collect(FRAMES)
    mask = prompts.masks(8)[1]
    assert mask.dtype == bool
    assert mask[:, 2:6].sum() == mask.sum() == 16
    assert prompts.masks(4)[2][:, 20:24].sum() == 16


def test_masks_are_read_only_when_used():
    labels = {index: fo.Detections(detections=[square(label="a")]) for index in range(10)}
    reads = []
    prompts = collect_prompts(labels.items(), lambda i: reads.append(i) or labels[i], Video())
    plan = plan_prompts(Video(), prompts, "both", "all")
    assert plan.anchors == {index: [1] for index in range(10)}
    assert not reads
    assert plan.masks(6)[1].sum() == 16
    assert reads == [6]


def test_no_masks_is_refused():
    for frames in ({}, {3: []}, {3: [absent(label="a")]}, {3: [fo.Detection(label="a", bounding_box=[0, 0, 1, 1])]}):
        with pytest.raises(HS2SError, match="no frame has a detection with mask pixels: mask each object"):
            collect(frames)


def test_masks_after_the_end_are_left_out(caplog):
    prompts = collect({2: [square(label="a")], 10: [square(label="b")]})
    assert prompts.ids() == {2: [1]}
    assert "after the video's last frame, 10" in caplog.text
    with pytest.raises(HS2SError, match="no frame has a detection with mask pixels before its last frame, 10: it ends"):
        collect({10: [square(label="b")]})


def test_unusable_mask_names_the_frame():
    bad = fo.Detection(label="a", bounding_box=[0, 0, 0.1, 0.1], mask=np.ones((4, 4, 3), np.uint8))
    with pytest.raises(HS2SError, match="frame 14, its mask has shape"):
        collect({4: [bad]}, first_number=10)


def test_several_objects_of_a_bare_label_on_one_frame_get_an_index():
    """What a detector leaves on one frame: nothing tells the objects apart but their masks."""
    prompts = collect(
        {3: [square(0, label="a"), square(8, label="a"), square(16, index=1, label="c"), square(24, label="b")]}
    )
    assert [(i.label, i.index) for i in prompts.identities.values()] == [("a", 2), ("a", 3), ("c", 1), ("b", None)]


def test_several_objects_of_a_bare_label_on_several_frames_are_refused():
    two = [square(0, label="a"), square(8, label="a")]
    with pytest.raises(HS2SError, match="of the frames 3 and 6 have only the label 'a': set their `index`"):
        collect({2: [square(label="a")], 5: two})
    with pytest.raises(HS2SError, match="the frames 3 and 6"):
        collect({2: two, 5: [square(label="a")]})


def test_an_object_of_a_bare_label_on_several_frames_is_one():
    prompts = collect({2: [square(label="a")], 5: [square(label="a")]})
    assert prompts.ids() == {2: [1], 5: [1]}


def test_an_index_with_two_labels_is_refused():
    with pytest.raises(HS2SError, match="frame 6, index 1 is both 'car' and 'person'"):
        collect({2: [square(label="car", index=1)], 5: [square(label="person", index=1)]})


def test_objects_that_only_ever_have_boxes_are_named(caplog):
    box = fo.Detection(bounding_box=[0.1, 0.1, 0.2, 0.2], index=5)
    seen = fo.Detection(bounding_box=[0.1, 0.1, 0.2, 0.2], index=0, label="a")
    prompts = collect({2: [square(0, index=0, label="a"), box], 3: [seen, absent(index=6)]})
    assert prompts.ids() == {2: [1]}
    assert [record.getMessage() for record in caplog.records] == [
        "Left out, with boxes but no mask on any frame: index 5; mask each object on one frame"
    ]

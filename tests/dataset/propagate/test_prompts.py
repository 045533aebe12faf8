from __future__ import annotations

from types import SimpleNamespace

import fiftyone as fo
import numpy as np
import pytest

from fiftyone_hs2s.dataset.propagate.prompt_readers import FramePrompts, read_frame
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


def read(labels: fo.Label) -> FramePrompts:
    return read_frame({"prompts": labels}, (H, W), lambda field: {})


def collect(frames: dict[int, list[fo.Detection]], first_number=1):
    labels = {index: fo.Detections(detections=detections) for index, detections in frames.items()}
    return collect_prompts(labels.items(), read, labels.get, Video(), first_number)


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
    prompts = collect_prompts(labels.items(), read, lambda i: reads.append(i) or labels[i], Video())
    plan = plan_prompts(Video(), prompts, "both", "all")
    assert plan.anchors == {index: [1] for index in range(10)}
    assert not reads
    assert plan.masks(6)[1].sum() == 16
    assert reads == [6]


def test_no_masks_is_refused():
    for frames in ({}, {3: []}, {3: [absent(label="a")]}):
        with pytest.raises(HS2SError, match="no frame has a detection with mask pixels: mask each object"):
            collect(frames)


def test_masks_after_the_end_are_left_out(caplog):
    prompts = collect({2: [square(label="a")], 10: [square(label="b")]})
    assert prompts.ids() == {2: [1]}
    assert "after the video's last frame, 10" in caplog.text
    with pytest.raises(
        HS2SError, match="no frame has a detection with mask pixels before its last frame, 10: it ends"
    ):
        collect({10: [square(label="b")]})


def test_unusable_mask_names_the_frame():
    bad = fo.Detection(label="a", bounding_box=[0, 0, 0.1, 0.1], mask=np.ones((4, 4, 3), np.uint8))
    with pytest.raises(HS2SError, match="frame 14, its mask has shape"):
        collect({4: [bad]}, first_number=10)


def test_several_objects_of_a_bare_label_on_one_frame_get_an_index():
    """What a detector leaves on one frame: nothing tells the objects apart but their masks."""
    prompts = collect(
        {
            3: [
                square(0, label="a"),
                square(8, label="a"),
                square(16, index=1, label="c"),
                square(24, label="b"),
            ]
        }
    )
    assert [(i.label, i.index) for i in prompts.identities.values()] == [
        ("a", 2),
        ("a", 3),
        ("c", 1),
        ("b", None),
    ]


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


class Boxes:
    """A maker that fills boxes, or four pixels around points, and finds nothing in boxes at the left edge."""

    name = "boxes"

    def __init__(self):
        self.calls = []

    def __call__(self, frame, hints):
        self.calls.append((frame, len(hints)))
        masks = np.zeros((len(hints), H, W), bool)
        for mask, hint in zip(masks, hints, strict=True):
            if hint.box is not None and hint.box[0] > 0:
                left, top, right, bottom = map(round, hint.box)
                mask[top:bottom, left:right] = True
            for x, y in hint.positive:
                mask[int(y) - 1 : int(y) + 1, int(x) - 1 : int(x) + 1] = True
        return list(masks)


def box(left: int, **attributes) -> fo.Detection:
    return fo.Detection(bounding_box=[left / W, 0, 4 / W, 4 / H], **attributes)


class Frames(Video):
    def __getitem__(self, index):
        return index


def make(frames, backward=False):
    labels = {index: fo.Detections(detections=detections) for index, detections in frames.items()}
    maker = Boxes()
    return collect_prompts(labels.items(), read, labels.get, Frames(), 1, maker, backward), maker


BOXED = {
    1: [box(8, index=1, label="cat")],
    2: [box(12, index=1, label="cat"), square(20, index=2, label="dog"), box(0, index=3, label="cow")],
    4: [box(16, index=1, label="cat"), box(24, index=2, label="dog")],
}


@pytest.mark.parametrize(("backward", "index", "left"), [(False, 1, 8), (True, 4, 16)])
def test_an_object_without_any_mask_starts_from_its_first_or_last_box(backward, index, left):
    prompts, maker = make(BOXED, backward)
    ids = {identity.label: number for number, identity in prompts.identities.items()}
    assert prompts.ids() == {2: [ids["dog"]], index: [ids["cat"]]}
    mask = prompts.masks(index)[ids["cat"]]
    assert (mask.dtype, mask.sum(), mask[:4, left : left + 4].sum()) == (bool, 16, 16)
    assert prompts.origins == {ids["cat"]: {"prompt": "box", "mask_maker": "boxes"}}
    assert (index, 1) in maker.calls


def test_boxes_of_an_object_that_has_a_mask_are_no_prompts():
    prompts, maker = make({0: [square(20, index=2, label="dog")], 1: [box(24, index=2, label="dog")]})
    assert prompts.ids() == {0: [1]}
    assert maker.calls == [] and prompts.boxes == 1


def test_what_the_maker_finds_nothing_of_is_left_out_with_a_warning(caplog):
    prompts, _ = make(BOXED)
    assert "cow" not in {identity.label for identity in prompts.identities.values()}
    assert "boxes found no object in the box or points of: index 3" in caplog.text
    with pytest.raises(HS2SError, match="no frame has"):
        make({0: [box(0, index=1, label="cow")]})


def test_a_made_mask_and_a_drawn_one_on_one_frame():
    prompts, _ = make({2: [box(12, index=1, label="cat"), square(20, index=2, label="dog")]})
    masks = prompts.masks(2)
    assert sorted(masks) == [1, 2]
    assert {int(np.flatnonzero(mask.any(0))[0]) for mask in masks.values()} == {12, 20}

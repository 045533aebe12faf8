from __future__ import annotations

import fiftyone as fo
import fiftyone.core.models as fom
import fiftyone.zoo as foz
import numpy as np
import pytest

from fiftyone_hs2s.dataset.propagate.zoo_mask_maker import ZooMaskMaker, load_mask_maker
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.hints import Hint


class StandIn(fom.SamplesMixin, fom.Model):
    """As FiftyOne's Segment Anything models are used: prompts come from the sample's field, masks go out."""

    media_type = "image"

    def predict(self, image, sample=None):
        prompts = sample[self.needs_fields["prompt_field"]]
        height, width = image.shape[:2]
        if isinstance(prompts, fo.Detections):
            boxes = [d.bounding_box for d in prompts.detections]
        else:
            points = [np.array(k.points)[np.array(k["sam_labels"]) > 0].mean(0) for k in prompts.keypoints]
            boxes = [[x - 0.1, y - 0.1, 0.2, 0.2] for x, y in points]
        bright = image.mean(2) > 128
        found = []
        for box in boxes:
            left, top = round(box[0] * width), round(box[1] * height)
            part = bright[top : top + round(box[3] * height), left : left + round(box[2] * width)]
            if part.any():
                found.append(fo.Detection(label="made", bounding_box=box, mask=part))
        return fo.Detections(detections=found)


@pytest.fixture
def frame():
    image = np.zeros((100, 200, 3), np.uint8)
    image[20:60, 40:90] = 255
    image[30:50, 150:170] = 255
    return image


def test_masks_are_those_of_the_hints_in_their_order(frame):
    hints = [
        Hint((140.0, 20.0, 180.0, 60.0)),
        Hint(positive=np.array([[160.0, 40.0]]), negative=np.array([[10.0, 10.0]])),
        Hint((30.0, 10.0, 100.0, 70.0)),
        Hint((0.0, 60.0, 30.0, 100.0)),
    ]
    before = fo.list_datasets()
    small, same, large, none = ZooMaskMaker(StandIn(), "stand-in")(frame, hints)
    np.testing.assert_array_equal(small, (frame[..., 0] > 0) & (np.arange(200) > 120))
    np.testing.assert_array_equal(same, small)
    np.testing.assert_array_equal(large, (frame[..., 0] > 0) & (np.arange(200) < 120))
    assert not none.any()
    assert fo.list_datasets() == before


def test_a_zoo_model_is_chosen_by_name(frame, monkeypatch):
    monkeypatch.setattr(foz, "list_zoo_models", lambda: ["my-sam"])
    monkeypatch.setattr(foz, "load_zoo_model", lambda name: StandIn())
    maker = load_mask_maker("my-sam")
    assert maker.name == "my-sam"
    assert maker(frame, [Hint((30.0, 10.0, 100.0, 70.0))])[0].sum() == 40 * 50


def test_what_cannot_make_masks_is_refused(monkeypatch):
    assert load_mask_maker("grabcut").name == "grabcut"
    with pytest.raises(
        HS2SError,
        match=r"mask_maker='sam' is unknown: take one of hs2s-mask, .*grabcut, or an image model",
    ):
        load_mask_maker("sam")
    with pytest.raises(HS2SError, match="'other' makes no masks of boxes or points"):
        ZooMaskMaker(fom.Model(), "other")
    monkeypatch.setattr(foz, "list_zoo_models", lambda: ["broken"])
    monkeypatch.setattr(foz, "load_zoo_model", lambda name: (_ for _ in ()).throw(ImportError("no sam2")))
    with pytest.raises(HS2SError, match=r"'broken' cannot be loaded \(no sam2\)"):
        load_mask_maker("broken")

"""Groups of images where single samples are worked on: from one image, and beside corrected ones."""

from __future__ import annotations

import pytest
from fiftyone import ViewField as F
from fiftyone_kit import H, T, W, assert_right, color_model, image_groups, prompts

from fiftyone_hs2s import HS2SError, propagate_object, repropagate
from fiftyone_hs2s.dataset.labels import detection_mask
from fiftyone_hs2s.dataset.sample_views import select_sample


@pytest.fixture(scope="module")
def model():
    return color_model()


@pytest.fixture
def groups(tmp_path, dataset):
    """Two groups of images, of which the first has masks on its fourth."""
    return image_groups(
        dataset, tmp_path, lambda scene, number: prompts(number) if (scene, number) == ("one", 4) else None
    )


def found(dataset, scene):
    images = dataset.match(F("scene") == scene).exists("pred")
    return {
        s.place: {d.index: detection_mask(d, (H, W)) for d in s.pred.detections}
        for s in images
        if s.pred.detections
    }


def test_any_image_stands_for_its_group(dataset, groups):
    image = dataset.match((F("scene") == "two") & (F("place") == 7)).first()
    group = select_sample(groups, image.id)
    assert [sample.scene for sample in group] == ["two"]
    assert next(group.iter_dynamic_groups()).values("place") == list(range(1, T + 1))
    by_two = dataset.group_by(F("place") % 2, order_by="place")
    with pytest.raises(HS2SError, match="grouped by the values of one field"):
        select_sample(by_two, image.id)


def label_of(dataset, place, index):
    image = dataset.match((F("scene") == "one") & (F("place") == place)).first()
    return image, next(d for d in image.pred.detections if d.index == index)


def test_from_an_image_and_beside_a_corrected_one(dataset, groups, model):
    report = propagate_object(next(iter(groups)), "pred", 4, None, model, direction="both")
    assert str(report) == "1 tracked"
    assert_right(found(dataset, "one"), range(1, T + 1))
    assert not found(dataset, "two")

    image, label = label_of(dataset, 8, 0)
    label["keyframe"] = True
    image.save()
    report = repropagate(select_sample(groups, image.id), "pred", model, skip_failures=False)
    assert str(report) == "1 tracked"
    ends = [label_of(dataset, place, 0)[1].id for place in (4, 8)]
    assert label_of(dataset, 6, 0)[1]["propagation"]["parent_keyframes"] == ends
    assert len(label_of(dataset, 6, 1)[1]["propagation"]["parent_keyframes"]) == 1
    assert_right(found(dataset, "one"), range(1, T + 1))

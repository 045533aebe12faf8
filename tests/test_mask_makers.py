from __future__ import annotations

import cv2
import numpy as np
import pytest

from fiftyone_hs2s.demo.demo_clip import render_clip
from fiftyone_hs2s.errors import HS2SError, MaskError
from fiftyone_hs2s.hints import Hint
from fiftyone_hs2s.mask_makers import MASK_MAKERS, get_mask_maker
from fiftyone_hs2s.metrics import jaccard
from fiftyone_hs2s.models import default_weights
from fiftyone_hs2s.network import register_model


@pytest.fixture(scope="module")
def dahlia():
    """The first frame of the demo clip, and the masks of its objects."""
    frame, label_map = next(iter(render_clip()))
    return frame, {i: label_map == i for i in (1, 2)}


def box_of(mask):
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return x, y, x + width, y + height


@pytest.mark.parametrize(("name", "least"), [("hs2s-mask", 0.85), ("hs2s-mask-open", 0.85), ("grabcut", 0.6)])
def test_a_box_becomes_the_mask_of_what_is_in_it(dahlia, name, least):
    frame, masks = dahlia
    made = get_mask_maker(name)(frame, [Hint(box_of(mask)) for mask in masks.values()])
    assert [mask.dtype for mask in made] == [bool, bool]
    assert [mask.shape for mask in made] == [frame.shape[:2]] * 2
    assert np.mean([jaccard(true, mask) for true, mask in zip(masks.values(), made, strict=True)]) > least


@pytest.mark.parametrize("name", list(MASK_MAKERS))
def test_the_same_box_gives_the_same_mask(dahlia, name):
    frame, masks = dahlia
    hint = Hint(box_of(masks[1]))
    first, second = (get_mask_maker(name)(frame, [hint])[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", list(MASK_MAKERS))
def test_a_box_may_reach_beyond_the_frame(name):
    frame = np.full((120, 160, 3), (40, 90, 40), np.uint8)
    frame[30:90, :50] = 220, 60, 50
    (mask,) = get_mask_maker(name)(frame, [Hint((-30.0, 30.0, 50.0, 90.0))])
    truth = np.zeros((120, 160), bool)
    truth[30:90, :50] = True
    assert jaccard(truth, mask) > 0.7


@pytest.mark.parametrize("name", ["hs2s-mask", "hs2s-mask-open"])
def test_points_say_which_object_is_meant(name):
    frame = np.full((120, 200, 3), (40, 90, 40), np.uint8)
    truth = np.zeros((2, 120, 200), bool)
    for mask, left in zip(truth, (20, 130), strict=True):
        cv2.circle(shown := mask.view(np.uint8), (left + 25, 60), 25, 1, -1)
        frame[shown > 0] = 220, 60, 50
    hint = Hint(positive=np.array([[45.0, 60.0], [50.0, 66.0]]), negative=np.array([[155.0, 60.0]]))
    (mask,) = get_mask_maker(name)(frame, [hint])
    assert mask[60, 45]
    assert not mask[60, 155]
    assert jaccard(truth[0], mask) > 0.5


def test_points_in_a_box_are_seeds():
    frame, boards = np.full((120, 200, 3), 128, np.uint8), np.zeros((2, 120, 200), bool)
    boards[0, 30:90, 40:100], boards[1, 30:90, 100:160] = True, True
    noise = np.random.default_rng(0).integers(-9, 10, frame.shape)
    frame = (
        frame + noise + boards[0][..., None] * (80, -60, -60) + boards[1][..., None] * (-60, -60, 80)
    ).astype("u1")
    box = (40.0, 30.0, 160.0, 90.0)
    left, right = np.array([[60.0, 60.0], [70.0, 40.0]]), np.array([[140.0, 60.0], [130.0, 80.0]])
    for positive, negative, truth in ((left, right, boards[0]), (right, left, boards[1])):
        (mask,) = get_mask_maker("grabcut")(frame, [Hint(box, positive, negative)])
        assert jaccard(truth, mask) > 0.8


def test_grabcut_needs_a_box():
    with pytest.raises(MaskError, match="'grabcut' needs a box: draw one, or take 'hs2s-mask'"):
        get_mask_maker("grabcut")(np.zeros((40, 40, 3), np.uint8), [Hint(positive=np.ones((1, 2)))])


def test_an_unknown_maker_is_refused_with_the_known_ones():
    with pytest.raises(HS2SError, match="'sam' is unknown: choose one of hs2s-mask, hs2s-mask-open, grabcut"):
        get_mask_maker("sam")


def test_auto_takes_the_network_whose_terms_are_those_of_the_model(tmp_path, monkeypatch):
    assert get_mask_maker("auto").name == get_mask_maker("auto", "hs2s-lite").name == "hs2s-mask"
    assert get_mask_maker("auto", "hs2s-lite-open").name == "hs2s-mask-open"
    monkeypatch.setenv("HS2S_MODELS", str(tmp_path))
    for model, maker in (("hs2s-lite", "hs2s-mask"), ("hs2s-lite-open", "hs2s-mask-open")):
        register_model(f"my-{model}", default_weights(model))
        assert get_mask_maker("auto", f"my-{model}").name == maker


def test_the_networks_have_weights_of_their_own(dahlia):
    frame, masks = dahlia
    hint = Hint(box_of(masks[1]))
    one, other = (get_mask_maker(name)(frame, [hint])[0] for name in ("hs2s-mask", "hs2s-mask-open"))
    assert (one != other).any()

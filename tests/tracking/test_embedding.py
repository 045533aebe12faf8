"""What objects look like to the tracker."""

from __future__ import annotations

import numpy as np
import pytest

from fiftyone_hs2s.demo.demo_clip import LENGTH, render_clip
from fiftyone_hs2s.masks import split_label_map
from fiftyone_hs2s.network import load_network
from fiftyone_hs2s.tracking import Tracker
from fiftyone_hs2s.tracking.embedding import embed_objects

SIZE = (128, 192)
COLORS = {1: (230, 40, 40), 2: (40, 60, 230)}


@pytest.fixture(scope="module")
def tracker() -> Tracker:
    return Tracker(load_network("hs2s-lite"), SIZE, "cpu", "float32")


def scene(boxes: dict[int, tuple[int, int]]) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Squares of 48 pixels on gray."""
    frame, masks = np.full((*SIZE, 3), 120, np.uint8), {}
    for i, (top, left) in boxes.items():
        masks[i] = np.zeros(SIZE, bool)
        masks[i][top : top + 48, left : left + 48] = True
        frame[masks[i]] = COLORS[i]
    return frame, masks


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_an_object_is_like_itself_elsewhere_and_unlike_others(tracker: Tracker) -> None:
    before = embed_objects(tracker, *scene({1: (8, 8), 2: (72, 136)}))
    after = embed_objects(tracker, *scene({1: (72, 120), 2: (16, 24)}))
    assert before[1].shape == (112,) and before[1].dtype == np.float32
    for i in (1, 2):
        assert cosine(before[i], after[i]) > cosine(before[i], after[3 - i]) + 0.02
    assert tracker.ids == (), "nothing is tracked"


def test_the_same_of_objects_with_texture(tracker: Tracker) -> None:
    clip = list(render_clip(LENGTH))
    before, after = (
        embed_objects(tracker, frame, split_label_map(label_map)) for frame, label_map in (clip[0], clip[10])
    )
    for i in (1, 2):
        assert cosine(before[i], after[i]) > cosine(before[i], after[3 - i]) + 0.1


def test_it_is_the_mean_over_the_mask(tracker: Tracker) -> None:
    """Whole cells of the encoder's grid: a mask of two is between those of each."""
    frame, _ = scene({1: (0, 0)})
    masks = {i: np.zeros(SIZE, bool) for i in (1, 2, 3)}
    masks[1][:16, :16] = masks[2][64:80, 64:80] = True
    masks[3] = masks[1] | masks[2]
    found = embed_objects(tracker, frame, masks)
    np.testing.assert_allclose(found[3], (found[1] + found[2]) / 2, rtol=1e-4, atol=1e-5)


def test_a_single_pixel_and_other_precisions(tracker: Tracker) -> None:
    frame, masks = scene({1: (8, 8)})
    masks[2] = np.zeros(SIZE, bool)
    masks[2][5, 5] = True
    whole = embed_objects(tracker, frame, masks)
    assert np.isfinite(whole[2]).all()
    half = embed_objects(Tracker(tracker.network, SIZE, "cpu", "bfloat16"), frame, masks)
    assert cosine(whole[1], half[1]) > 0.99

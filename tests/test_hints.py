from __future__ import annotations

import numpy as np
import pytest

from fiftyone_hs2s.hints import Hint, View


@pytest.mark.parametrize("size", [32, 64, 256])
@pytest.mark.parametrize("view", [(10.0, 6.0, 32.0), (-8.0, -4.0, 64.0), (40.0, 30.0, 48.0)])
def test_what_a_view_shows_lies_where_it_was_once_placed_back(view, size):
    mask = np.zeros((60, 80), np.uint8)
    mask[20:40, 30:60] = 1
    square = View(*view, size)
    shown = square.show(mask, nearest=True).astype(np.float32)
    inside = square.place(np.ones((size, size), np.float32), mask.shape) > 0.999
    back = square.place(shown, mask.shape) > 0.5
    rim = np.zeros_like(inside)
    rim[19:41, 29:61] = True
    rim[22:38, 32:58] = False  # a pixel of the view may be several of the frame
    assert (back == mask)[inside & ~rim].all()
    assert not back[~(square.place(np.ones((size, size), np.float32), mask.shape) > 0)].any()


def test_a_view_at_the_frames_own_scale_shows_its_pixels():
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    np.testing.assert_array_equal(View(5, 8, 16, 16).show(image), image[8:24, 5:21])


def test_pictures_that_shrink_are_averaged():
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, ::2] = 200  # stripes of a pixel
    shown = View(0, 0, 64, 16).show(image)
    assert abs(shown[2:-2, 2:-2].astype(int) - 100).max() <= 2


def test_beyond_the_frame_there_is_nothing():
    shown = View(-16, -16, 32, 32).show(np.full((40, 40), 7, np.uint8))
    assert (shown[:16, :16] == 0).all()
    assert (shown[16:, 16:] == 7).all()


def test_hints_are_drawn_where_they_are():
    hint = Hint((10, 12, 30, 20), np.array([[20.0, 16.0]]), np.array([[35.0, 30.0]]))
    box, positive, negative = View(0, 0, 40, 80).draw(hint)
    assert box[24:40, 20:60].all()
    assert box.sum() == 16 * 40
    assert positive[32, 40] == 1
    assert negative[60, 70] == 1
    assert positive.sum() == negative.sum() > 4

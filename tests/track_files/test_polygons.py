from __future__ import annotations

import cv2
import numpy as np
from scipy import ndimage

from fiftyone_hs2s.track_files.polygons import fill_polygons, mask_polygons


def test_filled_again_all_masks_are_the_same():
    """Noise of all densities: single pixels, lines, parts within holes, holes that touch."""
    random = np.random.default_rng(0)
    for trial in range(600):
        size = random.integers(1, 40, 2)
        noise = random.random(size)
        noise = ndimage.gaussian_filter(noise, trial % 3 * 0.8) if trial % 3 else noise
        mask = noise < np.quantile(noise, random.uniform(0.1, 0.98))
        polygons = mask_polygons(mask)
        np.testing.assert_array_equal(fill_polygons(polygons, mask.shape), mask)
        assert len(polygons) == ndimage.label(mask, np.ones((3, 3)))[1]


def test_straight_lines_take_two_points():
    mask = np.zeros((20, 30), bool)
    mask[2:12, 3:23] = True
    (polygon,) = mask_polygons(mask)
    assert sorted(map(tuple, polygon.tolist())) == [(3, 2), (3, 11), (22, 2), (22, 11)]
    mask[5:8, 6:10] = False
    (polygon,) = mask_polygons(mask)
    canvas = cv2.fillPoly(np.zeros(mask.shape, np.uint8), [polygon.astype(np.int32)], 1)
    np.testing.assert_array_equal(canvas, mask)

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from metric_reference import disk, reference_f, reference_j

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import list_label_maps, read_label_map
from fiftyone_hs2s.metrics import boundary_f_measure, jaccard
from fiftyone_hs2s.metrics.boundary import tolerance_in_pixels
from fiftyone_hs2s.metrics.region import overlap_table


@st.composite
def mask_pairs(draw):
    shape = draw(array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24))
    masks = arrays(bool, shape)
    return draw(masks), draw(masks)


@st.composite
def blob_pairs(draw):
    """Two overlapping ellipses, anywhere, also cut by the border."""
    size = draw(st.tuples(st.integers(8, 60), st.integers(8, 60)))
    y, x = np.mgrid[: size[0], : size[1]]
    masks = []
    for _ in range(2):
        cy, cx, ry, rx = (
            draw(st.floats(low, high)) for low, high in ((0, size[0]), (0, size[1]), (1, 30), (1, 30))
        )
        masks.append(((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 <= 1)
    return tuple(masks)


@given(st.one_of(mask_pairs(), blob_pairs()), st.integers(1, 9))
@settings(max_examples=300, deadline=None)
def test_equals_the_definition(pair, radius):
    assert jaccard(*pair) == pytest.approx(reference_j(*pair), abs=1e-12)
    assert boundary_f_measure(*pair, tolerance=radius) == pytest.approx(reference_f(*pair, radius), abs=1e-12)


@given(st.one_of(mask_pairs(), blob_pairs()))
@settings(deadline=None)
def test_symmetric_and_bounded(pair):
    for measure in (jaccard, boundary_f_measure):
        value = measure(*pair)
        assert 0 <= value <= 1
        assert value == pytest.approx(measure(*reversed(pair)), abs=1e-12)


@given(mask_pairs())
@settings(deadline=None)
def test_a_mask_equals_itself(pair):
    for measure in (jaccard, boundary_f_measure):
        assert measure(pair[0], pair[0].copy()) == 1


@given(mask_pairs(), st.integers(1, 12), st.integers(1, 12))
@settings(deadline=None)
def test_does_not_depend_on_the_place(pair, dy, dx):
    near, far = ([np.pad(mask, ((y, 14 - y), (x, 14 - x))) for mask in pair] for y, x in ((1, 1), (dy, dx)))
    for measure in (jaccard, boundary_f_measure):
        assert measure(*near) == measure(*far)


SIZE = (48, 86)
EMPTY, FULL = np.zeros(SIZE, bool), np.ones(SIZE, bool)
PIXEL = np.zeros(SIZE, bool)
PIXEL[20, 30] = True
CORNER = np.zeros(SIZE, bool)
CORNER[-1, -1] = True
TOUCHING = disk(SIZE, (47, 85), 20)


@pytest.mark.parametrize(
    ("truth", "prediction", "j", "f"),
    [
        (EMPTY, EMPTY, 1, 1),
        (EMPTY, PIXEL, 0, 0),
        (PIXEL, EMPTY, 0, 0),
        (FULL, FULL, 1, 1),
        (FULL, EMPTY, 0, 1),  # the border of the image is no boundary: nothing to find on either side
        (FULL, PIXEL, 1 / FULL.size, 0),
        (CORNER, CORNER, 1, 1),
        (CORNER, np.roll(CORNER, -1, 1), 0, 1),  # one pixel aside is within the tolerance
        (TOUCHING, ~TOUCHING, 0, 1),  # the same contour from both sides
        (PIXEL, np.roll(PIXEL, 10, 0), 0, 0),
    ],
)
def test_conventions(truth, prediction, j, f):
    assert jaccard(truth, prediction) == j
    assert boundary_f_measure(truth, prediction) == f
    assert f == reference_f(truth, prediction)


def test_tolerance_as_official():
    sizes = {(480, 854): 8, (256, 448): 5, (720, 1280): 12, (1080, 1920): 18, (1, 1): 1}
    assert {size: tolerance_in_pixels(size) for size in sizes} == sizes
    assert tolerance_in_pixels((480, 854), 3) == 3


def test_matches_exactly_up_to_the_tolerance():
    truth = disk((480, 854), (200, 300), 0.5)
    at_8, at_9, at_10 = (boundary_f_measure(truth, np.roll(truth, distance, 1)) for distance in (8, 9, 10))
    assert at_8 == 1
    assert at_9 == 0.5  # of the two columns of boundary pixels, one is 8 px from the other's
    assert at_10 == 0


def test_void_pixels_become_background_of_both():
    truth, prediction, void = disk(SIZE, (20, 40), 12), disk(SIZE, (24, 40), 12), disk(SIZE, (30, 40), 8)
    assert jaccard(truth, prediction, void) == reference_j(truth & ~void, prediction & ~void)
    assert boundary_f_measure(truth, prediction, void) == reference_f(truth & ~void, prediction & ~void)
    assert jaccard(truth, prediction, void) != jaccard(truth, prediction)


def test_any_type_of_mask():
    truth, prediction = disk(SIZE, (20, 40), 12), disk(SIZE, (24, 40), 12)
    for measure in (jaccard, boundary_f_measure):
        value = measure(truth, prediction)
        assert isinstance(value, float)
        assert measure(255 * truth.astype(np.uint8), prediction.astype(np.float32)) == value
        assert measure(np.asfortranarray(truth), prediction[::1]) == value


def test_refuses_what_cannot_be_compared():
    with pytest.raises(HS2SError, match=r"\(48, 86\) and \(48, 85\)"):
        jaccard(FULL, FULL[:, 1:])
    with pytest.raises(HS2SError, match="one size"):
        boundary_f_measure(FULL, FULL[1:])
    with pytest.raises(HS2SError, match="must be"):
        jaccard(FULL[0], FULL[0])
    with pytest.raises(HS2SError, match="positive"):
        boundary_f_measure(FULL, FULL, tolerance=0)


@pytest.mark.parametrize("ids", [[0, 1, 2, 3], [0, 1, 300, 40000]])
def test_overlap_table_counts_pairs(ids):
    rng = np.random.default_rng(0)
    truth, prediction = (rng.choice(np.array(ids, np.uint16), (20, 30)) for _ in range(2))
    present, table = overlap_table(truth, prediction)
    assert present.tolist() == ids
    for row, i in enumerate(present):
        for column, k in enumerate(present):
            assert table[row, column] == ((truth == i) & (prediction == k)).sum()
    assert table.sum() == truth.size


@pytest.mark.parametrize(
    "folder", ["DAVIS2016-train/Annotations/lucia", "DAVIS2016-train/Annotations/bmx-bumps"]
)
def test_real_masks_as_the_definition(shared_data, folder):
    """Each mask against the one 12 frames later, a mirrored one, and a noisy one."""
    files = list(list_label_maps(shared_data / "data/video" / folder).values())[::12]
    masks = [read_label_map(file) == 1 for file in files]
    noise = np.random.default_rng(0).random(masks[0].shape) < 1e-4
    for truth, later in pairwise(masks):
        for prediction in (later, truth[:, ::-1], truth ^ noise):
            assert jaccard(truth, prediction) == pytest.approx(reference_j(truth, prediction), abs=1e-9)
            assert boundary_f_measure(truth, prediction) == pytest.approx(
                reference_f(truth, prediction), abs=1e-9
            )

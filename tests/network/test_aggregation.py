from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from aggregation_reference import stm_soft_aggregation
from hypothesis import given, settings
from hypothesis import strategies as st

from fiftyone_hs2s.network.aggregation import aggregate, margins_to_probabilities
from fiftyone_hs2s.tracking.decision import decide_in_boxes


def random_logits(count, height=9, width=13, scale=4.0, seed=0):
    return scale * torch.randn(count, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("count", [1, 2, 7])
def test_soft_aggregation_is_that_of_stm(count):
    logits = random_logits(count)
    expected = stm_soft_aggregation(logits.double().sigmoid().numpy())
    margins, probabilities = aggregate(logits, "soft")
    np.testing.assert_allclose(probabilities.numpy(), expected[1:], atol=2e-5)
    np.testing.assert_allclose(margins_to_probabilities(margins, "soft").numpy(), expected[1:], atol=2e-5)


@pytest.mark.parametrize("count", [2, 4])
def test_soft_aggregation_is_finite_for_any_logits(count):
    logits = torch.tensor([-1e4, -100.0, -20.0, 0.0, 20.0, 100.0, 1e4])
    logits = torch.cartesian_prod(*[logits] * count).T[..., None]
    margins, probabilities = aggregate(logits, "soft")
    assert torch.isfinite(margins).all()
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    assert (probabilities.sum(0) <= 1.0001).all()


@pytest.mark.parametrize("count", [1, 3])
def test_argmax_is_that_of_the_released_code(count):
    logits = random_logits(count)
    stacked = torch.cat([torch.full_like(logits[:1], 0.5), logits.sigmoid()])
    labels = decide_in_boxes(
        aggregate(logits, "argmax")[0], list(range(1, count + 1)), tuple(logits.shape[1:])
    )
    assert torch.equal(labels.long(), stacked.argmax(0))


def test_two_halves_make_an_object_in_soft_aggregation_only():
    logits = torch.full((2, 1, 1), -0.2)  # 0.45 and 0.45: more likely than not that some object is there
    logits[0] += 0.01
    assert decide_in_boxes(aggregate(logits, "soft")[0], [5, 6], (1, 1)).item() == 5
    assert decide_in_boxes(aggregate(logits, "argmax")[0], [5, 6], (1, 1)).item() == 0


@pytest.mark.parametrize("size", [(9, 13), (31, 47), (97, 55), (5, 7), (1, 1), (200, 13)])
@pytest.mark.parametrize("count", [1, 4])
def test_decision_equals_enlarging_everything(size, count):
    margins = random_logits(count) - 3
    every = F.interpolate(margins[None], size, mode="bilinear", align_corners=False)[0]
    best, index = every.max(0)
    expected = torch.where(best > 0, index + 1, 0)
    actual = decide_in_boxes(margins, list(range(1, count + 1)), size)
    assert (actual != expected).float().mean() < 0.002  # rounding where two are equal


@settings(max_examples=50, deadline=None)
@given(
    st.tuples(*[st.integers(1, 40)] * 2), st.tuples(*[st.integers(1, 60)] * 2), st.integers(0, 99), st.data()
)
def test_decision_on_a_box_equals_enlarging_everything(old, new, seed, data):
    top, left = (data.draw(st.integers(0, side - 1)) for side in old)
    bottom, right = (
        data.draw(st.integers(low + 1, side)) for low, side in zip((top, left), old, strict=True)
    )
    margins = -random_logits(1, *old, seed=seed).abs() - 0.1
    margins[:, top:bottom, left:right] *= -1
    whole = F.interpolate(margins[None], new, mode="bilinear", align_corners=False)[0, 0]
    assert (decide_in_boxes(margins, [1], new) != (whole > 0))[whole.abs() > 1e-3].sum() == 0


def test_edges_are_smooth_at_the_frame_size():
    """A disc decided after enlarging is closer to the true one than a disc decided before."""
    size, factor = 32, 8
    y, x = torch.meshgrid(torch.arange(size) + 0.5, torch.arange(size) + 0.5, indexing="ij")
    logits = (10 - torch.hypot(y - 16, x - 16))[None]
    y, x = torch.meshgrid(*[(torch.arange(size * factor) + 0.5) / factor] * 2, indexing="ij")
    truth = torch.hypot(y - 16, x - 16) < 10
    after = decide_in_boxes(aggregate(logits, "soft")[0], [1], (size * factor, size * factor)) == 1
    before = (logits[0] > 0).repeat_interleave(factor, 0).repeat_interleave(factor, 1)
    assert (after != truth).sum() < 0.25 * (before != truth).sum()

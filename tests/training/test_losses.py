"""Losses against hand-computed cases and independent formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt

from training.losses import balanced_bce, bce, border_classes, border_loss, soft_jaccard, weighted_loss


def _masks(*rows: list[list[int]]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.uint8)[:, None]


def test_balanced_bce_by_hand() -> None:
    masks = _masks([[1, 0], [0, 0]])  # |Y-|/|Y| = 3/4
    logits = torch.tensor([[[[2.0, -1.0], [0.0, 3.0]]]])
    softplus = [math.log1p(math.exp(x)) for x in (-2.0, -1.0, 0.0, 3.0)]
    expected = (0.75 * softplus[0] + 0.25 * sum(softplus[1:])) / 4
    assert balanced_bce(logits, masks).item() == pytest.approx(expected, rel=1e-6)


def test_bce_is_the_library_function_on_valid_pixels() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 1, 5, 6, generator=generator)
    masks = torch.randint(0, 2, (2, 1, 5, 6), generator=generator, dtype=torch.uint8)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, masks.float())
    torch.testing.assert_close(bce(logits, masks), expected)


@pytest.mark.parametrize("loss", [balanced_bce, bce, soft_jaccard])
def test_void_pixels_do_not_count(loss) -> None:
    masks = _masks([[1, 0, 255, 255]])
    logits = torch.tensor([[[[1.0, -2.0, 5.0, -5.0]]]])
    changed = torch.tensor([[[[1.0, -2.0, -9.0, 9.0]]]])
    torch.testing.assert_close(loss(logits, masks), loss(changed, masks))
    torch.testing.assert_close(loss(logits, masks), loss(logits[..., :2], masks[..., :2]), atol=1e-6, rtol=0)


def test_soft_jaccard_by_hand() -> None:
    masks = _masks([[1, 1, 0, 0]])
    logits = torch.tensor([[[[0.0, 100.0, 0.0, -100.0]]]])  # probabilities 0.5, 1, 0.5, 0
    both, either = 1.5, 1.5 + 0.5 + 0.5
    assert soft_jaccard(logits, masks).item() == pytest.approx(1 - (both + 1) / (either + 1), rel=1e-6)


def test_border_classes_by_hand() -> None:
    row = np.zeros((1, 60), np.uint8)
    row[0, 30:] = 1
    classes = border_classes(row)[0]
    assert classes[29] == 19  # one pixel outside
    assert classes[10] == 0  # twenty outside: 20 - 20
    assert classes[0] == 0  # further out
    assert classes[30] == 22  # one pixel inside
    assert classes[49] == 41  # twenty inside
    assert classes[59] == 41  # further in
    assert not border_classes(np.zeros((4, 4), np.uint8)).any()
    assert (border_classes(np.ones((4, 4), np.uint8)) == 41).all()


def test_border_classes_against_scipys_distance() -> None:
    y, x = np.mgrid[:80, :90]
    mask = ((y - 40) ** 2 / 900 + (x - 40) ** 2 / 400 < 1).astype(np.uint8)
    signed = np.where(mask, distance_transform_edt(mask), -distance_transform_edt(1 - mask))
    rounded = np.clip(np.round(signed), -20, 20).astype(int)
    expected = np.where(rounded > 0, 21 + rounded, 20 + rounded)
    assert (border_classes(mask) == expected).mean() > 0.999  # a rounding of .5 may fall to either side


def test_border_loss_is_cross_entropy() -> None:
    mask = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    mask[..., 2:6, 2:6] = 1
    logits = torch.randn(1, 42, 8, 8, generator=torch.Generator().manual_seed(0))
    target = torch.from_numpy(border_classes(mask[0, 0].numpy()))[None]
    torch.testing.assert_close(border_loss(logits, mask), torch.nn.functional.cross_entropy(logits, target))


def test_the_mixes_by_name() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, border = torch.randn(1, 2, 1, 8, 8, generator=generator), torch.randn(1, 2, 42, 8, 8, generator=generator)
    masks = torch.zeros(1, 2, 1, 8, 8, dtype=torch.uint8)
    masks[..., :4] = 1
    total, parts = weighted_loss({"balanced_bce": 0.8, "border": 0.2}, logits, border, masks)
    assert total.item() == pytest.approx(0.8 * parts["balanced_bce"] + 0.2 * parts["border"], rel=1e-6)
    with pytest.raises(ValueError, match="border head"):
        weighted_loss({"border": 1.0}, logits, None, masks)

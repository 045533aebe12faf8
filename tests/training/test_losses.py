"""Losses against hand-computed cases and independent formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from aggregation_reference import stm_soft_aggregation
from scipy.ndimage import distance_transform_edt

from fiftyone_hs2s.network.aggregation import Meeting
from fiftyone_hs2s.training.losses import (
    balanced_bce,
    bce,
    border_classes,
    border_loss,
    competition,
    log_jaccard,
    soft_jaccard,
    weighted_loss,
)


def _masks(*rows: list[list[int]]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.uint8)[:, None]


def test_balanced_bce_by_hand() -> None:
    masks = _masks([[1, 0], [0, 0]])  # |Y-|/|Y| = 3/4
    logits = torch.tensor([[[[2.0, -1.0], [0.0, 3.0]]]])
    softplus = [math.log1p(math.exp(x)) for x in (-2.0, -1.0, 0.0, 3.0)]
    expected = (0.75 * softplus[0] + 0.25 * sum(softplus[1:])) / 4
    assert balanced_bce(logits, masks).item() == pytest.approx(expected, rel=1e-6)


def test_balanced_bce_counts_false_positives_where_the_object_is_hidden() -> None:
    """Balanced over all pictures together: |Y-|/|Y| is 7/8 here, and the second picture is all background."""
    masks = _masks([[1, 0], [0, 0]], [[0, 0], [0, 0]])
    logits = torch.zeros(2, 1, 2, 2)
    logits[1, 0, 0, 0] = 5.0
    background = 6 * math.log(2) + math.log1p(math.exp(5.0))
    expected = (7 / 8 * math.log(2) + 1 / 8 * background) / 8
    assert balanced_bce(logits, masks).item() == pytest.approx(expected, rel=1e-6)


def test_log_jaccard_by_hand() -> None:
    masks = _masks([[1, 1, 0, 0]], [[0, 0, 255, 0]])
    logits = torch.tensor([[[[0.0, 100.0, 0.0, -100.0]]], [[[0.0, -100.0, 100.0, -100.0]]]])
    both, either = 1.5, 1.5 + 0.5 + 0.5 + 0.5  # of both pictures together
    assert log_jaccard(logits, masks).item() == pytest.approx(-math.log((both + 1) / (either + 1)), rel=1e-6)


def test_bce_is_the_library_function_on_valid_pixels() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 1, 5, 6, generator=generator)
    masks = torch.randint(0, 2, (2, 1, 5, 6), generator=generator, dtype=torch.uint8)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, masks.float())
    torch.testing.assert_close(bce(logits, masks), expected)


@pytest.mark.parametrize("loss", [balanced_bce, bce, soft_jaccard, log_jaccard])
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
    whole = np.clip(np.trunc(signed), -20, 20).astype(int)  # as the released script has it
    expected = np.where(whole > 0, 21 + whole, 20 + whole)
    np.testing.assert_array_equal(border_classes(mask), expected)


def test_border_loss_is_cross_entropy() -> None:
    mask = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    mask[..., 2:6, 2:6] = 1
    logits = torch.randn(1, 42, 8, 8, generator=torch.Generator().manual_seed(0))
    target = torch.from_numpy(border_classes(mask[0, 0].numpy()))[None]
    expected = torch.nn.functional.cross_entropy(logits, target)
    torch.testing.assert_close(border_loss(logits, target.to(torch.uint8)), expected)
    ignored = target.to(torch.uint8).index_fill(1, torch.tensor([0, 1]), 255)
    rest = torch.nn.functional.cross_entropy(logits[:, :, 2:], target[:, 2:])
    torch.testing.assert_close(border_loss(logits, ignored), rest)


def test_the_mixes_by_name() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, border = (
        torch.randn(1, 2, 1, 8, 8, generator=generator),
        torch.randn(1, 2, 42, 8, 8, generator=generator),
    )
    masks = torch.zeros(1, 2, 1, 8, 8, dtype=torch.uint8)
    masks[..., :4] = 1
    classes = torch.from_numpy(border_classes(masks[0, 0, 0].numpy())).to(torch.uint8).expand(1, 2, 8, 8)
    total, parts = weighted_loss({"balanced_bce": 0.8, "border": 0.2}, logits, border, masks, classes=classes)
    assert total.item() == pytest.approx(0.8 * parts["balanced_bce"] + 0.2 * parts["border"], rel=1e-6)
    with pytest.raises(ValueError, match="border head"):
        weighted_loss({"border": 1.0}, logits, None, masks)


def test_competition_is_the_cross_entropy_of_what_the_tracker_decides_by() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = 3 * torch.randn(3, 1, 4, 5, generator=generator)
    labels = torch.randint(0, 3, (2, 4, 5), generator=generator)
    labels[1] %= 2
    labels[0, 0, 0] = 255
    masks = torch.stack([labels[0] == 1, labels[0] == 2, labels[1] == 1]).to(torch.uint8)[:, None]
    masks[:2, :, 0, 0] = 255
    first = stm_soft_aggregation(logits[:2, 0].double().sigmoid().numpy())
    second = stm_soft_aggregation(logits[2:, 0].double().sigmoid().numpy())
    pairs = zip((first, second), labels.numpy(), strict=True)
    wanted = [-np.log(np.take_along_axis(p, (n % 255)[None], 0)[0]) for p, n in pairs]
    wanted[0][0, 0] = 0
    meeting = Meeting(torch.tensor([0, 0, 1]))
    expected = (wanted[0].sum() + wanted[1].sum()) / 39
    assert competition(logits, masks, meeting).item() == pytest.approx(expected, rel=1e-4)
    hard = np.mean([np.sort(w.ravel())[-5:] for w in wanted])  # a quarter of 20 pixels
    assert competition(logits, masks, meeting, hardest=0.25).item() == pytest.approx(hard, rel=1e-4)


def test_the_weighted_sum_lets_the_objects_of_each_frame_compete() -> None:
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(3, 2, 1, 4, 5, generator=generator)
    masks = torch.randint(0, 2, (3, 2, 1, 4, 5), generator=generator, dtype=torch.uint8)
    masks[1][masks[0] == 1] = 0
    owner = torch.tensor([0, 0, 1])
    _, parts = weighted_loss({"competition": 1.0}, logits, None, masks, owner)
    by_frame = [competition(logits[:, t], masks[:, t], Meeting(owner)).item() for t in range(2)]
    assert parts["competition"] == pytest.approx(np.mean(by_frame), rel=1e-5)

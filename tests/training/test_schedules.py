"""Schedules against the paper's epochs and cases worked out by hand."""

from __future__ import annotations

import pytest

from fiftyone_hs2s.training.run_config import TrainingConfig
from fiftyone_hs2s.training.schedules import hardest_share, norm_is_frozen, own_mask_probability, rate_factor

PAPER = TrainingConfig.load("hs2s-resnet50")
EPOCH = 217  # steps


def test_the_paper_s_scheduled_sampling() -> None:
    for epoch in (0, 150, 299, 300, 310, 400, 425, 600, 749):
        truth = 1.0 if epoch < 300 else max(0.5, 1 - 0.004 * (epoch - 300))
        assert own_mask_probability(PAPER, epoch / 750) == pytest.approx(1 - truth, abs=1e-6)


def test_the_paper_s_rate_falls_by_a_tenth_every_five_epochs_of_the_last_hundred() -> None:
    for epoch in (0, 100, 649, 653, 658, 703, 748):
        expected = 0.9 ** max(0, (epoch - 650) // 5)
        assert rate_factor(PAPER, epoch * EPOCH, epoch / 750) == pytest.approx(expected, rel=1e-3)


def test_the_paper_s_batch_norm_and_clip_lengths() -> None:
    assert not norm_is_frozen(PAPER, 499 / 750) and norm_is_frozen(PAPER, 501 / 750)
    assert PAPER.steps == 750 * EPOCH
    assert [stage.length for stage in PAPER.stages] == [5, 6, 7, 8, 9, 10]
    assert all(stage.steps == 10 * EPOCH for stage in PAPER.stages[:-1])


def test_a_line_with_warm_up_by_hand() -> None:
    values = {
        "model": "hs2s-lite",
        "stages": [{"steps": 100}],
        "warmup": 4,
        "decay_share": 0.5,
        "final_lr": 0.1,
    }
    config = TrainingConfig.from_dict(values)
    expected = {0: 0.25, 1: 0.5, 3: 1.0, 50: 1.0, 60: 0.8, 75: 0.5, 97: 0.1, 99: 0.1}
    assert {step: rate_factor(config, step, step / 100) for step in expected} == pytest.approx(expected)
    assert own_mask_probability(config, 0) == own_mask_probability(config, 0.99) == 0.7
    assert norm_is_frozen(config, 0)
    # A run whose time is over sooner than its steps.
    assert rate_factor(config, 20, 0.75) == pytest.approx(0.5)


def test_hard_pixel_mining_narrows_until_half_of_the_run() -> None:
    config = TrainingConfig.from_dict({"model": "hs2s-lite", "stages": [{"steps": 100}], "hardest": 0.2})
    assert [hardest_share(config, done) for done in (0, 0.25, 0.5, 1)] == pytest.approx([1, 0.6, 0.2, 0.2])

"""What changes during a run: learning rate, scheduled sampling, batch norm.

All goes by ``done``, the part of the run that is done, 0..1: of its steps, or of its time where that is
limited.
"""

from __future__ import annotations

import math

from fiftyone_hs2s.training.run_config import TrainingConfig


def rate_factor(config: TrainingConfig, step: int, done: float) -> float:
    """The learning rate of a step (from 0), as a factor: linear warm-up, a plateau, then a fall to
    ``final_lr``.

    The fall is linear over ``decay_share`` of the run, or in ``decay_drops`` equal ratios: the released
    script's x0.9 every 5 epochs over the last 100 of 750 is ``decay_share = 2/15``, ``decay_drops = 20``,
    ``final_lr = 0.9**20``.
    """
    rise = min(1.0, (step + 1) / max(1, config.warmup))
    left = (1 - done) / max(1 / config.steps, config.decay_share)
    if not config.decay_drops:
        return rise * max(config.final_lr, min(1.0, left))
    drops = int(max(0.0, 1 - left) * config.decay_drops + 1e-6)
    return rise * config.final_lr ** (drops / config.decay_drops)


def own_mask_probability(config: TrainingConfig, done: float) -> float:
    """Scheduled sampling: how often a frame is seen with the network's own last mask instead of the truth.

    0 until ``own_mask_from`` of the run, then rising by ``own_mask_rise`` a run up to ``own_mask``. The
    paper's truth with probability max(0.5, 1 - 0.004 (epoch - 300)) of 750 epochs is from 0.4, rise 3, up to
    0.5.
    """
    since = done - config.own_mask_from
    if since < 0:
        return 0.0
    return (
        config.own_mask
        if math.isinf(config.own_mask_rise)
        else min(config.own_mask, since * config.own_mask_rise)
    )


def hardest_share(config: TrainingConfig, done: float) -> float:
    """The share of the pixels that hard-pixel mining counts: 1, falling to ``hardest`` until half of the
    run."""
    return 1 - (1 - config.hardest) * min(1.0, 2 * done)


def norm_is_frozen(config: TrainingConfig, done: float) -> bool:
    """Whether batch norm uses its running statistics by now (the released script: after 500 of 750
    epochs)."""
    return done >= config.freeze_norm_from

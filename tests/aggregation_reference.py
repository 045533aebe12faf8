"""Soft aggregation as STM has it, in float64."""

from __future__ import annotations

import numpy as np


def stm_soft_aggregation(probabilities):
    """STM's Soft_aggregation in float64 with explicit odds: the reference."""
    background = np.prod(1 - probabilities, axis=0, keepdims=True)
    every = np.concatenate([background, probabilities]).clip(1e-7, 1 - 1e-7)
    odds = every / (1 - every)
    return odds / odds.sum(0)

"""Activation checkpointing: less memory in training, for a step that is computed twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint


def recompute(function: Callable[..., Any], network: nn.Module, *args: Any) -> Any:
    """Calls ``function(*args)``, and again in the backward pass, so that nothing within it is kept until
    then.

    Args:
        function: what to call; it may give anything
        network: whose batch norm counts each picture once all the same
        args: for the function
    """

    def contexts() -> tuple[Any, Any]:
        return nullcontext(), _statistics_kept(network)

    return checkpoint(function, *args, use_reentrant=False, context_fn=contexts)


@contextmanager
def _statistics_kept(network: nn.Module) -> Iterator[None]:
    """Batch norm works as before, but its running statistics stay as they are."""
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum

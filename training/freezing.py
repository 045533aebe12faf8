"""Parts of a network that are not trained."""

from __future__ import annotations

from torch import nn

from fiftyone_hs2s.network.hs2s import HS2S


def freeze_stages(network: HS2S, stages: int) -> None:
    """Freezes the first stages of a shared trunk."""
    for stage in list(network.trunk.stages)[:stages] if network.trunk is not None else ():
        stage.requires_grad_(False)


def freeze_norm(network: HS2S, frozen: bool) -> None:
    """Lets batch norm keep its statistics, or learn them again."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.SyncBatchNorm):
            module.train(not frozen)

"""From a configuration to the network, the optimizer and the precision of a run."""

from __future__ import annotations

import torch
from torch import nn

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.network.config import HS2SConfig
from fiftyone_hs2s.network.hs2s import HS2S, build_network
from fiftyone_hs2s.network.weights import load_network
from fiftyone_hs2s.runtime.device import choose_device, choose_precision
from fiftyone_hs2s.training.pretrained import load_imagenet
from fiftyone_hs2s.training.run_config import TrainingConfig
from fiftyone_hs2s.training.transfer import transfer


def build(config: TrainingConfig, fresh: bool) -> HS2S:
    """Builds the network of a run, in training mode.

    Args:
        config: the run
        fresh: whether it starts now, so that the network needs its first weights

    Raises:
        HS2SError: if the loss ``border`` has no border head, or weights cannot be read
    """
    start = None
    if config.init:  # also to resume: it says what form the network has, which presets may no longer have
        start = load_network(config.model, None if config.init == "shipped" else config.init)
    settings = (start.config if start else HS2SConfig.preset(config.model)).to_dict()
    network = build_network(HS2SConfig.from_dict({**settings, **config.network}))
    if config.losses.get("border") and not network.config.border_head:
        raise HS2SError(
            f"The loss 'border' needs a border head, which {config.model!r} lacks: leave the loss out"
        )
    if start:
        # What the weights lack (others' masks, say) starts untrained.
        network.load_state_dict({**network.state_dict(), **start.state_dict()})
    elif fresh:
        load_imagenet(network)
        if config.transfer:
            transfer(network, config.transfer)
    return network.train()


def build_optimizer(network: HS2S, config: TrainingConfig) -> torch.optim.Optimizer:
    """The optimizer of what is trained, with a learning rate for the pretrained parts and one for the others.

    Its groups hold their rates as ``base_lr`` too.
    """
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    if config.optimizer not in kinds:
        raise HS2SError(f"There is no optimizer {config.optimizer!r}: take adam or adamw")
    pretrained: list[nn.Parameter] = []
    new: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            (pretrained if ".stages." in name else new).append(parameter)
    rates = (config.lr * config.pretrained_lr, config.lr)
    groups = [
        {"params": p, "base_lr": rate, "lr": rate} for p, rate in zip((pretrained, new), rates, strict=True)
    ]
    return kinds[config.optimizer](groups, weight_decay=config.weight_decay)


def accelerate_precision(name: str) -> str:
    """Accelerate's name of a precision; ``auto`` is what tracking would take."""
    names = {torch.float32: "no", torch.bfloat16: "bf16", torch.float16: "fp16"}
    return names[choose_precision("auto", choose_device())] if name == "auto" else name


def check_batches(config: TrainingConfig, processes: int) -> None:
    """Makes sure that processes can share the batches of a run.

    Raises:
        HS2SError: if they cannot do so evenly
    """
    for stage in config.stages:
        if stage.batch % processes:
            raise HS2SError(
                f"{processes} processes cannot share a batch of {stage.batch} evenly: set a multiple"
            )

"""Weights of another network, of which a new one takes what fits."""

from __future__ import annotations

from pathlib import Path

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.models import default_weights
from fiftyone_hs2s.network.hs2s import HS2S
from fiftyone_hs2s.network.weights import read_config, read_state_dict


def transfer(network: HS2S, source: str) -> int:
    """Gives a network each tensor of another one that it has too, by name and shape.

    Backbone stages that the other network runs for each object, and this one once a frame, come from its
    encoder.

    Args:
        network: what is not taken stays as it is
        source: a ``.safetensors`` file of ours, or the name of a model whose weights are shipped

    Returns:
        how many values were taken

    Raises:
        HS2SError: if there are no such weights, or nothing fits
    """
    path = default_weights(source) or Path(source)
    first = read_config(path).mask_stage + 1
    own, taken = network.state_dict(), {}
    for key, value in read_state_dict(path).items():
        if network.trunk is not None and key.startswith("encoder.stages."):
            index, _, rest = key.removeprefix("encoder.stages.").partition(".")
            key = key if key in own else f"trunk.stages.{first + int(index)}.{rest}"
        if key in own and own[key].shape == value.shape:
            taken[key] = value
    if not taken:
        raise HS2SError(
            f"Nothing of {path} fits the network {network.config.name!r}: give weights of one like it"
        )
    network.load_state_dict({**own, **taken})
    return sum(value.numel() for value in taken.values())

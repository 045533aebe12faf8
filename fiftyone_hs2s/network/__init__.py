"""The HS2S network: pure PyTorch, floats in, logits out."""

from __future__ import annotations

from fiftyone_hs2s.network.config import HS2SConfig, available_models
from fiftyone_hs2s.network.encoders import ImageFeatures
from fiftyone_hs2s.network.hs2s import HS2S, build_network
from fiftyone_hs2s.network.state import State
from fiftyone_hs2s.network.weights import (
    convert_official_state_dict,
    default_weights,
    load_network,
    read_config,
    register_model,
    save_weights,
)

__all__ = [
    "HS2S",
    "HS2SConfig",
    "ImageFeatures",
    "State",
    "available_models",
    "build_network",
    "convert_official_state_dict",
    "default_weights",
    "load_network",
    "read_config",
    "register_model",
    "save_weights",
]

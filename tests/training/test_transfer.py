"""A network takes what fits of another one's weights."""

from __future__ import annotations

import pytest
import torch

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.network import build_network, save_weights
from fiftyone_hs2s.training.run_config import TrainingConfig
from fiftyone_hs2s.training.transfer import transfer


def test_the_shared_network_takes_what_fits_of_hs2s_lite(tmp_path) -> None:
    source, network = build_network("hs2s-lite"), build_network("hs2s-lite-shared")
    before = {key: value.clone() for key, value in network.state_dict().items()}
    save_weights(source, tmp_path / "w.safetensors")
    taken = transfer(network, str(tmp_path / "w.safetensors"))
    given, own = source.state_dict(), network.state_dict()
    last = {key: value for key, value in own.items() if key.startswith("trunk.stages.5.")}
    assert last
    for key, value in last.items():
        assert torch.equal(value, given[key.replace("trunk.stages.5.", "encoder.stages.1.")])
    for part in ("trunk.stages.4.", "memory.", "skip_memory.", "merge.", "skip_merge.matchers.first.value"):
        keys = [key for key in given if key.startswith(part) and key in own]
        assert keys and all(torch.equal(own[key], given[key]) for key in keys)
    assert torch.equal(own["decoder.blocks.0.conv.weight"], before["decoder.blocks.0.conv.weight"])
    assert taken > 0.5 * sum(value.numel() for value in own.values())


def test_weights_of_which_nothing_fits_are_refused(tmp_path) -> None:
    with pytest.raises(HS2SError, match="no weights file"):
        transfer(build_network("hs2s-lite-shared"), str(tmp_path / "gone.safetensors"))


def test_the_config_trains_the_shared_network_from_the_shipped_weights() -> None:
    config = TrainingConfig.load("hs2s-lite-shared")
    assert (config.model, config.init, config.transfer) == ("hs2s-lite-shared", None, "hs2s-lite")

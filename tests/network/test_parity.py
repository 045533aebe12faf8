"""The network is numerically the released one: parity/README.md says where its numbers come from."""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.network import build_network, convert_official_state_dict, load_network


def _fill(name: str, shape: list[int]) -> torch.Tensor:
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    if name.endswith("num_batches_tracked"):
        return torch.tensor(0)
    random = torch.randn(tuple(shape), generator=generator)
    if name.endswith("running_var"):
        return 1 + 0.1 * random.abs()
    if name.endswith("running_mean"):
        return 0.1 * random
    if len(shape) == 1:
        return 1 + 0.1 * random if name.endswith("weight") else 0.1 * random
    return random / math.sqrt(math.prod(shape[1:]))


@pytest.fixture(scope="module")
def official(parity: Path) -> dict[str, torch.Tensor]:
    shapes = json.loads((parity / "official_state_dict.json").read_text())
    return {name: _fill(name, shape) for name, shape in shapes.items()}


def test_logits_equal_those_of_the_released_network(parity: Path, official: dict) -> None:
    golden = np.load(parity / "golden_a.npz")
    with torch.device("meta"):
        network = build_network("hs2s-resnet50").eval()
    network.load_state_dict(convert_official_state_dict(official), assign=True)
    std, mean = (torch.tensor(v).view(1, 3, 1, 1) for v in (network.config.std, network.config.mean))
    frames = torch.from_numpy(golden["rgb"]) * std + mean  # the fixture is normalized already
    with torch.inference_mode():
        logits = network(frames, torch.from_numpy(golden["mask"]))
        image = network.encode_image(frames[:, 0])
        state = network.start(image, torch.from_numpy(golden["mask"])[:, 0].view(1, 1, *frames.shape[-2:]))
        streamed = []
        for t in range(1, frames.shape[1]):
            out, state = network.step(network.encode_image(frames[:, t]), state)
            streamed.append(out)
    np.testing.assert_allclose(logits, golden["logits"], atol=1e-4, rtol=0)
    np.testing.assert_allclose(torch.stack(streamed, 1), golden["logits"], atol=1e-4, rtol=0)


def test_checkpoint_entries_that_do_not_fit_are_named(official: dict) -> None:
    state = {f"module.{key}": value for key, value in official.items()}
    del state["module.memory.conv.bias"]
    state["module.decoder.mm.weight"] = torch.zeros(3)
    state["module.extra.weight"] = torch.zeros(1)
    with pytest.raises(HS2SError) as error:
        convert_official_state_dict(state)
    for part in ("1 missing (memory.conv.bias)", "1 unknown (extra.weight)", "skip_merge.mix.weight"):
        assert part in str(error.value)


def test_a_file_of_the_released_form_loads(official: dict, tmp_path: Path) -> None:
    path = tmp_path / "weights_HS2S.pth"
    torch.save({"model": {f"module.{k}": v for k, v in official.items()}, "optimizer": {}}, path)
    network = load_network("hs2s-resnet50", path)
    assert torch.equal(network.memory.conv.bias, official["memory.conv.bias"])

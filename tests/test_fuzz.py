"""Whatever is given, the answer is a result or one sentence (HS2SError): configs and weights.

Each test is bounded and draws the same examples in every run; HS2S_FUZZ multiplies their number.
"""

from __future__ import annotations

import dataclasses
import io
import json
from typing import Any

import torch
from fuzz_kit import LEAVES, VALUES, bounded, refused_or
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from fiftyone_hs2s.network import HS2S, HS2SConfig, available_models, load_network
from fiftyone_hs2s.training.run_config import CONFIGS, Stage, TrainingConfig


def names(*classes: type) -> list[str]:
    return [field.name for cls in classes for field in dataclasses.fields(cls)]


@bounded(60)
@given(
    st.sampled_from(available_models()),
    st.dictionaries(st.sampled_from(names(HS2SConfig)), VALUES, max_size=3),
    VALUES,
)
def test_network_settings(base: str, changes: dict, anything: Any) -> None:
    refused_or(lambda: HS2SConfig.from_dict(anything))
    config = refused_or(lambda: HS2SConfig.from_dict({**HS2SConfig.preset(base).to_dict(), **changes}))
    if config is not None:
        assert HS2SConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
        with torch.device("meta"):  # what is taken can be built
            HS2S(config)


@bounded(60)
@given(
    st.dictionaries(st.sampled_from([*names(TrainingConfig), "base", "angle"]), VALUES, max_size=3),
    st.dictionaries(st.sampled_from([*names(Stage), "other"]), VALUES, max_size=3),
    st.lists(st.text("abls=.[]{}:0123456789-,!&*'\" \n", max_size=12), max_size=2),
)
def test_training_settings(changes: dict, stage: dict, overrides: list[str]) -> None:
    values = {"model": "hs2s-lite", "stages": [{"steps": 2, **stage}], **changes}
    refused_or(lambda: TrainingConfig.from_dict(values))
    texts = [f"{name}={value}" for name, value in changes.items()]
    refused_or(lambda: TrainingConfig.load("finetune", overrides + texts))


@bounded(60)
@given(
    st.sampled_from(["finetune", "hs2s-lite"]),
    st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=4)), min_size=1, max_size=3),
)
def test_training_config_files(tmp_path_factory, base: str, edits: list[tuple[int, bytes]]) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    file.write_bytes(edited((CONFIGS / f"{base}.yaml").read_bytes(), edits))
    refused_or(lambda: TrainingConfig.load(file))


def edited(data: bytes, edits: list[tuple[int, bytes]]) -> bytes:
    """Data with bytes put in, and one taken out, at some places."""
    for place, new in edits:
        place %= len(data) + 1
        data = data[:place] + new + data[place + 1 :]
    return data


TENSORS = st.sampled_from(
    [
        torch.zeros(2),
        torch.zeros(2, dtype=torch.int64),
        torch.zeros(2, dtype=torch.complex64),
        torch.full((2,), torch.nan),
        torch.zeros(2, dtype=torch.float8_e4m3fn),
        torch.zeros(1).expand(10**6, 10**6),
        torch.eye(2).to_sparse(),
        torch.empty(2, device="meta"),
        torch.zeros(0),
    ]
)


KEYS = st.sampled_from(
    ["memory.conv.bias", "module.encoder.conv1.weight", "model", "", 0, 1.5, None, "\ud800"]
)


CONTENTS = st.recursive(
    TENSORS | LEAVES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=4,
)


EDITS = st.lists(st.tuples(st.integers(0, 3000), st.binary(max_size=4)), max_size=3)


@bounded(60)
@given(CONTENTS, EDITS)
def test_checkpoints(tmp_path_factory, content: Any, edits: list[tuple[int, bytes]]) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzz.pth"
    data = io.BytesIO()
    torch.save(content, data)
    file.write_bytes(edited(data.getvalue(), edits))
    assert refused_or(lambda: load_network("hs2s-resnet50", file)) is None


@bounded(60)
@given(VALUES, st.text(max_size=20), EDITS)
def test_weights(tmp_path_factory, config: Any, text: str, edits: list[tuple[int, bytes]]) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzz.safetensors"
    tensors = {"a": torch.zeros(2), "b": torch.zeros(2, dtype=torch.int64)}
    for metadata in (None, {"config": text}, {"config": json.dumps(config, skipkeys=True)}):
        file.write_bytes(edited(save(tensors, metadata), edits))
        assert refused_or(lambda: load_network("hs2s-lite", file)) is None

"""Weights files: round trip, and what bad ones get."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.network import (
    HS2SConfig,
    build_network,
    load_network,
    read_config,
    register_model,
    save_weights,
)
from fiftyone_hs2s.network.weights import _check


def test_round_trip_in_half_precision(tmp_path: Path) -> None:
    network = build_network("hs2s-lite")
    save_weights(network, tmp_path / "w.safetensors", half=True)
    loaded = load_network("hs2s-lite", tmp_path / "w.safetensors")
    assert read_config(tmp_path / "w.safetensors") == network.config
    for key, value in network.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[key], value, atol=1e-3, rtol=1e-3)
        assert loaded.state_dict()[key].dtype == value.dtype
    assert not loaded.training
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


@pytest.mark.parametrize("content", [b"", b"not weights at all, but long enough to be read"])
@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_damaged_files_are_named(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(HS2SError, match=name):
        load_network("hs2s-lite", tmp_path / name)


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(HS2SError, match=r"missing .* 1 unknown \(a\)"):
        load_network("hs2s-lite", tmp_path / "foreign.safetensors")
    save_weights(build_network("s2s-lite"), tmp_path / "other.safetensors")
    with pytest.raises(HS2SError, match="weights of 's2s-lite', not of 'hs2s-lite'"):
        load_network("hs2s-lite", tmp_path / "other.safetensors")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(HS2SError, match="no state dict"):
        load_network("hs2s-lite", tmp_path / "list.pth")
    with pytest.raises(HS2SError, match="no HS2S configuration"):
        read_config(tmp_path / "foreign.safetensors")


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self):
            return print, ("run",)

    torch.save({"model": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(HS2SError, match=r"evil\.pth"):
        load_network("hs2s-resnet50", tmp_path / "evil.pth")


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    network = build_network("hs2s-lite")
    network.memory.conv.bias.data[0] = float("nan")
    save_weights(network, tmp_path / "nan.safetensors")
    with pytest.raises(HS2SError, match=r"not finite in memory\.conv\.bias"):
        load_network("hs2s-lite", tmp_path / "nan.safetensors")


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.long(),
        lambda value: value.to(torch.complex64),
        lambda value: value.to_sparse(),
        lambda value: value.to("meta"),
        lambda value: torch.quantize_per_tensor(value, 0.1, 0, torch.qint8),
    ],
)
def test_tensors_that_are_no_plain_floats_are_refused(change) -> None:
    network = build_network("hs2s-lite")
    state = {**network.state_dict(), "memory.conv.bias": change(network.memory.conv.bias.data)}
    with pytest.raises(
        HS2SError, match=r"w has other than plain numbers .* in memory\.conv\.bias; it is damaged"
    ):
        _check(network.state_dict(), state, "w")


def test_a_checkpoint_with_numbers_for_names_is_refused(tmp_path: Path) -> None:
    torch.save({0: torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(
        HS2SError, match=r"w\.pth is not a checkpoint of a network: 0 is not a parameter's name"
    ):
        load_network("hs2s-resnet50", tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "its configuration is not valid JSON"),
        ("[" * 100_000, "its configuration is not valid JSON"),
        ("[1]", "names with values"),
        ('{"memory_frames": 1000000000}', "'memory_frames' cannot be 1000000000"),
        ('{"wdth": 1}', "did you mean 'width'"),
    ],
)
def test_a_configuration_that_is_none_is_refused_with_its_file(
    tmp_path: Path, config: str, message: str
) -> None:
    save_file({"a": torch.zeros(2)}, tmp_path / "w.safetensors", {"config": config})
    with pytest.raises(HS2SError, match=rf"w\.safetensors cannot be used: .*{message}"):
        read_config(tmp_path / "w.safetensors")


def test_missing_weights_say_how_to_get_them() -> None:
    with pytest.raises(HS2SError, match="hs2s weights convert"):
        load_network("hs2s-resnet50")
    with pytest.raises(HS2SError, match="no weights file"):
        load_network("hs2s-lite", "/nowhere/w.safetensors")


@pytest.mark.parametrize("mask", [0o022, 0o027])
def test_weights_can_be_read_by_whom_the_umask_says(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        save_weights(build_network("s2s-lite"), tmp_path / "w.safetensors", half=True)
    finally:
        os.umask(before)
    assert (tmp_path / "w.safetensors").stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of registered models."""
    monkeypatch.setenv("HS2S_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def test_a_registered_model_loads_by_name(models: Path, tmp_path: Path) -> None:
    network = build_network("s2s-lite")
    save_weights(network, tmp_path / "w.safetensors")
    assert register_model("cells", tmp_path / "w.safetensors") == models / "cells.safetensors"
    loaded = load_network("cells")
    assert loaded.config == network.config
    for key, value in network.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[key], value)


def test_the_reset_period_of_a_file_is_its_own_unless_another_is_given(models: Path, tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    save_weights(build_network(dataclasses.replace(HS2SConfig.preset("s2s-lite"), reset_period=7)), file)
    register_model("cells", file)
    for source in ({"name": "cells"}, {"name": "s2s-lite", "weights": file}):
        periods = [load_network(**source, reset_period=n).config.reset_period for n in (None, 0, 20)]
        assert periods == [7, 0, 20]
    with pytest.raises(HS2SError, match="'reset_period' must be a number of frames"):
        load_network("cells", reset_period=-1)


def test_only_weights_of_ours_are_registered(models: Path, tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2)}, tmp_path / "foreign.safetensors")
    for name in ("foreign.safetensors", "gone.safetensors"):
        with pytest.raises(HS2SError, match=name):
            register_model("cells", tmp_path / name)
    assert not models.exists()


def test_unknown_names_bring_near_ones_to_mind(models: Path, tmp_path: Path) -> None:
    save_weights(build_network("s2s-lite"), tmp_path / "w.safetensors")
    register_model("white-cells", tmp_path / "w.safetensors")
    with pytest.raises(HS2SError, match="Unknown model 'white-cels'; did you mean 'white-cells'"):
        load_network("white-cels")
    with pytest.raises(HS2SError, match=r"Unknown model 'xyz'; choose one of .*hs2s-lite.*white-cells"):
        load_network("xyz")
    with pytest.raises(HS2SError, match="Unknown model 'white-cells'"):
        load_network("white-cells", tmp_path / "w.safetensors")

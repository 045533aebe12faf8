from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from track_kit import refused

from fiftyone_hs2s.cli.main import main
from fiftyone_hs2s.masks import list_label_maps, read_label_map
from fiftyone_hs2s.network import build_network, load_network, register_model, save_weights


def test_a_registered_model_by_name(clip, weights, monkeypatch, capsys):
    monkeypatch.setenv("HS2S_MODELS", str(clip / "models"))
    register_model("cells", weights)
    common = ["track", str(clip / "frames"), "--mask", str(clip / "masks/IMG_8.png"), "--size", "64x96"]
    common += ["--precision", "float32"]
    assert main([*common, "--model", "cells", "--out", str(clip / "a")]) == 0
    assert main([*common, "--weights", str(weights), "--out", str(clip / "b")]) == 0
    for name, file in list_label_maps(clip / "a").items():
        np.testing.assert_array_equal(read_label_map(file), read_label_map(clip / "b" / f"{name}.png"))
    assert main([*common, "--model", "cels", "--out", str(clip / "c")]) == 2
    assert "Unknown model 'cels'; did you mean 'cells'" in capsys.readouterr().err


def test_device_and_precision_are_told(hs2s, caplog):
    with caplog.at_level("INFO", "fiftyone_hs2s"):
        hs2s("--device", "cpu")
    assert "Tracking with hs2s-lite on cpu in float32 by PyTorch" in caplog.messages


def test_reset_period(hs2s, monkeypatch):
    loaded, load = [], load_network
    monkeypatch.setattr(
        "fiftyone_hs2s.network.load_network", lambda *given: loaded.append(load(*given)) or loaded[-1]
    )
    for options in ([], ["--reset-period", "20"]):
        assert hs2s(*options, "--overwrite")[0] == 0
    assert [network.config.reset_period for network in loaded] == [0, 20]
    refused(hs2s("--reset-period", "-1", out="negative"), "reset_period", out="negative")


def test_unknown_model_names_the_near_ones(hs2s):
    refused(hs2s("--model", "hs2s-light"), "hs2s-light", "hs2s-lite")


def test_damaged_and_foreign_weights(hs2s):
    Path("bad.safetensors").write_bytes(b"12345678garbage")
    refused(hs2s("--weights", "bad.safetensors"), "bad.safetensors")
    torch.save({"model": {"conv.weight": torch.zeros(3)}}, "foreign.pth")
    refused(hs2s("--weights", "foreign.pth"), "conv.weight")
    refused(hs2s("--weights", "none.safetensors"), "none.safetensors")


def test_weights_that_give_values_that_are_not_finite(hs2s, weights):
    network = build_network("hs2s-lite")
    with torch.no_grad():
        for parameter in network.decoder.parameters():
            parameter.mul_(1e30)
    save_weights(network, "huge.safetensors")
    status, _, error = hs2s("--weights", "huge.safetensors")
    assert status == 2
    assert "not finite" in error


@pytest.mark.parametrize("size", ["256", "256x", "axb", "-32x64"])
def test_size_that_is_none(hs2s, size):
    with pytest.raises(SystemExit) as caught:
        hs2s("--size", size)
    assert caught.value.code == 2


def test_size_that_the_network_cannot_take(hs2s):
    refused(hs2s("--size", "100x100"), "multiples of 32", "100x100")
    refused(hs2s("--size", "320000x320000"), "up to 4096", "320000x320000")


@pytest.mark.parametrize("device", ["meta", "hpu", "cuda:99", "nothing"])
def test_device_that_is_not_here(hs2s, device):
    refused(hs2s("--device", device), f'no device "{device}"')


def test_adapt_and_average(hs2s, caplog):
    with caplog.at_level("INFO", "fiftyone_hs2s"):
        for name, options in {
            "plain": [],
            "adapted": ["--adapt", "1e-6"],
            "average": ["--average", "flip"],
        }.items():
            assert hs2s("--json", f"{name}.json", *options, mask="masks", out=name)[0] == 0
    assert [text for text in caplog.messages if text.startswith("Adapting")] == [
        "Adapting to 2 objects, 1e-06 s"
    ]
    reports = {name: json.loads(Path(f"{name}.json").read_text()) for name in ("plain", "adapted", "average")}
    assert [report["adapted_seconds"] for report in reports.values()] == [0, 1e-6, 0]
    assert [report["average"] for report in reports.values()] == ["none", "none", "flip"]
    assert len({report["confidence"]["IMG_13"]["1"] for report in reports.values()}) == 3


@pytest.mark.parametrize("options", [["--adapt", "-1"], ["--adapt", "soon"], ["--average", "mirror"]])
def test_adapt_and_average_that_are_none(hs2s, options):
    with pytest.raises(SystemExit):
        hs2s(*options)

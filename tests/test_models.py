"""Models by name: those that come with weights are found by their files, and one of them is the default."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fiftyone_hs2s.averages import LABELS
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.models import default_model, default_weights, shipped_models, short_name
from fiftyone_hs2s.network import (
    HS2SConfig,
    available_models,
    build_network,
    load_network,
    register_model,
    save_weights,
)
from fiftyone_hs2s.tracking.views import AVERAGES
from fiftyone_hs2s.training.run_config import TrainingConfig

OPEN = "hs2s-lite-open"
ZOO = Path(__file__).parents[1] / "model_zoo"


@pytest.fixture(autouse=True)
def settings(tmp_path, monkeypatch) -> Path:
    """A folder of settings and registered models of its own; no environment variable chooses a model."""
    monkeypatch.delenv("HS2S_DEFAULT_MODEL", raising=False)
    monkeypatch.delenv("HS2S_MODELS", raising=False)
    monkeypatch.setenv("FIFTYONE_CONFIG_PATH", str(tmp_path / "config.json"))
    (tmp_path / "hs2s").mkdir()
    return tmp_path / "hs2s"


def save_tiny(name: str, path: Path) -> Path:
    """A tiny network, as training with ``model: NAME`` leaves it behind."""
    torch.manual_seed(0)
    tiny = {"width": 8, "skip_width": 8, "merge_width": 8, "key_width": 8, "decoder": ((8, 8),) * 4}
    config = HS2SConfig.from_dict({**HS2SConfig.preset(name).to_dict(), **tiny, "others": True})
    save_weights(build_network(config), path, half=True)
    return path


@pytest.fixture
def weights(tmp_path) -> Path:
    return save_tiny("hs2s-lite", tmp_path / "tiny.safetensors")


@pytest.fixture
def open_weights(tmp_path) -> Path:
    return save_tiny("hs2s-lite-shared", tmp_path / "tiny-open.safetensors")


@pytest.fixture
def dropped_in(tmp_path, weights, open_weights, monkeypatch) -> Path:
    """Both models are shipped."""
    folder = tmp_path / "weights"
    folder.mkdir()
    for name, file in (("hs2s-lite", weights), (OPEN, open_weights)):
        (folder / f"{name}.safetensors").write_bytes(file.read_bytes())
    monkeypatch.setattr("fiftyone_hs2s.models.WEIGHT_FOLDERS", (folder,))
    return folder


def test_the_manifest_lists_what_is_shipped_and_no_weights_that_are_not():
    entries = json.loads((ZOO / "manifest.json").read_text())["models"]
    listed = {m["base_filename"]: m for m in entries if m["base_filename"].endswith(".safetensors")}
    assert set(listed) == {file.name for file in shipped_models().values()}
    for name, file in shipped_models().items():
        assert short_name(listed[file.name]["base_name"]) == name
        assert listed[file.name]["size_bytes"] == file.stat().st_size <= 17e6


def test_a_model_without_weights_is_not_offered_and_says_so(monkeypatch, tmp_path, weights):
    (tmp_path / "one").mkdir()
    (tmp_path / "one/hs2s-lite.safetensors").write_bytes(weights.read_bytes())
    monkeypatch.setattr("fiftyone_hs2s.models.WEIGHT_FOLDERS", (tmp_path / "one",))
    assert list(shipped_models()) == ["hs2s-lite"] and default_weights(OPEN) is None
    with pytest.raises(
        HS2SError, match=r"^No weights are shipped for 'hs2s-lite-open' yet: pass weights=, or take one"
    ):
        load_network(OPEN)


def test_weights_only_have_to_be_dropped_in(dropped_in, open_weights):
    assert list(shipped_models()) == ["hs2s-lite", OPEN] and set(shipped_models()) <= set(available_models())
    network = load_network(OPEN)
    assert network.config.name == OPEN and network.config.others
    assert load_network(OPEN, open_weights).config.name == OPEN  # as the model zoo loads it
    save_weights(network, open_weights)
    assert load_network("hs2s-lite-shared", open_weights).config.name == "hs2s-lite-shared"
    with pytest.raises(HS2SError, match="holds weights of 'hs2s-lite-open', not of 'hs2s-lite'"):
        load_network("hs2s-lite", open_weights)


def test_the_default_is_the_best_one_unless_another_is_set(dropped_in, settings, monkeypatch, weights):
    assert default_model() == "hs2s-lite"
    (settings / "config.json").write_text('{"default_model": "hs2s-lite-open"}')
    assert default_model() == OPEN
    register_model("cells", weights)
    monkeypatch.setenv("HS2S_DEFAULT_MODEL", "cells")
    assert default_model() == "cells"
    monkeypatch.setenv("HS2S_DEFAULT_MODEL", "hs2s/hs2s-lite-video-torch")
    assert default_model() == "hs2s-lite"


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("hs2s-lite-opne", r"did you mean 'hs2s-lite-open'\? Others: hs2s-lite"),
        ("resnet50", "choose one of hs2s-lite, hs2s-lite-open"),
    ],
)
def test_an_unknown_default_is_refused_with_the_names(dropped_in, settings, monkeypatch, name, fix):
    monkeypatch.setenv("HS2S_DEFAULT_MODEL", name)
    message = f"is '{name}', which is not a model with weights: {fix}$"
    with pytest.raises(HS2SError, match=f"^HS2S_DEFAULT_MODEL {message}"):
        default_model()
    monkeypatch.delenv("HS2S_DEFAULT_MODEL")
    (settings / "config.json").write_text(json.dumps({"default_model": name}))
    with pytest.raises(HS2SError, match=f"^'default_model' in .*config.json {message}"):
        default_model()


@pytest.mark.parametrize("text", ["{", "[]", '{"default_modle": "hs2s-lite"}', '{"default_model": 3}'])
def test_settings_that_are_none_are_refused_with_their_file(settings, text):
    (settings / "config.json").write_text(text)
    with pytest.raises(HS2SError, match=r"config\.json"):
        default_model()


def test_the_default_is_what_is_loaded_and_trained(dropped_in, monkeypatch):
    from fiftyone_hs2s import load_model

    monkeypatch.setenv("HS2S_DEFAULT_MODEL", OPEN)
    assert load_model(device="cpu").tracker.network.config.name == OPEN
    assert load_model("hs2s-lite-video-torch", device="cpu").tracker.network.config.name == "hs2s-lite"
    assert TrainingConfig.load("finetune").model == OPEN
    assert TrainingConfig.load("finetune", ["model=hs2s-lite"]).model == "hs2s-lite"


def test_the_shell_takes_and_names_the_default(dropped_in, monkeypatch):
    from fiftyone_hs2s.cli.main import build_parser
    from fiftyone_hs2s.cli.network_arguments import make_tracker

    arguments = ["track", "v.mp4", "--mask", "m.png", "--out", "o", "--device", "cpu"]
    monkeypatch.setenv("HS2S_DEFAULT_MODEL", OPEN)
    args = build_parser().parse_args(arguments)
    assert make_tracker(args).network.config.name == args.model == OPEN
    args = build_parser().parse_args([*arguments, "--model", "hs2s-lite"])
    assert make_tracker(args).network.config.name == "hs2s-lite"


def test_help_lists_models_and_averages_without_torch():
    code = (
        "import sys; from fiftyone_hs2s.cli.main import main\ntry: main(['track', '--help'])\nexcept"
        " SystemExit: pass\n"
    )
    code += "assert not {'torch', 'fiftyone'} & set(sys.modules)"
    text = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    for name in (*shipped_models(), "HS2S_DEFAULT_MODEL", *AVERAGES):
        assert name in text


def test_every_average_has_a_label():
    assert list(LABELS) == list(AVERAGES)
    assert all(views[0] == AVERAGES["none"][0] for views in AVERAGES.values())


def test_shipping_writes_weights_and_manifest(tmp_path, open_weights, monkeypatch):
    monkeypatch.syspath_prepend(str(ZOO.parent / "tools"))
    from ship_weights import ship

    (tmp_path / "zoo/weights").mkdir(parents=True)
    (tmp_path / "zoo/manifest.json").write_text((ZOO / "manifest.json").read_text())
    monkeypatch.setattr("fiftyone_hs2s.models.WEIGHT_FOLDERS", (tmp_path / "zoo/weights",))
    for _ in range(2):  # again, with new weights: one entry
        file = ship(open_weights, OPEN, "CC BY 4.0", zoo=tmp_path / "zoo")
    assert shipped_models() == {OPEN: file} and load_network(OPEN).config.name == OPEN
    before = json.loads((ZOO / "manifest.json").read_text())["models"]
    models = json.loads((tmp_path / "zoo/manifest.json").read_text())["models"]
    (entry,) = (model for model in models if model["base_filename"] == file.name)
    assert [model for model in models if model is not entry] == [
        m for m in before if m["base_filename"] != file.name
    ]
    assert (entry["base_name"], entry["license"]) == ("hs2s/hs2s-lite-open-video-torch", "CC BY 4.0")
    assert entry["size_bytes"] == file.stat().st_size

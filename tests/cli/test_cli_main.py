from __future__ import annotations

import json
import re

import pytest
import torch

from fiftyone_hs2s import __version__
from fiftyone_hs2s.cli.main import COMMANDS, main
from fiftyone_hs2s.network import build_network, save_weights


def helped(capsys, *args):
    with pytest.raises(SystemExit) as caught:
        main([*args, "--help"])
    assert caught.value.code == 0
    return capsys.readouterr().out


def test_help_names_every_command(capsys):
    text = helped(capsys)
    for command in COMMANDS:
        assert re.search(rf"^ +{command}\s+\w", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_every_argument(capsys, command):
    text = helped(capsys, command)
    assert max(map(len, text.splitlines())) <= 120
    assert text.count("\n") > 8


def test_version(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"hs2s {__version__}\n"


@pytest.mark.parametrize("args", [[], ["trakc"], ["track"], ["weights"]])
def test_wrong_usage_exits_with_2(args, capsys):
    with pytest.raises(SystemExit) as caught:
        main(args)
    assert caught.value.code == 2


def test_interruption_is_no_traceback(monkeypatch, capsys):
    def interrupt(path):
        raise KeyboardInterrupt

    monkeypatch.setattr("fiftyone_hs2s.tracking.open_frames", interrupt)
    assert main(["track", "a.mp4", "--mask", "a.png", "--out", "out"]) == 130
    assert capsys.readouterr().err == "hs2s: interrupted\n"


def test_weights_info(tmp_path, capsys):
    path = tmp_path / "a.safetensors"
    save_weights(build_network("hs2s-lite"), path)
    assert main(["weights", "info", str(path)]) == 0
    text = capsys.readouterr().out
    assert "hs2s-lite" in text
    assert re.search(r"backbone +efficientnet_lite0", text)
    path.write_bytes(b"damaged")
    assert main(["weights", "info", str(path)]) == 2
    assert "a.safetensors" in capsys.readouterr().err


def test_weights_convert_writes_what_was_loaded(tmp_path, capsys, monkeypatch):
    loaded = []
    # The paper's would take 1.6 GB; its numbers are tested with the network.
    network = build_network("hs2s-lite")
    monkeypatch.setattr("fiftyone_hs2s.network.load_network", lambda *args: loaded.append(args) or network)
    source, target = tmp_path / "in.pth", tmp_path / "out.safetensors"
    assert main(["weights", "convert", str(source), str(target)]) == 0
    assert loaded == [("hs2s-resnet50", source)]
    assert "out.safetensors" in capsys.readouterr().out
    assert main(["weights", "info", str(target)]) == 0


def test_weights_convert_names_what_does_not_fit(tmp_path, parity, capsys, monkeypatch):
    shapes = json.loads((parity / "official_state_dict.json").read_text())
    state = {f"module.{name}": torch.zeros(()).expand(shape) for name, shape in shapes.items()}
    del state["module.encoder.conv1.weight"]
    state["module.extra.weight"] = torch.zeros(1)
    state["module.memory.conv.bias"] = torch.zeros(7)
    monkeypatch.setattr("fiftyone_hs2s.network.weights._read_pickle", lambda path: state)
    source, target = tmp_path / "in.pth", tmp_path / "out.safetensors"
    source.touch()
    assert main(["weights", "convert", str(source), str(target)]) == 2
    error = capsys.readouterr().err
    for words in ("1 missing", "extra.weight", "1 of another shape", "memory.conv.bias"):
        assert words in error
    assert not target.exists()


def test_weights_convert_refuses(tmp_path, capsys):
    assert main(["weights", "convert", str(tmp_path / "none.pth"), str(tmp_path / "a.safetensors")]) == 2
    assert "none.pth" in capsys.readouterr().err
    assert main(["weights", "convert", str(tmp_path / "none.pth"), str(tmp_path / "a.pth")]) == 2
    assert "a.safetensors" in capsys.readouterr().err
    assert (
        main(["weights", "convert", str(tmp_path / "none.pth"), str(tmp_path / "no" / "a.safetensors")]) == 2
    )
    assert "cannot be written" in capsys.readouterr().err

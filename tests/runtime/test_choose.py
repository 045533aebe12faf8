"""Which runtime computes a network, and what is said where it cannot."""

from __future__ import annotations

import importlib.util
import logging

import pytest
import torch
from color_network import ColorNetwork, moving

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.network import build_network
from fiftyone_hs2s.runtime import choose_engine, graph_engine, graph_files
from fiftyone_hs2s.runtime.choose import RUNTIME_VARIABLE
from fiftyone_hs2s.tracking import Tracker

pytest.importorskip("onnxscript", reason="needs the extra 'fast'")
pytest.importorskip("openvino", reason="needs the extra 'fast'")
CPU, SIZE = torch.device("cpu"), (64, 96)


@pytest.fixture(autouse=True)
def _nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RUNTIME_VARIABLE)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_network("hs2s-lite").eval()


def test_openvino_on_a_cpu_else_pytorch(network, monkeypatch) -> None:
    assert choose_engine(network, CPU, "float32").name == "OpenVINO"
    assert choose_engine(network, CPU, "float16").name == "PyTorch"
    assert choose_engine(network, torch.device("meta"), "float32").name == "PyTorch"
    assert choose_engine(ColorNetwork(), CPU, "float32").name == "PyTorch"
    assert choose_engine(network, CPU, "float32", "torch").name == "PyTorch"
    monkeypatch.setenv(RUNTIME_VARIABLE, "onnxruntime")
    assert choose_engine(network, CPU).name == "ONNX Runtime"
    assert choose_engine(network, CPU).precision == torch.float32
    assert choose_engine(network, CPU, "float32", "openvino").name == "OpenVINO"


def test_without_the_extra(network, monkeypatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name[0] == "o" else find(name))
    assert choose_engine(network, CPU, "float32").name == "PyTorch"
    with pytest.raises(HS2SError, match=r'"openvino" needs onnx and onnxscript and openvino: .*hs2s\[fast\]'):
        choose_engine(network, CPU, "float32", "openvino")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"runtime": "tensorrt"},
            "runtime='tensorrt' is unknown: choose one of auto, torch, openvino, onnxruntime",
        ),
        ({"runtime": "openvino", "precision": "float16"}, "does not compute in float16"),
        ({"runtime": "onnxruntime", "precision": "bfloat16"}, "does not compute in bfloat16"),
        ({"runtime": "openvino", "device": torch.device("meta")}, 'a CPU alone: take device "cpu"'),
    ],
)
def test_what_cannot_be(network, options, message) -> None:
    with pytest.raises(HS2SError, match=message):
        choose_engine(**{"network": network, "device": CPU, **options})


def test_a_runtime_of_the_environment_is_named_there(network, monkeypatch) -> None:
    monkeypatch.setenv(RUNTIME_VARIABLE, "openvino")
    with pytest.raises(HS2SError, match=r'"HS2S_RUNTIME=openvino" does not compute in float16'):
        choose_engine(network, CPU, "float16")


def test_pytorch_takes_over_where_the_export_fails(network, monkeypatch, caplog) -> None:
    caplog.set_level(logging.WARNING, "fiftyone_hs2s")

    def broken(*_):
        raise RuntimeError("no such operator\nand a page of text")

    monkeypatch.setattr(graph_engine, "graph_files", broken)
    frames, truth = moving()
    tracker = Tracker(network, SIZE, "cpu", "float32")
    tracker.add_objects(frames[0], truth[0])
    tracker.step(frames[1])
    assert tracker.runtime == "PyTorch"
    assert caplog.messages == ["OpenVINO cannot run hs2s-lite, so PyTorch does: no such operator"]
    with pytest.raises(HS2SError, match="OpenVINO cannot run hs2s-lite: no such operator"):
        Tracker(network, SIZE, "cpu", "float32", runtime="openvino").add_objects(frames[0], truth[0])


def test_graphs_are_found_by_what_they_are_made_of(network, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = graph_files.fingerprint(network, SIZE)
    assert graph_files.fingerprint(network, SIZE) == first != graph_files.fingerprint(network, (96, 64))
    other = build_network("hs2s-lite")
    other.load_state_dict(network.state_dict())
    assert graph_files.fingerprint(other, SIZE) == first
    with torch.no_grad():
        other.decoder.segmentation_branch.bias += 1e-6
    assert graph_files.fingerprint(other, SIZE) != first
    written = []

    def export(network, path, size):
        written.append(path)
        for file in (path.with_suffix(".start.onnx"), path):
            file.write_bytes(b"")
        return path.with_suffix(".start.onnx"), path

    monkeypatch.setattr(graph_files, "export_onnx", export)
    for side in (*range(32, 32 * 15, 32), 32 * 14):
        graph_files.graph_files(network, (32, side))
    assert len(written) == 14
    assert len(list(graph_files.graphs_folder().iterdir())) == graph_files.KEPT

"""Exported graphs give what the network gives."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from color_network import iou, moving

from fiftyone_hs2s.network import HS2S, build_network, load_network
from fiftyone_hs2s.runtime import graph_engine
from fiftyone_hs2s.runtime.backends import SESSIONS
from fiftyone_hs2s.runtime.graph_engine import GraphEngine
from fiftyone_hs2s.runtime.graph_files import graph_files, graphs_folder
from fiftyone_hs2s.runtime.onnx_export import OPSET
from fiftyone_hs2s.tracking import Tracker

onnx = pytest.importorskip("onnx", reason="needs the extra 'fast'")
pytest.importorskip("openvino", reason="needs the extra 'fast'")
GIVEN = ("frame", "masks", "others")
SIZE = (64, 96)


@pytest.fixture(scope="module")
def lite() -> HS2S:
    return load_network("hs2s-lite")


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch, exported: tuple[Path, Path]) -> None:
    """The graphs are in the cache already."""
    monkeypatch.setattr(graph_engine, "graph_files", lambda network, size: exported)


def _pictures(length: int) -> tuple[list[torch.Tensor], torch.Tensor]:
    """A moving square and a moving disk on noise: (1, 3, h, w) each, and their masks (2, 1, h, w) on the
    first."""
    noise = torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    pictures, masks = [], []
    for t in range(length):
        square = torch.from_numpy((abs(y - 20 - t / 4) < 9) & (abs(x - 20 - t) < 9))
        disk = torch.from_numpy((y - 40) ** 2 + (x - 70 + t / 2) ** 2 < 120)
        pictures.append(noise * 0.4 + 0.5 * square * torch.tensor([1, 0, 0]).view(1, 3, 1, 1) + 0.3 * disk)
        masks.append(torch.stack([square, disk])[:, None].float())
    return pictures, masks[0]


@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize("runtime", list(SESSIONS))
@pytest.mark.parametrize("objects", [1, 2])
def test_logits_of_fifty_frames_are_those_of_pytorch(lite: HS2S, runtime: str, objects: int) -> None:
    engine = GraphEngine(lite, torch.float32, SESSIONS[runtime], required=True).ready(SIZE)
    pictures, masks = _pictures(50)
    with torch.inference_mode():
        ours = lite.start(lite.encode_image(pictures[0]), masks[:objects])
        theirs = engine.start(engine.encode_image(pictures[0]), masks[:objects])
        worst = 0.0
        for picture in pictures[1:]:
            expected, ours = lite.step(lite.encode_image(picture), ours)
            found, theirs = engine.step(engine.encode_image(picture), theirs)
            worst = max(worst, (found - expected).abs().max().item())
    assert worst < 1e-3
    assert expected.max() > 3  # something is still tracked
    assert theirs.age.tolist() == [49] * objects
    assert not torch.equal(theirs.recalled[0], theirs.first["first"][1][0].repeat(1, 1, 3))


@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize("runtime", list(SESSIONS))
def test_a_tracker_finds_the_same(lite: HS2S, runtime: str) -> None:
    """Objects come and go, in chunks, and are looked for in their first frames."""
    frames, truth = moving()
    results = []
    for name in ("torch", runtime):
        tracker = Tracker(lite, SIZE, "cpu", "float32", chunk_size=2, runtime=name)
        tracker.add_objects(frames[0], truth[0])
        for t in range(1, 6):
            masks = {2: truth[t][2], 3: truth[t][1]} if t == 3 else None
            tracked = tracker.step(frames[t], masks)
        results.append((tracked, tracker.first_frame_attention(2), tracker))
    (ours, ours_looks, _), (theirs, theirs_looks, tracker) = results
    assert tracker.runtime in ("OpenVINO", "ONNX Runtime")
    for object_id in (1, 2, 3):
        np.testing.assert_allclose(ours.probabilities[object_id], theirs.probabilities[object_id], atol=1e-3)
    assert (ours.label_map != theirs.label_map).mean() < 1e-3
    np.testing.assert_allclose(ours_looks, theirs_looks, atol=1e-3)
    tracker.remove_objects([1, 2])
    assert tracker.step(frames[6]).confidence.keys() == {3}


@pytest.mark.usefixtures("ready")
def test_bfloat16_stays_close(lite: HS2S) -> None:
    frames, truth = moving()
    found = []
    for precision in ("float32", "bfloat16"):
        tracker = Tracker(lite, SIZE, "cpu", precision, runtime="openvino")
        tracker.add_objects(frames[3], truth[3])
        found.append(tracker.step(frames[4]).label_map)
    assert all(iou(found[0] == i, found[1] == i) > 0.95 for i in (1, 2))


@pytest.mark.usefixtures("ready")
def test_an_adapted_network_is_computed_by_pytorch(lite: HS2S, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "fiftyone_hs2s"):
        tracker = Tracker(lite, SIZE, "cpu", "float32", runtime="openvino").with_network(lite)
    assert tracker.runtime == "PyTorch"
    assert caplog.messages == [
        "Tracking with hs2s-lite on cpu in float32 by OpenVINO",
        "PyTorch computes the network of this video",
    ]


def test_the_files_name_what_they_take(exported: tuple[Path, Path]) -> None:
    start, step = (onnx.load(path) for path in exported)
    for model in (start, step):
        onnx.checker.check_model(model)
        assert {entry.domain: entry.version for entry in model.opset_import}[""] == OPSET
    state = [port.name for port in step.graph.input if port.name not in GIVEN]
    assert [port.name for port in start.graph.input] == [*GIVEN]
    assert [port.name for port in start.graph.output] == state
    outputs = [port.name for port in step.graph.output]
    assert outputs[0] == "logits" and {name.removeprefix("next_") for name in outputs[1:]} <= {*state}
    shapes = {port.name: port.type.tensor_type.shape.dim for port in step.graph.input}
    assert [dim.dim_value for dim in shapes["frame"]] == [1, 3, *SIZE]
    assert shapes["masks"][0].dim_param


def test_portrait_frames_and_a_network_that_sees_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """The real cache: exported once, found again, by a network of the other skips."""
    torch.manual_seed(0)
    network = build_network("hs2s-lite-shared").eval()
    with torch.no_grad():  # it starts blind to the others
        for module in network.modules():
            if hasattr(module, "spread_others"):
                module.spread_others.weight.normal_(std=0.1)
    frames, truth = moving((96, 54))
    found = []
    with caplog.at_level(logging.INFO, "fiftyone_hs2s.runtime"):
        for runtime in ("torch", "openvino", "onnxruntime"):
            tracker = Tracker(network, SIZE, "cpu", "float32", runtime=runtime)
            tracker.add_objects(frames[3], truth[3])
            tracker.step(frames[4])
            found.append(tracker.step(frames[5]).probabilities)
    assert [message for message in caplog.messages if "Exporting" in message] == [
        "Exporting hs2s-lite-shared for pictures of 96x64: once, it takes about a minute"
    ]
    for theirs in found[1:]:
        for object_id in (1, 2):
            np.testing.assert_allclose(found[0][object_id], theirs[object_id], atol=1e-3)
    start, step = graph_files(network, (96, 64))
    assert start.parent == step.parent and start.parent.parent == graphs_folder()


@pytest.mark.usefixtures("ready")
def test_pytorch_leaves_the_cores_to_the_graph(lite: HS2S) -> None:
    """Its idle threads would take time from the graph's; outside it has them again, also after an error."""
    engine, before = GraphEngine(lite, torch.float32, SESSIONS["openvino"]), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with engine.at_work():
            assert torch.get_num_threads() == 1 and torch.is_inference_mode_enabled()
        assert torch.get_num_threads() == 2
        with pytest.raises(KeyboardInterrupt), engine.at_work():
            raise KeyboardInterrupt
        assert torch.get_num_threads() == 2
        frames, truth = moving()
        tracker = Tracker(lite, SIZE, "cpu", "float32", runtime="openvino")
        tracker.add_objects(frames[0], truth[0])
        assert isinstance(tracker._engine, GraphEngine)
        assert [s._options["INFERENCE_NUM_THREADS"] for s in tracker._engine._ready[SIZE]] == [2, 2]
    finally:
        torch.set_num_threads(before)


def test_what_is_prepared_for_a_frame_is_not_made_when_it_comes(
    lite: HS2S, exported: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[int, int]] = []
    monkeypatch.setattr(graph_engine, "graph_files", lambda network, size: made.append(size) or exported)
    tracker = Tracker(lite, size=SIZE, precision="float32", runtime="openvino")
    tracker.prepare((48, 72))
    assert made == [SIZE]
    frames, truth = moving((48, 72), 1)
    tracker.add_objects(frames[0], truth[0])
    assert made == [SIZE]

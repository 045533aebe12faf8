"""Tracking on a GPU, end to end, where there is one."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from color_network import iou, moving

from fiftyone_hs2s.cli.main import main
from fiftyone_hs2s.masks import read_label_map, write_label_map
from fiftyone_hs2s.network import load_network
from fiftyone_hs2s.tracking import Tracker, open_frames, track
from fiftyone_hs2s.video_writer import write_video

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU: CUDA is not tested")
SIZE = (128, 224)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_gpu_finds_what_a_cpu_finds(precision):
    frames, truth = moving()
    results = []
    for device, used in (("cpu", "float32"), ("cuda", precision)):
        tracker = Tracker(load_network("hs2s-lite"), SIZE, device, used)
        masks = {0: truth[0], 3: {2: truth[3][2]}}
        results.append([found for _, found in track(tracker, open_frames(frames), masks)])
    for ours, theirs in zip(*results, strict=True):
        same = (ours.label_map == theirs.label_map).mean()
        assert same > (0.999 if precision == "float32" else 0.98)
    assert tracker.precision == getattr(torch, precision)


def test_a_frame_waits_twice_at_most():
    frames, truth = moving()
    tracker = Tracker(load_network("hs2s-lite"), SIZE, "cuda")
    tracker.add_objects(frames[3], truth[3])
    for frame in frames[4:6]:
        tracker.step(frame)
    seen = tracker.see(frames[6])
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            tracker.step(seen)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len([warning for warning in said if "synchroniz" in str(warning.message)]) <= 2


def test_the_shell_tracks_on_a_gpu(tmp_path):
    frames, truth = moving()
    write_video(tmp_path / "video.mp4", iter(frames))
    write_label_map(tmp_path / "first.png", truth[0][1].astype(np.uint8))
    out = tmp_path / "masks"
    given = [str(tmp_path / "video.mp4"), "--mask", str(tmp_path / "first.png"), "--out", str(out)]
    assert main(["track", *given, "--device", "cuda", "--size", "128x224"]) == 0
    last = sorted(out.glob("*.png"))[-1]
    assert iou(read_label_map(last) == 1, truth[-1][1]) > 0.3

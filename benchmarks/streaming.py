"""Memory and time of many samples, and of long videos: neither may grow with the other.

    python benchmarks/streaming.py --samples 100 1000 10000 --frames 1000 10000

Each line is a process of its own. The samples have four frames of 48x64 pixels with one object, and all show
one file; the long videos have frames of that size too, and a network that gives back the mask that it was
given, so that what is measured is everything around the network. Memory is what a process takes at most
beyond what it had before the work; time is what the process computes (without the database's).
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

HEIGHT, WIDTH = 48, 64
WARM_UP = 20
"""Samples or frames of a first run, after which everything is loaded."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, nargs="*", default=[100, 1000, 10000])
    parser.add_argument("--frames", type=int, nargs="*", default=[1000, 10000])
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        measure(args.one[0], int(args.one[1]))
        return
    print(
        f"{'work':>12} {'number':>8} {'memory, MB':>11} {'ms each':>8} {'of which computing':>19}", flush=True
    )
    for what, numbers in (("samples", args.samples), ("frames", args.frames)):
        for number in numbers:
            subprocess.run([sys.executable, __file__, "--one", what, str(number)], check=True)


def measure(what: str, number: int) -> None:
    import fiftyone as fo

    fo.config.show_progress_bars = False
    logging.getLogger("fiftyone_hs2s").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        for count in (WARM_UP, number):
            video = write_video(Path(folder) / f"{count}.mp4", count if what == "frames" else 4)
            dataset = long_video(video, count) if what == "frames" else many_samples(video, count)
            try:
                for name, work in works(what, dataset).items():
                    report = measured(work)
                    if count == number:
                        memory, wall, computing = report
                        each = 1000 * wall / number, 1000 * computing / number
                        print(
                            f"{name:>12} {number:>8} {memory:>11.1f} {each[0]:>8.2f} {each[1]:>19.2f}",
                            flush=True,
                        )
            finally:
                dataset.delete()


def works(what: str, dataset: Any) -> dict[str, Callable[[], Any]]:
    from fiftyone_hs2s import evaluate_propagation, find_failures, propagate

    scores = {
        "evaluate": lambda: evaluate_propagation(dataset, "pred", "gt", "ev", protocol="all"),
        "failures": lambda: find_failures(dataset, "pred", "gt"),
    }
    if what == "samples":
        return scores
    model = still_model()
    run: dict[str, Callable[[], Any]] = {
        "propagate": lambda: propagate(
            dataset, model, prompt_field="start", label_field="pred", skip_failures=False
        )
    }
    return {**run, **scores}


def measured(work: Callable[[], Any]) -> tuple[float, float, float]:
    """Most memory in MB beyond that of before, and seconds: of the clock, and of the process."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what was freed is no room for what comes
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, start, computing = status("VmRSS"), time.perf_counter(), time.process_time()
    result = work()
    taken = time.perf_counter() - start, time.process_time() - computing
    del result
    return status("VmHWM") - before, *taken


def status(name: str) -> float:
    """A size of this process in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def write_video(path: Path, frames: int) -> Path:
    from fiftyone_hs2s.video_writer import VideoWriter

    with VideoWriter(path, 25) as writer:
        for number in range(frames):
            writer.write(picture(number))
    return path


def picture(number: int) -> np.ndarray:
    frame = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    cv2.rectangle(frame, (10, 10), (30 + number % 20, 30), (200, 60, 60), -1)
    return frame


def detections(**attributes: Any) -> Any:
    import fiftyone as fo

    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[10:31, 10:31] = True
    return fo.Detections(detections=[fo.Detection.from_mask(mask, label="object", index=1, **attributes)])


def labeled(video: Path, frames: range) -> Any:
    import fiftyone as fo

    metadata = fo.VideoMetadata(
        frame_width=WIDTH, frame_height=HEIGHT, frame_rate=25, total_frame_count=len(frames)
    )
    sample = fo.Sample(str(video), metadata=metadata)
    for number in frames:
        sample.frames[number] = fo.Frame(gt=detections(), pred=detections(confidence=0.9))
    return sample


def many_samples(video: Path, count: int) -> Any:
    """Copies of one sample, made in the database: adding them one by one takes longer than the work."""
    import fiftyone as fo
    from bson import ObjectId

    from fiftyone_hs2s.dataset.compat import frame_collection, sample_collection

    dataset = fo.Dataset()
    dataset.add_sample(labeled(video, range(1, 5)))
    samples, frames = sample_collection(dataset), frame_collection(dataset)
    assert frames is not None
    sample, its_frames = samples.find_one(), list(frames.find())
    for start in range(1, count, 500):
        copies = [deepcopy(sample) | {"_id": ObjectId()} for _ in range(start, min(count, start + 500))]
        samples.insert_many(copies)
        frames.insert_many(
            renamed(frame) | {"_sample_id": copy["_id"]} for copy in copies for frame in deepcopy(its_frames)
        )
    dataset.reload()
    return dataset


def renamed(document: Any) -> Any:
    """A frame's document with ids of its own."""
    from bson import ObjectId

    for field in ("gt", "pred"):
        for detection in document[field]["detections"]:
            detection["_id"] = ObjectId()
    return document | {"_id": ObjectId()}


def long_video(video: Path, count: int) -> Any:
    import fiftyone as fo

    dataset = fo.Dataset()
    sample = labeled(video, range(1, count + 1))
    for frame in sample.frames.values():
        frame["pred"] = None
    sample.frames[1]["start"] = detections()
    dataset.add_sample(sample)
    return dataset


def still_model() -> Any:
    """A tracker whose network gives back the mask that it was given."""
    import torch
    from torch import nn

    from fiftyone_hs2s.dataset.propagate.model import HS2SVideoModel
    from fiftyone_hs2s.network import ImageFeatures, State
    from fiftyone_hs2s.tracking import Tracker

    class Still(nn.Module):
        config = SimpleNamespace(name="still", feedback="own", others=False, reset_period=0)

        def encode_image(self, frame: torch.Tensor) -> ImageFeatures:
            return ImageFeatures(frame, {}, None)

        def start(self, image: ImageFeatures, masks: torch.Tensor, _: Any = None) -> State:
            return State(image, masks, {}, None, (), torch.zeros(len(masks)))

        def step(self, image: ImageFeatures, state: State) -> tuple[torch.Tensor, State]:
            return 20 * (state.masks - 0.5), State(image, state.masks, {}, None, (), state.age + 1)

    return HS2SVideoModel(Tracker(Still(), size=(64, 64), device="cpu", precision="float32"))


if __name__ == "__main__":
    main()

"""What a second process brings: the same videos through `propagate()` with one and with more, in one run.

    OMP_NUM_THREADS=2 python benchmarks/workers.py --workers 1 2 --videos 8 --frames 40

The processes share the threads that OMP_NUM_THREADS names. Seconds are of the clock: from the call, and from
the first frame on, since a process takes some seconds to start. The labels must be the same.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

HEIGHT, WIDTH = 256, 448


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--videos", type=int, default=8)
    parser.add_argument("--frames", type=int, default=40)
    args = parser.parse_args()
    import fiftyone as fo

    from fiftyone_hs2s import load_model
    from fiftyone_hs2s.video_writer import write_video

    fo.config.show_progress_bars = False
    model = load_model("hs2s-lite-video-torch", device="cpu")
    threads = os.environ.get("OMP_NUM_THREADS") or os.cpu_count()
    print(f"{args.videos} videos of {args.frames} frames, {threads} threads in all")
    dataset = fo.Dataset()
    try:
        with tempfile.TemporaryDirectory() as folder:
            for number in range(args.videos):
                path = Path(folder) / f"{number}.mp4"
                write_video(path, (picture(number, frame) for frame in range(args.frames)))
                dataset.add_sample(prompted(path, number))
            first = None
            for count in args.workers:
                total, working = timed(dataset, model, count)
                first = first or working
                print(
                    f"{count} processes: {total:.1f} s, {working:.1f} s from the first frame on:"
                    f" {first / working:.2f} times as fast as {args.workers[0]}",
                    flush=True,
                )
            compare(dataset, args.workers)
    finally:
        dataset.delete()


def timed(dataset: Any, model: Any, count: int) -> tuple[float, float]:
    """Seconds of the run, and from its first frame on."""
    from fiftyone_hs2s import propagate

    begun: list[float] = []

    def note(event: Any) -> None:
        if event.within and not begun:
            begun.append(time.perf_counter())

    start = time.perf_counter()
    options = {"label_field": f"by_{count}", "num_workers": count, "skip_failures": False}
    propagate(dataset, model, prompt_field="start", progress=note, **options)
    end = time.perf_counter()
    return end - start, end - begun[0]


def compare(dataset: Any, counts: list[int]) -> None:
    """Makes sure that all runs found the same."""
    kinds = [dataset.values(f"frames.by_{count}.detections.mask") for count in counts]
    for others in kinds[1:]:
        for ours, theirs in zip(kinds[0], others, strict=True):
            assert all(
                np.array_equal(a, b)
                for mine, yours in zip(ours, theirs, strict=True)
                for a, b in zip(mine, yours, strict=True)
            ), "the labels differ"


def picture(number: int, frame: int) -> np.ndarray:
    image = np.random.default_rng(number).integers(60, 120, (HEIGHT, WIDTH, 3), np.uint8)
    cv2.circle(image, (60 + 4 * frame, 60 + 10 * number), 40, (220, 60 + 20 * number, 40), -1)
    return image


def prompted(path: Path, number: int) -> Any:
    import fiftyone as fo

    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(mask, (60, 60 + 10 * number), 40, 1, -1)
    sample = fo.Sample(str(path))
    detection = fo.Detection.from_mask(mask.astype(bool), label="ball", index=1)
    sample.frames[1]["start"] = fo.Detections(detections=[detection])
    return sample


if __name__ == "__main__":
    main()

"""What ``propagate()`` into a dataset takes beside the network alone: ``python benchmarks/propagating.py``.

One made video (as in ``tracking.py``) goes three ways, in turns: its frames, read beforehand, through the
network alone; through ``track()``, which reads and resizes them and makes label maps; and through
``propagate()``, which writes labels to a dataset of its own, deleted afterwards. Printed are seconds and CPU
seconds a frame, the least of all rounds, their ratios, and with ``--profile`` where ``propagate()`` spends
the time of its own thread.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def main() -> None:
    args = parse()
    import fiftyone as fo
    import torch
    from tracking import make_video

    import fiftyone_hs2s as hs2s
    from fiftyone_hs2s.tracking import open_frames, track

    model = hs2s.load_model(args.model, runtime=args.runtime, precision=args.precision)
    tracker = model.tracker
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "video.mp4"
        masks = make_video(video, args.objects, args.length)(0)
        pictures = [tracker.see(frame) for frame in open_frames(video)]
        sample = fo.Sample(filepath=str(video))
        detections = [fo.Detection.from_mask(mask, label="square", index=i) for i, mask in masks.items()]
        sample.frames[1] = fo.Frame(prompt=fo.Detections(detections=detections))
        dataset = fo.Dataset()
        dataset.add_sample(sample)
        try:
            ways: dict[str, Callable[[], object]] = {
                "network alone": lambda: alone(tracker, pictures, masks),
                "track()": lambda: [None for _ in track(tracker, open_frames(video), {0: masks})],
                "propagate()": lambda: hs2s.propagate(
                    dataset,
                    model,
                    prompt_field="frames.prompt",
                    label_field="frames.found",
                    overwrite=True,
                    progress=False,
                ),
            }
            times: dict[str, list] = {name: [] for name in ways}
            for _ in range(args.rounds):
                for name, way in ways.items():
                    times[name].append(timed(way, args.length))
            least = {name: tuple(map(min, zip(*found, strict=True))) for name, found in times.items()}
            print(f"{tracker.runtime}, {tracker.precision}, {torch.get_num_threads()} threads")
            base = least["network alone"]
            for name, (seconds, cpu) in least.items():
                ratio = f"{seconds / base[0]:.2f} times the time, {cpu / base[1]:.2f} times the CPU time"
                print(f"{name:14} {seconds:.4f} s a frame, {cpu:.4f} CPU s a frame: {ratio}")
            if args.profile:
                profiler = cProfile.Profile()
                profiler.runcall(ways["propagate()"])
                pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
        finally:
            dataset.delete()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="hs2s-lite")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--objects", type=int, default=1)
    parser.add_argument("--length", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true")
    return parser.parse_args()


def alone(tracker, pictures: list, masks: dict) -> None:
    """The network's own work on frames that are read and resized already."""
    import torch

    engine, base, (view, *_) = tracker._engine, tracker.size, tracker._views
    engine = engine.ready(base)
    small = torch.stack([torch.from_numpy(mask).float() for mask in masks.values()])[:, None]
    small = torch.nn.functional.interpolate(small, base, mode="bilinear", antialias=True)
    with engine.at_work():
        state = engine.start(engine.encode_image(pictures[0].picture(view, base)), small)
        for picture in pictures[1:]:
            _, state = engine.step(engine.encode_image(picture.picture(view, base)), state)


def timed(way: Callable[[], object], frames: int) -> tuple[float, float]:
    start, cpu = time.perf_counter(), time.process_time()
    way()
    return (time.perf_counter() - start) / frames, (time.process_time() - cpu) / frames


if __name__ == "__main__":
    main()

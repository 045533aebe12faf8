"""Seconds per frame and peak memory of tracking, by model, runtime, number of objects and length of video.

    python benchmarks/tracking.py            # everything; the paper's network takes hours on a CPU
    python benchmarks/tracking.py --quick    # a few minutes: fewer frames
    python benchmarks/tracking.py --models hs2s-lite --lengths 40 --rounds 3    # ratios on a busy machine
    python benchmarks/tracking.py --device cuda --objects 1 3 10 --videos 1 4 16    # and waits for the GPU
    python benchmarks/tracking.py --models hs2s-resnet50 --runtimes released torch --lengths 8 --rounds 3

Videos are made: a textured ground and as many moving textured squares as there are objects, 480x854, in a
file that is decoded as any other. Each case runs in a process of its own, so that its peak memory is its own.
Seconds per frame are the median over the video (without the first frames) of what ``track`` takes from frame
to frame, decoding included; beside it stands the CPU time of the process, spread over its threads, which
other work on the machine does not change. ``--videos`` tracks several videos at once, whose frames are one
batch of the network; a frame's seconds are the mean then. The runtime "released" is the network as the
paper's released code computes it: PyTorch, contiguous, float32, each object on its own. Weights are the
shipped ones, else random: they make no difference to speed. Cases are run in turns, ``--rounds`` times, and
the least of each counts.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

from fiftyone_hs2s.files import write_text

MODELS = ("hs2s-lite", "hs2s-resnet50")
RUNTIMES = ("torch", "openvino", "onnxruntime")
LENGTHS = (100, 500, 2000)
QUICK_LENGTHS = {"hs2s-lite": (20, 200), "hs2s-resnet50": (6,)}
WARM_UP = 3
HEIGHT, WIDTH = 480, 854


def main() -> None:
    args = parse()
    if args.case:
        print(json.dumps(run_case(**json.loads(args.case), args=args)))
        return
    cases = [
        {"model": model, "runtime": runtime, "objects": objects, "length": length, "videos": videos}
        for model in args.models
        for videos in args.videos
        for objects in args.objects
        for length in args.lengths or (QUICK_LENGTHS[model] if args.quick else LENGTHS)
        for runtime in args.runtimes
    ]
    print(
        f"{'model':14} {'runtime':12} objects videos  frames  s/frame CPU s/frame  peak MB  GPU MB",
        flush=True,
    )
    rounds = [[run_in_own_process(case) for case in cases] for _ in range(args.rounds)]
    results = [least(found) for found in zip(*rounds, strict=True)]
    for result in results:
        times = f"{result['seconds']:8.3f} {result['cpu_seconds']:11.3f}"
        memory = f"{result['peak'] / 1e6:8.0f} {result['gpu_peak'] / 1e6:7.0f}"
        about = f"{result['model']:14} {result['runtime']:12} {result['objects']:7} {result['videos']:6}"
        print(f"{about} {result['length']:7} {times} {memory}")
        for name, (count, seconds) in result["waits"].items():
            print(f"    waits {count:.1f} times a frame, {1000 * seconds:.2f} ms each: {name}")
    print("\n" + "\n".join(summary(results)))
    if args.json:
        write_text(args.json, json.dumps(results, indent=1) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=list(MODELS), metavar="NAME")
    parser.add_argument("--runtimes", nargs="+", metavar="NAME", help=f"default {RUNTIMES}; torch on a GPU")
    parser.add_argument("--rounds", type=int, default=1, metavar="N")
    parser.add_argument("--objects", nargs="+", type=int, default=[1, 3], metavar="N")
    parser.add_argument("--videos", nargs="+", type=int, default=[1], metavar="N", help="tracked at once")
    parser.add_argument(
        "--lengths", nargs="+", type=int, metavar="N", help=f"numbers of frames; default {LENGTHS}"
    )
    parser.add_argument("--quick", action="store_true", help=f"lengths {QUICK_LENGTHS}")
    parser.add_argument(
        "--size", nargs=2, type=int, default=(256, 448), metavar=("H", "W"), help="of the network"
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--direction", default="forward", choices=("forward", "backward", "both"))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.runtimes = args.runtimes or (("torch",) if args.device.startswith("cuda") else RUNTIMES)
    return args


def least(results: tuple[dict, ...]) -> dict:
    """One case's rounds: of each figure the least."""
    return {**results[0], **{key: min(r[key] for r in results) for key in ("seconds", "cpu_seconds", "peak")}}


def run_in_own_process(case: dict) -> dict:
    """The parent stays small: a child's peak memory begins with that of its parent."""
    command = [sys.executable, __file__, *sys.argv[1:], "--case", json.dumps(case)]
    output = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def run_case(model: str, runtime: str, objects: int, length: int, videos: int, args) -> dict:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    import torch

    from fiftyone_hs2s.cli.memory import peak_memory
    from fiftyone_hs2s.network import build_network, default_weights, load_network
    from fiftyone_hs2s.tracking import Tracker

    torch.manual_seed(0)
    network = load_network(model) if default_weights(model) else build_network(model)
    plain = runtime == "released"
    options = {"precision": "float32", "chunk_size": 1} if plain else {"precision": args.precision}
    options["runtime"] = "torch" if plain else runtime
    tracker = Tracker(network, tuple(args.size), args.device, **options)
    if plain:
        tracker._engine._format = torch.contiguous_format
        network.to(memory_format=torch.contiguous_format)
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "video.mp4"
        masks = make_video(video, objects, length)
        prompt = {"forward": 0, "backward": length - 1, "both": length // 2}[args.direction]
        times, cpu = time_steps(tracker, video, {prompt: masks(prompt)}, args.direction, videos)
        waits = time_waits(tracker, video, masks(0)) if tracker.device.type == "cuda" else {}
    threads = min(torch.get_num_threads(), os.cpu_count() or 1)
    return {
        "model": model,
        "runtime": runtime,
        "waits": waits,
        "objects": objects,
        "length": length,
        "videos": videos,
        "seconds": each_step(times, videos),
        "cpu_seconds": each_step(cpu, videos) / threads,
        "peak": peak_memory(),
        "gpu_peak": torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0,
        "device": str(tracker.device),
        "precision": str(tracker.precision),
        "threads": threads,
        "torch": torch.__version__,
    }


def time_steps(tracker, video: Path, prompts: dict, direction: str, videos: int) -> tuple[list, list]:
    """When each frame was done: seconds of the clock, and of the process."""
    from fiftyone_hs2s.threads import Threads
    from fiftyone_hs2s.tracking import open_frames, track

    times, cpu = [time.perf_counter()], [time.process_time()]

    def note() -> None:
        times.append(time.perf_counter())
        cpu.append(time.process_time())

    def work(_: int, report) -> None:
        with tracker.beside_others() if videos > 1 else nullcontext(tracker) as own:
            for _ in track(own, open_frames(video), prompts, direction, on_step=note):
                pass

    list(Threads(videos).results(work, range(videos)))
    return times, cpu


def time_waits(tracker, video: Path, masks: dict, frames: int = 20) -> dict[str, tuple[float, float]]:
    """What the program waits for a GPU in: how often a frame, and how many seconds each time."""
    from itertools import islice

    from torch.profiler import ProfilerActivity, profile

    from fiftyone_hs2s.tracking import open_frames, track

    steps = track(tracker, open_frames(video), {0: masks})
    list(islice(steps, WARM_UP))
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        list(islice(steps, frames))
    return {
        event.key: (event.count / frames, event.cpu_time_total / event.count / 1e6)
        for event in profiler.key_averages()
        if "Synchronize" in event.key
        or event.key in ("aten::item", "aten::_local_scalar_dense", "Memcpy DtoH")
    }


def each_step(times: list[float], videos: int) -> float:
    """What a frame takes; of several videos, whose frames come in bunches, the mean."""
    if videos > 1:
        start = times[WARM_UP * videos :]
        return (start[-1] - start[0]) / max(1, len(start) - 1)
    steps = [after - before for before, after in itertools.pairwise(times)]
    return statistics.median(steps[WARM_UP:] or steps)


def make_video(path: Path, objects: int, length: int):
    """Writes the video; returns a function that gives the masks {id: (H, W)} of a frame."""
    import cv2
    import numpy as np

    from fiftyone_hs2s.video_writer import write_video

    rng = np.random.default_rng(0)
    ground = cv2.resize(
        rng.integers(0, 200, (60, 107, 3), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC
    )
    side = 120
    squares = [
        cv2.resize(rng.integers(60, 255, (12, 12, 3), np.uint8), (side, side), interpolation=cv2.INTER_CUBIC)
        for _ in range(objects)
    ]

    def corner(index: int, t: int) -> tuple[int, int]:
        return (
            int((HEIGHT - side) * (0.5 + 0.5 * np.sin(0.02 * t + 2 * index))),
            int((WIDTH - side) * (0.5 + 0.5 * np.cos(0.013 * t + 2 * index))),
        )

    def frame(t: int) -> np.ndarray:
        picture = ground.copy()
        for index, square in enumerate(squares):
            top, left = corner(index, t)
            picture[top : top + side, left : left + side] = square
        return picture

    write_video(path, map(frame, range(length)))

    def masks(t: int) -> dict[int, np.ndarray]:
        label_map = np.zeros((HEIGHT, WIDTH), np.uint8)
        for index in range(objects):
            top, left = corner(index, t)
            label_map[top : top + side, left : left + side] = index + 1
        return {index + 1: label_map == index + 1 for index in range(objects)}

    return masks


def summary(results: list[dict]) -> list[str]:
    """The ratios that the project promises something about: by time, and by CPU time where there is no
    GPU."""
    first = results[0]
    lines = [f"{first['device']}, {first['precision']}, {first['threads']} threads, torch {first['torch']}"]
    several = [result for result in results if result["videos"] > 1]
    results = [result for result in results if result["videos"] == 1]
    kinds = dict.fromkeys((result["model"], result["runtime"]) for result in results)
    counts = dict.fromkeys(result["objects"] for result in results)
    for model, runtime in kinds:
        alone = fastest(results, model, runtime, 1)
        lines += ratio(f"{model}, {runtime}: 3 objects to 1", fastest(results, model, runtime, 3), alone)
        if runtime != "torch":
            for objects in counts:
                label = f"{model}, {objects} object(s): {runtime} to torch"
                ours = fastest(results, model, runtime, objects)
                lines += ratio(label, ours, fastest(results, model, "torch", objects))
        for objects in counts:
            chosen = of_kind(results, model, runtime, objects)
            slope = (chosen[-1]["peak"] - chosen[0]["peak"]) / 1e6
            lines.append(
                f"{model}, {runtime}, {objects} object(s): longest to shortest video {slope:+.0f} MB"
            )
    for result in several:
        alone = fastest(results, result["model"], result["runtime"], result["objects"])
        label = f"{result['model']}, {result['objects']} object(s): {result['videos']} videos at once to one"
        lines += ratio(label, (result["seconds"], result["cpu_seconds"]), alone)
    for objects in (1, 3):
        label = f"{MODELS[1]} to {MODELS[0]}, {objects} object(s)"
        above, below = (fastest(results, model, "torch", objects) for model in reversed(MODELS))
        lines += ratio(label, above, below)
    return lines


def of_kind(results: list[dict], model: str, runtime: str, objects: int) -> list[dict]:
    wanted = (model, runtime, objects)
    return [result for result in results if (result["model"], result["runtime"], result["objects"]) == wanted]


def fastest(results: list[dict], model: str, runtime: str, objects: int) -> tuple[float, float] | None:
    """The least time and CPU time a frame, over all lengths."""
    chosen = of_kind(results, model, runtime, objects)
    return (min(r["seconds"] for r in chosen), min(r["cpu_seconds"] for r in chosen)) if chosen else None


def ratio(label: str, above: tuple[float, float] | None, below: tuple[float, float] | None) -> list[str]:
    if above is None or below is None:
        return []
    return [
        f"{label}: {above[0] / below[0]:.2f} times the time, {above[1] / below[1]:.2f} times the CPU time"
    ]


if __name__ == "__main__":
    main()

"""Scores tracking on annotated videos beside two baselines: ``python benchmarks/quality.py --data FOLDER``.

FOLDER holds DAVIS-layout folders (``<set>/JPEGImages/<sequence>``, ``<set>/Annotations/<sequence>``). The
baselines are the first mask copied to every frame, and the mask warped along DIS optical flow. J, F and J&F
are DAVIS's (first and last frame left out); "late" is J from the tenth frame after the first third on, which
with ``--condition occluded`` is after the occlusion; "t=10" and so on are J on that frame after the first,
mean over the objects that last so long. ``--folders`` scores DAVIS-layout folders whole, each as a set of its
own, such as those of ``rendered.py``.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import yaml

from fiftyone_hs2s.adaptation import adapted_tracker
from fiftyone_hs2s.masks import list_label_maps, read_label_map, split_label_map
from fiftyone_hs2s.metrics import ObjectScores, SequenceScorer, SequenceScores, summarize
from fiftyone_hs2s.network import load_network
from fiftyone_hs2s.tracking import Frames, Tracker, open_frames, track

DEVELOPMENT = ("bus", "dance-jump", "hockey", "lucia", "mallard-fly", "scooter-gray")
SETS = {
    "development": [f"DAVIS2016-train/{name}" for name in DEVELOPMENT],
    "schoolgirls": ["DAVIS2017-schoolgirls/schoolgirls"],
    "crossing": [f"crossing/{name}" for name in DEVELOPMENT],  # made by crossing.py
}
TIMES = (10, 30, 60, 90, 120)


Video = tuple[list[np.ndarray], list[np.ndarray]]
"""Frames, and a label map for each."""


def dark(frames: list[np.ndarray], truths: list[np.ndarray]) -> Video:
    """Low light: 30 % of the brightness, with noise."""
    noise = np.random.default_rng(0).normal(scale=5, size=frames[0].shape)
    return [np.clip(0.3 * frame + noise, 0, 255).astype(np.uint8) for frame in frames], truths


def compressed(frames: list[np.ndarray], truths: list[np.ndarray]) -> Video:
    """JPEG of quality 15."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, 15]
    return [
        cv2.imdecode(cv2.imencode(".jpg", frame, quality)[1], cv2.IMREAD_COLOR) for frame in frames
    ], truths


def portrait(frames: list[np.ndarray], truths: list[np.ndarray]) -> Video:
    """Turned by 90 degrees."""
    return [np.rot90(frame) for frame in frames], [np.rot90(truth) for truth in truths]


def small(frames: list[np.ndarray], truths: list[np.ndarray]) -> Video:
    """A quarter of the area: half as large, in a frame whose rest repeats the edges."""
    return [_shrink(f, cv2.INTER_AREA, cv2.BORDER_REPLICATE) for f in frames], [
        _shrink(t, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT) for t in truths
    ]


def _shrink(image: np.ndarray, interpolation: int, border: int) -> np.ndarray:
    height, width = image.shape[:2]
    half = cv2.resize(image, (width // 2, height // 2), interpolation=interpolation)
    top, left = (height - height // 2) // 2, (width - width // 2) // 2
    return cv2.copyMakeBorder(half, top, height - height // 2 - top, left, width - width // 2 - left, border)


def occluded(frames: list[np.ndarray], truths: list[np.ndarray]) -> Video:
    """After a third of the video, for ten frames, a gray board hides all objects; what shows of it is
    background."""
    hidden = range(len(frames) // 3, len(frames) // 3 + HIDDEN)
    ys, xs = np.nonzero(np.any([truths[t] > 0 for t in hidden], axis=0))
    board = slice(ys.min(), ys.max() + 1), slice(xs.min(), xs.max() + 1)
    frames, truths = [frame.copy() for frame in frames], [truth.copy() for truth in truths]
    for t in hidden:
        frames[t][board], truths[t][board] = 110, 0
    return frames, truths


CONDITIONS = {f.__name__: f for f in (dark, compressed, portrait, small, occluded)}
HIDDEN = 10

# (frames, first label map) -> a label map for each frame.
Method = Callable[[Frames, np.ndarray], Iterator[np.ndarray]]


def copy(frames: Frames, first: np.ndarray) -> Iterator[np.ndarray]:
    """The first mask on every frame."""
    for _ in frames:
        yield first


def flow(frames: Frames, first: np.ndarray) -> Iterator[np.ndarray]:
    """The mask warped from frame to frame along DIS optical flow."""
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    y, x = np.mgrid[: first.shape[0], : first.shape[1]].astype(np.float32)
    label_map, before = first, None
    for frame in frames:
        gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        if before is not None:
            back = dis.calc(gray, before, None)
            label_map = cv2.remap(label_map, x + back[..., 0], y + back[..., 1], cv2.INTER_NEAREST)
        before = gray
        yield label_map


def tracked(tracker: Tracker, adapt: float, steps: int | None = None) -> Method:
    """Ours, adapted to each video for some seconds or steps, which count as time of its frames."""

    def method(frames: Frames, first: np.ndarray) -> Iterator[np.ndarray]:
        prompts = {0: split_label_map(first)}
        adapted = adapted_tracker(tracker, frames, prompts, adapt, steps=steps)
        for _, result in track(adapted, frames, prompts):
            yield result.label_map

    return method


def score(
    method: Method, folder: Path, sequence: str, back: bool, condition: str | None = None
) -> tuple[SequenceScores, float]:
    """The scores of a sequence, and seconds a frame; with ``back`` it is played to its end and back again."""
    truths = [read_label_map(path) for path in list_label_maps(folder / "Annotations" / sequence).values()]
    frames = list(open_frames(folder / "JPEGImages" / sequence))
    if back:
        frames, truths = frames + frames[-2::-1], truths + truths[-2::-1]
    if condition:
        frames, truths = CONDITIONS[condition](frames, truths)
    scorer, seconds = SequenceScorer(), 0.0
    predictions = method(open_frames(np.stack(frames)), truths[0])
    for truth in truths:
        start = time.perf_counter()
        prediction = next(predictions)
        seconds += time.perf_counter() - start
        scorer.update(truth, prediction)
    return scorer.finish(), seconds / len(truths)


def report(name: str, scores: dict[str, SequenceScores], speed: float, each: bool) -> None:
    """Prints a row, and one for each sequence."""
    evaluation = summarize(scores, "davis2017")
    objects = [scores[key].objects[i] for key, result in evaluation.sequences.items() for i in result.objects]
    values = [evaluation.J, evaluation.F, evaluation.JF, *_in_time(objects)]
    print(f"{name:24s}" + "".join(f"{100 * value:8.1f}" for value in values) + f"{speed:10.3f}", flush=True)
    for key, result in evaluation.sequences.items() if each else ():
        values = [result.J, result.F, result.JF, *_in_time([scores[key].objects[i] for i in result.objects])]
        print(f"  {key:22s}" + "".join(f"{100 * value:8.1f}" for value in values))


def _in_time(objects: list[ObjectScores]) -> list[float]:
    """J at the end, and at each of the times, mean over the objects that last so long."""
    late = np.mean([np.mean(o.J[len(o.J) // 3 + HIDDEN : -1]) for o in objects])
    return [late, *(np.mean([o.J[t] for o in objects if len(o.J) > t + 1] or [np.nan]) for t in TIMES)]


def _tracker(args: argparse.Namespace) -> Tracker:
    network = load_network(args.model, args.weights)
    settings = {
        key: yaml.safe_load(value) for key, _, value in (item.partition("=") for item in args.network)
    }
    network.config = dataclasses.replace(network.config, **settings)
    return Tracker(
        network,
        size=tuple(args.size),
        precision=args.precision,
        aggregation=args.aggregation,
        average=args.average,
        runtime=args.runtime,
    )


def _sets(args: argparse.Namespace) -> dict[str, list[tuple[Path, str]]]:
    """The DAVIS-layout folder and the name of each sequence, by set."""
    if args.folders:
        return {
            f.name: [(f, path.name) for path in sorted((f / "Annotations").iterdir())] for f in args.folders
        }
    chosen = {name: [item.split("/") for item in SETS[name]] for name in args.sets.split(",")}
    return {
        name: [(args.data / folder, sequence) for folder, sequence in items] for name, items in chosen.items()
    }


def main() -> None:
    """Runs all methods on all sets."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the sets")
    parser.add_argument(
        "--folders", type=Path, nargs="+", help="DAVIS-layout folders, instead of --data and --sets"
    )
    parser.add_argument("--weights", type=Path, help="of the model; the shipped ones by default")
    parser.add_argument("--model", default="hs2s-lite")
    parser.add_argument("--methods", default="copy,flow,ours")
    parser.add_argument("--sets", default="development,schoolgirls")
    parser.add_argument("--sequences", help="only these of the set, separated by commas")
    parser.add_argument(
        "--there-and-back", action="store_true", help="play to the end and back: twice as long"
    )
    parser.add_argument(
        "--network",
        nargs="*",
        default=[],
        metavar="KEY=VALUE",
        help="settings such as reset_period=20 memory_frames=0",
    )
    parser.add_argument("--condition", choices=list(CONDITIONS), help="how the frames are spoilt")
    parser.add_argument("--aggregation", default="soft")
    parser.add_argument("--average", default="none", help="none, flip, scales or flip+scales")
    parser.add_argument(
        "--adapt", type=float, default=0, help="seconds of learning from the first mask of each video"
    )
    parser.add_argument("--adapt-steps", type=int, help="so many steps at most, for the same result anywhere")
    parser.add_argument("--precision", default="auto", help="auto, float32, bfloat16 or float16")
    parser.add_argument("--runtime", default="auto", help="auto, torch, openvino or onnxruntime")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 448))
    parser.add_argument("--each", action="store_true", help="a row for each sequence")
    args = parser.parse_args()
    if not (args.data or args.folders):
        parser.error("give --data or --folders")
    for name, sequences in _sets(args).items():
        columns = ("J", "F", "J&F", "late", *(f"t={t}" for t in TIMES))
        print(f"\n{name:24s}" + "".join(f"{column:>8s}" for column in columns) + " s a frame")
        for method in args.methods.split(","):
            function = {"copy": copy, "flow": flow}.get(method) or tracked(
                _tracker(args), args.adapt, args.adapt_steps
            )
            scores, speeds = {}, []
            for folder, sequence in sequences:
                if not args.sequences or sequence in args.sequences.split(","):
                    scores[sequence], seconds = score(
                        function, folder, sequence, args.there_and_back, args.condition
                    )
                    speeds.append(seconds)
            report(args.model if method == "ours" else method, scores, float(np.mean(speeds)), args.each)


if __name__ == "__main__":
    main()

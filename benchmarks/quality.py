"""Scores tracking on annotated videos beside two baselines: ``python benchmarks/quality.py --data FOLDER``.

FOLDER holds DAVIS-layout folders (``<set>/JPEGImages/<sequence>``, ``<set>/Annotations/<sequence>``). The baselines are
the first mask copied to every frame, and the mask warped along DIS optical flow. J, F and J&F are DAVIS's (first and
last frame left out); "t=10" and so on are J on that frame after the first, mean over the objects that last so long.
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

from fiftyone_hs2s.masks import list_label_maps, read_label_map, split_label_map
from fiftyone_hs2s.metrics import SequenceScorer, SequenceScores, summarize
from fiftyone_hs2s.network import load_network
from fiftyone_hs2s.tracking import Frames, Tracker, open_frames, track

DEVELOPMENT = ("bus", "dance-jump", "hockey", "lucia", "mallard-fly", "scooter-gray")
SETS = {
    "development": [f"DAVIS2016-train/{name}" for name in DEVELOPMENT],
    "schoolgirls": ["DAVIS2017-schoolgirls/schoolgirls"],
}
TIMES = (10, 30, 60, 90, 120)


def dark(frame: np.ndarray) -> np.ndarray:
    """Low light: 30 % of the brightness, with noise."""
    noise = np.random.default_rng(0).normal(scale=5, size=frame.shape)
    return np.clip(0.3 * frame + noise, 0, 255).astype(np.uint8)


def compressed(frame: np.ndarray) -> np.ndarray:
    """JPEG of quality 15."""
    return cv2.imdecode(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 15])[1], cv2.IMREAD_COLOR)


CONDITIONS = {"dark": dark, "compressed": compressed, "portrait": np.rot90}

Method = Callable[[Frames, np.ndarray], Iterator[np.ndarray]]  # (frames, first label map) -> a label map for each frame


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
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        if before is not None:
            back = dis.calc(grey, before, None)
            label_map = cv2.remap(label_map, x + back[..., 0], y + back[..., 1], cv2.INTER_NEAREST)
        before = grey
        yield label_map


def tracked(tracker: Tracker) -> Method:
    """Ours."""

    def method(frames: Frames, first: np.ndarray) -> Iterator[np.ndarray]:
        for _, result in track(tracker, frames, {0: split_label_map(first)}):
            yield result.label_map

    return method


def score(
    method: Method, folder: Path, sequence: str, back: bool, condition: str | None = None
) -> tuple[SequenceScores, float]:
    """The scores of a sequence, and seconds a frame; with ``back`` it is played to its end and back again."""
    turn = np.rot90 if condition == "portrait" else np.asarray
    truths = list(list_label_maps(folder / "Annotations" / sequence).values())
    frames = open_frames(folder / "JPEGImages" / sequence)
    if back:
        pictures = list(frames)
        frames, truths = open_frames(np.stack(pictures + pictures[-2::-1])), truths + truths[-2::-1]
    if condition:
        frames = open_frames(np.stack([CONDITIONS[condition](frame) for frame in frames]))
    scorer, seconds = SequenceScorer(), 0.0
    predictions = method(frames, turn(read_label_map(truths[0])))
    for path in truths:
        start = time.perf_counter()
        prediction = next(predictions)
        seconds += time.perf_counter() - start
        scorer.update(turn(read_label_map(path)), prediction)
    return scorer.finish(), seconds / len(truths)


def report(name: str, scores: dict[str, SequenceScores], speed: float, each: bool) -> None:
    """Prints a row, and one for each sequence."""
    evaluation = summarize(scores, "davis2017")
    objects = [scores[key].objects[i] for key, result in evaluation.sequences.items() for i in result.objects]
    late = [np.mean([o.J[t] for o in objects if len(o.J) > t + 1] or [np.nan]) for t in TIMES]
    values = [evaluation.J, evaluation.F, evaluation.JF, *late]
    print(f"{name:24s}" + "".join(f"{100 * value:8.1f}" for value in values) + f"{speed:10.3f}", flush=True)
    for key, result in evaluation.sequences.items() if each else ():
        row = [
            result.J,
            result.F,
            result.JF,
            *(np.mean([o.J[t] for o in _of(scores[key], t)] or [np.nan]) for t in TIMES),
        ]
        print(f"  {key:22s}" + "".join(f"{100 * value:8.1f}" for value in row))


def _of(sequence: SequenceScores, t: int) -> list:
    return [scores for scores in sequence.objects.values() if len(scores.J) > t + 1 and scores.truth_area.any()]


def _tracker(args: argparse.Namespace) -> Tracker:
    network = load_network(args.model, args.weights)
    settings = {key: yaml.safe_load(value) for key, _, value in (item.partition("=") for item in args.network)}
    network.config = dataclasses.replace(network.config, **settings)
    return Tracker(network, size=tuple(args.size), precision=args.precision, aggregation=args.aggregation)


def main() -> None:
    """Runs all methods on both sets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, help="of the model; the shipped ones by default")
    parser.add_argument("--model", default="hs2s-lite")
    parser.add_argument("--methods", default="copy,flow,ours")
    parser.add_argument("--sets", default="development,schoolgirls")
    parser.add_argument("--sequences", help="only these of the set, separated by commas")
    parser.add_argument("--there-and-back", action="store_true", help="play to the end and back: twice as long")
    parser.add_argument(
        "--network", nargs="*", default=[], metavar="KEY=VALUE", help="settings such as reset_period=20 memory_frames=0"
    )
    parser.add_argument("--condition", choices=list(CONDITIONS), help="how the frames are spoilt")
    parser.add_argument("--aggregation", default="soft")
    parser.add_argument("--precision", default="auto", help="auto, float32, bfloat16 or float16")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 448))
    parser.add_argument("--each", action="store_true", help="a row for each sequence")
    args = parser.parse_args()
    for name in args.sets.split(","):
        print(
            f"\n{name:24s}" + "".join(f"{h:>8s}" for h in ("J", "F", "J&F", *(f"t={t}" for t in TIMES))) + " s a frame"
        )
        for method in args.methods.split(","):
            function = {"copy": copy, "flow": flow}.get(method) or tracked(_tracker(args))
            scores, speeds = {}, []
            for item in SETS[name]:
                folder, sequence = item.split("/")
                if not args.sequences or sequence in args.sequences.split(","):
                    scores[sequence], seconds = score(
                        function, args.data / folder, sequence, args.there_and_back, args.condition
                    )
                    speeds.append(seconds)
            report(args.model if method == "ours" else method, scores, float(np.mean(speeds)), args.each)


if __name__ == "__main__":
    main()

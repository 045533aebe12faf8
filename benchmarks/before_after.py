"""Pictures of what other weights change: ``python benchmarks/before_after.py --weights BEFORE AFTER --folders
FOLDER [FOLDER ...] --out PICTURE``.

A row for each sequence of the DAVIS-layout folders, or of those named by ``--sequences``: the true masks, and
the two tracks from the first ones, on the frame where J (mean over objects) gains most, or with ``--worst``
loses most. Prints the sequence, the frame and J of both there, and J&F of the whole sequence.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from fiftyone_hs2s.masks import list_label_maps, read_label_map, split_label_map
from fiftyone_hs2s.metrics import SequenceScorer
from fiftyone_hs2s.network import load_network
from fiftyone_hs2s.network.weights import read_config
from fiftyone_hs2s.overlay import contact_sheet, draw_overlay
from fiftyone_hs2s.tracking import Tracker, open_frames, track

WIDTH = 320  # pixels of a picture


class Track(NamedTuple):
    """A sequence by some weights."""

    label_maps: list[np.ndarray]
    j: np.ndarray
    """Of each frame in 0..1, mean over objects."""
    jf: float
    """J&F in percent, DAVIS's."""


def main() -> None:
    """Tracks, compares, draws."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, nargs=2, required=True, metavar=("BEFORE", "AFTER"))
    parser.add_argument("--folders", type=Path, nargs="+", required=True)
    parser.add_argument("--sequences", help="only these, separated by commas")
    parser.add_argument("--worst", action="store_true", help="where the second weights lose most instead")
    parser.add_argument("--out", type=Path, default=Path("before_after.png"))
    args = parser.parse_args()
    trackers = [Tracker(load_network(read_config(path).name, path)) for path in args.weights]
    tiles = []
    for folder in args.folders:
        for path in sorted((folder / "Annotations").iterdir()):
            if not args.sequences or path.name in args.sequences.split(","):
                tiles += compare(folder, path.name, trackers, args.worst)
    Image.fromarray(contact_sheet(tiles, columns=3)).quantize().save(args.out)


def compare(folder: Path, name: str, trackers: list[Tracker], worst: bool) -> list[np.ndarray]:
    """The row of a sequence: truth, before and after."""
    frames = list(open_frames(folder / "JPEGImages" / name))
    truths = [read_label_map(path) for path in list_label_maps(folder / "Annotations" / name).values()]
    before, after = (follow(tracker, frames, truths) for tracker in trackers)
    gains = after.j - before.j
    shown = int(gains.argmin() if worst else gains.argmax())
    print(
        f"{name:20s} frame {shown + 1:3d}: J {100 * before.j[shown]:.1f}, {100 * after.j[shown]:.1f}; whole"
        f" sequence: J&F {before.jf:.1f}, {after.jf:.1f}",
        flush=True,
    )
    drawn = [draw_overlay(frames[shown], m[shown]) for m in (truths, before.label_maps, after.label_maps)]
    height = round(WIDTH * frames[0].shape[0] / frames[0].shape[1])
    return [cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_AREA) for picture in drawn]


def follow(tracker: Tracker, frames: list[np.ndarray], truths: list[np.ndarray]) -> Track:
    """A sequence from its first masks, with its scores."""
    found = track(tracker, open_frames(np.stack(frames)), {0: split_label_map(truths[0])})
    label_maps = [result.label_map for _, result in found]
    scorer = SequenceScorer()
    for truth, label_map in zip(truths, label_maps, strict=True):
        scorer.update(truth, label_map)
    objects = scorer.finish().objects.values()
    jf = 100 * float(np.mean([scores.JF[1:-1] for scores in objects]))
    return Track(label_maps, np.mean([scores.J for scores in objects], axis=0), jf)


if __name__ == "__main__":
    main()

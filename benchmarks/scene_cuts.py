"""What becomes of tracks over scene cuts: ``python benchmarks/scene_cuts.py --data FOLDER``.

A clip with some frames of another one in its middle, tracked from its first mask in each way: on how many
frames of the other clip there is a mask (of over a thousandth of the frame), and J on the frames after the
return.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from fiftyone_hs2s.choices import SCENE_CUTS
from fiftyone_hs2s.masks import list_label_maps, read_label_map
from fiftyone_hs2s.metrics import jaccard
from fiftyone_hs2s.network import load_network
from fiftyone_hs2s.tracking import Tracker, open_frames, track

PAIRS = (("bus", "mallard-fly"), ("hockey", "scooter-gray"), ("mallard-fly", "hockey"))
BEFORE, OTHER, LENGTH = 7, 12, 14
"""Frames before the other clip, of it, and of the first one in all."""


def main() -> None:
    """Prints a row for each pair and way."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="holds DAVIS2016-train")
    args = parser.parse_args()
    folder = args.data / "DAVIS2016-train"
    tracker = Tracker(load_network("hs2s-lite"))
    print(f"{'clip':14s}{'other':14s}{'way':9s}{'frames with a mask':>20s}{'J after':>9s}  cuts")
    for clip, other in PAIRS:
        frames = list(open_frames(folder / "JPEGImages" / clip)[:LENGTH])
        size = frames[0].shape[1::-1]
        between = [cv2.resize(f, size) for f in open_frames(folder / "JPEGImages" / other)[:OTHER]]
        paths = list(list_label_maps(folder / "Annotations" / clip).values())[:LENGTH]
        truth = [read_label_map(path) == 1 for path in paths]
        joined = open_frames(np.stack([*frames[:BEFORE], *between, *frames[BEFORE:]]))
        for way in SCENE_CUTS:
            cuts: list[int] = []
            results = track(tracker, joined, {0: {1: truth[0]}}, scene_cuts=way, on_cut=cuts.append)
            masks = [found.label_map == 1 for _, found in results]
            count = sum(mask.mean() > 0.001 for mask in masks[BEFORE : BEFORE + OTHER])
            after = zip(truth[BEFORE:], masks[BEFORE + OTHER :], strict=True)
            j = np.mean([jaccard(*pair) for pair in after])
            print(f"{clip:14s}{other:14s}{way:9s}{count:14d} of {OTHER}{j:9.3f}  {cuts}", flush=True)


if __name__ == "__main__":
    main()

"""A harder form of the demo clip: where the tracker fails, in pictures and figures: ``python
benchmarks/hard_clip.py``.

A look-alike crosses behind the dahlia instead of passing it, and the column is wide enough to hide both
objects completely. Prints J of each object from its first frame, and after it was hidden; writes a contact
sheet.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from fiftyone_hs2s.demo import assets
from fiftyone_hs2s.demo.demo_clip import (
    LENGTH,
    OBJECTS,
    Layer,
    Pose,
    column_pose,
    dahlia_pose,
    render_clip,
    saucer_pose,
)
from fiftyone_hs2s.masks import split_label_map
from fiftyone_hs2s.metrics import SequenceScorer
from fiftyone_hs2s.network import load_network
from fiftyone_hs2s.overlay import contact_sheet, draw_overlay
from fiftyone_hs2s.tracking import Tracker, open_frames, track

SHOWN = 8  # pictures


def look_alike_pose(t: float) -> Pose:
    """Comes the other way and passes behind the dahlia."""
    return Pose(430 - 330 * t, 105 + 100 * t, 0.46 + 0.06 * np.sin(6 * t), -150 * t)


def hard_layers(wider: float) -> list[Layer]:
    """The cast, from the back to the front."""
    column = cv2.resize(assets.column(), None, fx=wider, fy=1, interpolation=cv2.INTER_LINEAR)
    return [
        Layer(assets.cup(), 2, saucer_pose),
        Layer(assets.look_alike(), 0, look_alike_pose),
        Layer(assets.dahlia(), 1, dahlia_pose),
        Layer(column, 0, column_pose),
    ]


def main() -> None:
    """Renders, tracks, scores, draws."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, help="the shipped ones by default")
    parser.add_argument("--out", type=Path, default=Path("hard_clip.png"), help="the contact sheet")
    parser.add_argument(
        "--wider", type=float, default=3.2, help="width of the column, relative to the demo's"
    )
    args = parser.parse_args()
    frames, truths = zip(*render_clip(LENGTH, hard_layers(args.wider)), strict=True)
    tracker = Tracker(load_network("hs2s-lite", args.weights))
    results = track(tracker, open_frames(np.stack(frames)), {0: split_label_map(truths[0])})
    label_maps = [result.label_map for _, result in results]
    scorer = SequenceScorer()
    for truth, label_map in zip(truths, label_maps, strict=True):
        scorer.update(truth, label_map)
    for object_id, scores in scorer.finish().objects.items():
        hidden = np.flatnonzero(scores.truth_area == 0)
        after = np.arange(LENGTH) > hidden.max() if len(hidden) else np.zeros(LENGTH, bool)
        print(
            f"{OBJECTS[object_id]:8s} hidden on {len(hidden)} frames, J {100 * scores.J[1:].mean():.1f}, "
            f"after that {100 * scores.J[after].mean() if after.any() else np.nan:.1f}"
        )
    chosen = np.linspace(0, LENGTH - 1, SHOWN + 1).astype(int)[1:]
    tiles = [
        cv2.resize(draw_overlay(frames[t], label_maps[t]), (356, 200), interpolation=cv2.INTER_AREA)
        for t in chosen
    ]
    Image.fromarray(contact_sheet(tiles)).quantize().save(args.out)


if __name__ == "__main__":
    main()

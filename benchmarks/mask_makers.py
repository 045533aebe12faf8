"""Scores masks made of boxes and points: ``python benchmarks/mask_makers.py --data FOLDER [--track]``.

The first frames of ``quality.py``'s sequences: mean J of each maker's masks from the true boxes, and from one
point, the innermost of the object. With ``--track`` also J and F of whole tracks that start from the masks
made of boxes, beside those that start from the true masks. Baselines: the box itself, and the ellipse in it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from quality import DEVELOPMENT, report, score, tracked

from fiftyone_hs2s.hints import Hint
from fiftyone_hs2s.mask_makers import GRABCUT, MASK_MAKERS
from fiftyone_hs2s.masks import join_masks, list_label_maps, read_label_map, split_label_map
from fiftyone_hs2s.metrics import jaccard
from fiftyone_hs2s.network import load_network
from fiftyone_hs2s.tracking import Frames, Tracker, open_frames

SETS = {"six": ("DAVIS2016-train", DEVELOPMENT), "schoolgirls": ("DAVIS2017-schoolgirls", ("schoolgirls",))}
Maker = Callable[[np.ndarray, list[Hint]], list[np.ndarray]]


def box_hint(mask: np.ndarray) -> Hint:
    """The box of a mask."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return Hint((x, y, x + width, y + height))


def point_hint(mask: np.ndarray) -> Hint:
    """The point of a mask that is farthest from its rim."""
    inside = cv2.distanceTransform(np.pad(mask, 1).view(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(inside.argmax(), inside.shape)
    return Hint(positive=np.array([[x + 0.5, y + 0.5]]))


def filled(frame: np.ndarray, hints: list[Hint], ellipse: bool) -> list[np.ndarray]:
    """The box, or the ellipse in it."""
    masks = []
    for hint in hints:
        left, top, right, bottom = hint.box
        y, x = np.mgrid[: frame.shape[0], : frame.shape[1]] + 0.5
        across, down = (2 * x - left - right) / (right - left), (2 * y - top - bottom) / (bottom - top)
        masks.append(across**2 + down**2 < 1 if ellipse else np.maximum(abs(across), abs(down)) < 1)
    return masks


def from_boxes(maker: Maker, frames: Frames, first: np.ndarray, method: Callable) -> object:
    """Tracks from masks made of the first frame's boxes."""
    true = split_label_map(first)
    made = maker(next(iter(frames)), [box_hint(mask) for mask in true.values()])
    return method(frames, join_masks(dict(zip(true, made, strict=True)), first.shape))


def main() -> None:
    """Prints a row for each maker."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--makers", default=",".join(MASK_MAKERS))
    parser.add_argument("--track", action="store_true")
    parser.add_argument("--model", default="hs2s-lite", help="what tracks")
    args = parser.parse_args()
    makers: dict[str, Maker] = {
        "box": partial(filled, ellipse=False),
        "ellipse": partial(filled, ellipse=True),
    }
    makers |= {name: MASK_MAKERS[name]() for name in args.makers.split(",")}
    for name, (folder, sequences) in SETS.items():
        print(f"\n{name}: mean J on the first frames from boxes, from one point")
        firsts = []
        for sequence in sequences:
            path = next(iter(list_label_maps(args.data / folder / "Annotations" / sequence).values()))
            frame = next(iter(open_frames(args.data / folder / "JPEGImages" / sequence)))
            firsts += [(frame, mask) for mask in split_label_map(read_label_map(path)).values()]
        for title, maker in makers.items():
            kinds = [box_hint] if title in ("box", "ellipse", GRABCUT) else [box_hint, point_hint]
            means = [
                np.mean([jaccard(mask, maker(f, [hint(mask)])[0]) for f, mask in firsts]) for hint in kinds
            ]
            print(f"{title:14s}" + "".join(f"{100 * mean:8.1f}" for mean in means), flush=True)
        if args.track:
            print("tracks: " + "".join(f"{column:>8s}" for column in ("J", "F", "J&F")))
            method = tracked(Tracker(load_network(args.model)), 0)
            for title in ("true mask", *args.makers.split(",")):
                start = method if title == "true mask" else partial(from_boxes, makers[title], method=method)
                results = {s: score(start, args.data / folder, s, False) for s in sequences}
                speed = float(np.mean([seconds for _, seconds in results.values()]))
                report(title, {s: scores for s, (scores, _) in results.items()}, speed, each=False)


if __name__ == "__main__":
    main()

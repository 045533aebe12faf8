r"""Renders two benchmark sets with objects that no training clip shows: ``python benchmarks/rendered.py --out
FOLDER``.

``come-near``: 6 clips of 60 frames in which the one prompted object comes near (at least twelve times its
area), goes away and comes again, and turns all the while; it is made of several, so that parts come into view
that the first frame did not show. ``look-alikes``: 10 clips of 60 frames with 5 prompted objects, some of
them alike, that fall, collide, are pushed, roll or cross. With the objects and photographs of the data
folder:

    python benchmarks/rendered.py --out SETS --objects3d DATA/objects3d \
        --pictures DATA/images/BSDS500-regions/Images
    python benchmarks/quality.py --folders SETS/come-near SETS/look-alikes --each
"""

from __future__ import annotations

import argparse
from pathlib import Path

from fiftyone_hs2s.training.synthetic.clips import Settings, claim, render_missing

COMMON = {"seed": 2027, "split": "held-out", "frames": 60, "samples": 4}
SETS = {
    "come-near": (6, {"scenes": ("loop",), "labels": (1, 1), "growth": 12.0, "compound": 1.0}),
    "look-alikes": (
        10,
        {"scenes": ("fall", "crowd", "collide", "push", "roll"), "labels": (5, 5), "look_alikes": True},
    ),
}


def main() -> None:
    """Renders both sets; goes on where it stopped."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--objects3d", type=Path, help="folder of textured objects; procedural ones without it"
    )
    parser.add_argument("--pictures", type=Path, nargs="+", default=[], help="folders of photographs behind")
    args = parser.parse_args()
    for name, (clips, extra) in SETS.items():
        settings = Settings(objects3d=args.objects3d, pictures=tuple(args.pictures), **COMMON, **extra)
        claim(settings, args.out / name)
        for clip in render_missing(settings, args.out / name, range(clips)):
            print(f"{name}/{clip}", flush=True)


if __name__ == "__main__":
    main()

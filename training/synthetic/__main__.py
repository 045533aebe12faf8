"""``python -m fiftyone_hs2s.training.synthetic --out FOLDER --clips N``: rendered clips with masks, in
DAVIS layout."""

from __future__ import annotations

import argparse
import logging
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from fiftyone_hs2s.engines import get_engine
from fiftyone_hs2s.errors import HS2SError


def parse(argv: list[str] | None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m fiftyone_hs2s.training.synthetic",
        description=(
            "Renders clips with exact masks in DAVIS layout; the same command resumes where it stopped."
        ),
    )
    parser.add_argument(
        "--out", required=True, type=Path, help="folder of JPEGImages, Annotations and Stories"
    )
    parser.add_argument("--clips", required=True, type=int, help="how many clips the folder shall have")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same files")
    parser.add_argument(
        "--split", choices=("train", "held-out"), default="train", help="which objects are shown"
    )
    parser.add_argument(
        "--objects3d", type=Path, help="folder of textured objects, NAME/model.obj; else procedural ones"
    )
    parser.add_argument(
        "--pictures",
        type=Path,
        nargs="+",
        default=[],
        metavar="FOLDER",
        help="photographs behind; figures are cut out where there are Images and Masks",
    )
    parser.add_argument("--frames", type=int, default=24, help="of a clip")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 448), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument(
        "--samples", type=int, default=2, help="sub-frames of a frame: motion blur and smooth edges"
    )
    parser.add_argument("--scenes", help="only these kinds, separated by commas")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Renders; 2 for bad input."""
    args = parse(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        if find_spec("pybullet") is None:
            raise HS2SError(
                "Rendering needs PyBullet: pip install 'fiftyone-hs2s[synthetic]' (Python 3.10 or 3.11)"
            )
        _run(args)
    except HS2SError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _run(args: argparse.Namespace) -> None:
    from fiftyone_hs2s.training.synthetic.clips import (
        ClipMaker,
        Settings,
        claim,
        count_missing,
        render_share,
    )
    from fiftyone_hs2s.training.synthetic.scenes import SCENES

    if args.workers < 1 or args.clips < 1:
        raise HS2SError("It takes at least one clip and one worker; raise --clips or --workers")
    settings = Settings(
        scenes=tuple(args.scenes.split(",")) if args.scenes else tuple(SCENES),
        seed=args.seed,
        split=args.split,
        frames=args.frames,
        size=tuple(args.size),
        samples=args.samples,
        objects3d=args.objects3d,
        pictures=tuple(args.pictures),
    )
    ClipMaker(settings)  # what is wrong with the settings shows before anything is written
    claim(settings, args.out)
    shares = [range(first, args.clips, args.workers) for first in range(args.workers)]
    for result in get_engine(args.workers, len(shares)).results(
        partial(render_share, settings, args.out), shares
    ):
        if result.lost:
            logging.warning("A worker was lost: %s", result.lost)
    if missing := count_missing(settings, args.out, args.clips):
        raise HS2SError(
            f"{missing} of {args.clips} clips are missing, see above; the same command tries them again"
        )


if __name__ == "__main__":
    sys.exit(main())

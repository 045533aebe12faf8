"""The arguments that say where objects are, and the prompts that they describe."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fiftyone_hs2s.choices import AUTO, MASK_MAKERS
from fiftyone_hs2s.cli.evaluate_command import positive
from fiftyone_hs2s.cli.network_arguments import chosen_model
from fiftyone_hs2s.errors import HS2SError

if TYPE_CHECKING:
    from fiftyone_hs2s.hints import Hint
    from fiftyone_hs2s.tracking import Frames, Prompts

    Point = tuple[float, float, bool]  # x, y, and whether it is on the object


@dataclass(frozen=True)
class GivenPrompts:
    """What the objects start from.

    Attributes:
        prompts: their masks
        files: the files that these come from
        made: of each object whose mask was made: ``prompt`` (``"box"`` or ``"points"``), ``mask_maker``
    """

    prompts: Prompts
    files: list[Path] = field(default_factory=list)
    made: dict[int, dict[str, str]] = field(default_factory=dict)


def add_prompt_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that say where objects are: masks, boxes or points."""
    where = parser.add_argument_group("where the objects are")
    where.add_argument("--mask", type=Path, metavar="PNG_OR_FOLDER", help="their masks")
    where.add_argument(
        "--void",
        type=positive,
        metavar="N",
        help="value of pixels to ignore in 16-bit masks (KITTI MOTS: 10000)",
    )
    where.add_argument(
        "--box",
        type=_box,
        action="append",
        default=[],
        metavar="X,Y,WIDTH,HEIGHT",
        help="or the box of an object in pixels, X and Y of its left upper corner; again for each object",
    )
    where.add_argument(
        "--points",
        type=_point,
        nargs="+",
        action="append",
        default=[],
        metavar="X,Y",
        help="or points on an object in pixels (X,Y,0 for a point beside it); again for each object",
    )
    where.add_argument(
        "--frame", type=_index, metavar="N", help="the frame of boxes and points (default 0, the first)"
    )
    where.add_argument(
        "--mask-maker",
        choices=(AUTO, *MASK_MAKERS),
        default=AUTO,
        help=f"what makes masks of boxes and points (default auto: {MASK_MAKERS[0]}, for non-commercial use,"
        f" or {MASK_MAKERS[1]} for a model for any use)",
    )


def check_prompt_arguments(args: argparse.Namespace) -> None:
    """Makes sure that there is one kind of prompts.

    Raises:
        HS2SError: if there is none or more than one, or an argument has no use
    """
    hints = bool(args.box or args.points)
    if args.mask is None and not hints:
        raise HS2SError("--mask is missing: it says where the objects are; or give --box or --points.")
    if args.mask is not None and hints:
        raise HS2SError("--mask cannot be used together with --box or --points: give one of them.")
    if args.frame is not None and not hints:
        raise HS2SError("--frame is for --box and --points: masks in a folder are named after their frames.")


def read_prompts(args: argparse.Namespace, frames: Frames) -> GivenPrompts:
    """The prompts that the arguments describe.

    Raises:
        HS2SError: if masks cannot be read, boxes or points lie outside of their frame, or nothing is found in
            one of them
    """
    from fiftyone_hs2s.tracking.folders import MaskFiles

    if args.mask is None:
        return _make_masks(args, frames)
    masks = MaskFiles(args.mask, frames, args.void)
    return GivenPrompts(masks, masks.files)


def _make_masks(args: argparse.Namespace, frames: Frames) -> GivenPrompts:
    from fiftyone_hs2s.mask_makers import get_mask_maker
    from fiftyone_hs2s.tracking.prompt_plan import MaskArrays, missing_frame

    hints = _hints(args, frames.size)
    index = args.frame or 0
    if index >= len(frames):
        frames.verify_length()
    if index >= len(frames):
        raise missing_frame(index, frames)
    maker = get_mask_maker(args.mask_maker, chosen_model(args))
    masks = maker(frames[index], [hint for _, hint in hints])
    for (name, hint), mask in zip(hints, masks, strict=True):
        if not mask.any():
            other = " or ".join(repr(other) for other in MASK_MAKERS if other != maker.name)
            raise HS2SError(
                f"The mask maker {maker.name!r} finds no object in {name}: move it, draw the object's mask"
                f" (--mask){f', or take {other}' if hint.box else ''}."
            )
    made = {
        i: {"prompt": "points" if hint.box is None else "box", "mask_maker": maker.name}
        for i, (_, hint) in enumerate(hints, start=1)
    }
    return GivenPrompts(MaskArrays({index: dict(enumerate(masks, start=1))}), [], made)


def _hints(args: argparse.Namespace, size: tuple[int, int]) -> list[tuple[str, Hint]]:
    """What is known of the objects, in order, and what to call it in messages."""
    import numpy as np

    from fiftyone_hs2s.hints import Hint

    height, width = size
    hints: list[tuple[str, Hint]] = []
    for x, y, wide, high in args.box:
        name = f"--box {x:g},{y:g},{wide:g},{high:g}"
        if x >= width or y >= height or x + wide <= 0 or y + high <= 0:
            raise HS2SError(f"{name} lies outside of the frame, which has {width}x{height} pixels.")
        hints.append((name, Hint((x, y, x + wide, y + high))))
    for points in args.points:
        name = f"--points {' '.join(f'{x:g},{y:g}' for x, y, _ in points)}"
        if not all(0 <= x < width and 0 <= y < height for x, y, _ in points):
            raise HS2SError(f"{name} lies outside of the frame, which has {width}x{height} pixels.")
        on, beside = (
            np.array([p[:2] for p in points if p[2] is there]).reshape(-1, 2) for there in (True, False)
        )
        if not len(on):
            raise HS2SError(f"{name} has no point on the object, only beside it: add one.")
        hints.append((name, Hint(None, on, beside)))
    return hints


def _box(text: str) -> tuple[float, ...]:
    box = _numbers(text)
    if len(box) != 4 or box[2] <= 0 or box[3] <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not X,Y,WIDTH,HEIGHT in pixels, such as 120,80,64,48")
    return box


def _point(text: str) -> Point:
    point = _numbers(text)
    if len(point) not in (2, 3) or point[2:] not in ((), (0,), (1,)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not X,Y in pixels, such as 120,80, or X,Y,0 for a point beside the object"
        )
    return point[0], point[1], point[2:] != (0,)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        return ()
    return numbers if all(map(math.isfinite, numbers)) else ()


def _index(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not the number of a frame, counted from 0")
    return int(text)

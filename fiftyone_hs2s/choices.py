"""What users choose among by name, and what is said where there is no such name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any, Literal, TypeVar, get_args

from fiftyone_hs2s.errors import HS2SError

T = TypeVar("T")

Direction = Literal["forward", "backward", "both"]
"""Which way objects are tracked."""
PromptFrames = Literal["first", "all"]
"""Whether an object is taken from its first mask alone, or anchored again on each of its masks."""
SceneCuts = Literal["ignore", "stop", "restart"]
"""What becomes of a track where another scene begins. The first is the default: a flash passes for a cut, and
no mask should be lost to that; cuts are noted all the same."""
Until = Literal["end", "keyframe"]
"""How far an object of a frame is propagated: to the end of the video, or to its next keyframe."""
Runtime = Literal["auto", "torch", "openvino", "onnxruntime"]
"""What computes the network."""

DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
PROMPT_FRAMES: tuple[PromptFrames, ...] = get_args(PromptFrames)
SCENE_CUTS: tuple[SceneCuts, ...] = get_args(SceneCuts)
UNTILS: tuple[Until, ...] = get_args(Until)
RUNTIMES: tuple[Runtime, ...] = get_args(Runtime)
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
MASK_NETWORK, OPEN_MASK_NETWORK, GRABCUT = "hs2s-mask", "hs2s-mask-open", "grabcut"
MASK_MAKERS = (MASK_NETWORK, OPEN_MASK_NETWORK, GRABCUT)
"""What makes masks of boxes and points and needs nothing else, the best first."""
AUTO = "auto"
"""Of mask makers, the network whose terms are those of the model's weights."""

_FEW = 8
"""So many names are still read."""


def check_choice(name: str, value: Any, choices: Iterable[T]) -> T:
    """Gives the one of the choices that the value is.

    Raises:
        HS2SError: if it is none of them; names the nearest, or all
    """
    known = list(choices)
    if value not in known:
        raise HS2SError(f"{name}={value!r} is unknown: {did_you_mean(value, map(str, known), 3)}")
    return known[known.index(value)]


def parse_size(text: str) -> tuple[int, int]:
    """A size (h, w) as it is written, ``256x448``.

    Raises:
        HS2SError: if it is none
    """
    match = re.fullmatch(r"\s*(\d+)\s*[x×]\s*(\d+)\s*", text)
    if match is None:
        raise HS2SError(f"{text!r} is not height x width, such as 256x448")
    return int(match[1]), int(match[2])


def did_you_mean(name: Any, known: Iterable[str], most: int = 1) -> str:
    """A question that suggests the nearest of the known names, with the others where these are few; all of
    them where none is near."""
    known = list(known)
    near = difflib.get_close_matches(str(name), known, n=most)
    if not near:
        return f"choose one of {', '.join(known)}"
    question = f"did you mean {' or '.join(map(repr, near))}?"
    others = [one for one in known if one not in near]
    return f"{question} Others: {', '.join(others)}" if 0 < len(others) <= _FEW else question

"""Data sets of moving rectangles, which the network of colors follows exactly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from color_network import ColorNetwork, moving
from PIL import Image

from fiftyone_hs2s.masks import join_masks, write_label_map
from fiftyone_hs2s.tracking import Tracker

SIZE = (64, 96)
LENGTH = 8
NAMES = [f"{5 * t:05}" for t in range(LENGTH)]


def shift(mask: np.ndarray) -> np.ndarray:
    """What the truth says on later frames: a little off what is to be seen, so that no score is 1."""
    return np.roll(mask, 2, axis=1)


def write_sequence(root: Path, name: str, truth: str = "full", objects: int = 2, sub: str = "") -> None:
    """A sequence in which object 1 is there from the first frame and object 2 from the fourth to the seventh.

    Args:
        truth: "full", or "first": of each object the first mask alone
    """
    frames, masks = moving(SIZE, LENGTH)
    images, annotations = root / "JPEGImages" / sub / name, root / "Annotations" / sub / name
    for folder in (images, annotations):
        folder.mkdir(parents=True)
    for t, (frame, found) in enumerate(zip(frames, masks, strict=True)):
        Image.fromarray(frame).save(images / f"{NAMES[t]}.png")
        first = {1: 0, 2: 3}
        shown = {i: m if first[i] == t else shift(m) for i, m in found.items() if i <= objects}
        if truth == "first":
            shown = {i: mask for i, mask in shown.items() if first[i] == t}
        if shown or truth == "full":
            write_label_map(annotations / f"{NAMES[t]}.png", join_masks(shown, SIZE))


def make_davis(root: Path, names: tuple[str, ...] = ("bear", "cows"), **options) -> Path:
    for name in names:
        write_sequence(root, name, sub="480p", **options)
    (root / "ImageSets/2017").mkdir(parents=True)
    (root / "ImageSets/2017/val.txt").write_text("\n".join(names))
    return root


def make_youtube_vos(root: Path) -> Path:
    """Validation with first masks alone, training with all; object 2 is of a class that training does not
    have."""
    for split, truth in (("valid", "first"), ("train", "full")):
        videos = {}
        for name in ("aa", "bb"):
            write_sequence(root / split, name, truth)
            objects = {
                "1": {"category": "dog", "frames": NAMES[::2]},
                "2": {"category": "yak", "frames": NAMES[3:7:2]},
            }
            videos[name] = {"objects": objects}
        (root / split / "meta.json").write_text(json.dumps({"videos": videos}))
    return root


def tracker() -> Tracker:
    return Tracker(ColorNetwork(), SIZE, "cpu", "float32")

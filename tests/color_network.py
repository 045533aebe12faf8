"""A network of the same interface that finds objects by their color: what it must answer is known
beforehand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from fiftyone_hs2s.network import ImageFeatures, State
from fiftyone_hs2s.tracking import Tracker

COLORS = {1: (255, 0, 0), 2: (0, 255, 0), 3: (0, 0, 255), 4: (255, 255, 0), 300: (255, 0, 255)}


class ColorNetwork(nn.Module):
    """Each object is where the frame has the mean color of the object's first mask.

    Args:
        others: whether it is shown where the other objects are

    Attributes:
        seen_masks: the masks that each step was given
        seen_sizes: the shape of each image
    """

    def __init__(self, others: bool = True) -> None:
        super().__init__()
        self.config = SimpleNamespace(name="colors", feedback="own", others=others, reset_period=0)
        self.seen_masks: list[torch.Tensor] = []
        self.seen_sizes: list[tuple[int, ...]] = []

    def encode_image(self, frame: torch.Tensor) -> ImageFeatures:
        self.seen_sizes.append(tuple(frame.shape))
        return ImageFeatures(frame, {}, None)

    def start(self, image: ImageFeatures, masks: torch.Tensor, others: torch.Tensor | None = None) -> State:
        color = (image.joint * masks).sum((2, 3), keepdim=True) / masks.sum((2, 3), keepdim=True)
        return State(image, masks, {}, None, ((color, color),), torch.zeros(len(masks)))

    def step(self, image: ImageFeatures, state: State) -> tuple[torch.Tensor, State]:
        self.seen_masks.append(state.masks)
        distance = (image.joint - state.memories[0][0]).abs().sum(1, keepdim=True)
        logits = 20 * (0.4 - distance)
        return logits, State(image, logits.sigmoid(), {}, None, state.memories, state.age + 1)


def draw(
    size: tuple[int, int], boxes: dict[int, tuple[int, int, int, int]]
) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """A gray frame with a rectangle (top, left, bottom, right) in each object's color, and its visible
    masks."""
    frame = np.full((*size, 3), 60, np.uint8)
    labels = np.zeros(size, int)
    for object_id, (top, left, bottom, right) in boxes.items():
        frame[top:bottom, left:right] = COLORS[object_id]
        labels[top:bottom, left:right] = object_id
    return frame, {object_id: labels == object_id for object_id in boxes if (labels == object_id).any()}


def moving(
    size: tuple[int, int] = (120, 214), length: int = 8
) -> tuple[np.ndarray, list[dict[int, np.ndarray]]]:
    """A video of two rectangles: 1 moves right all the time, 2 comes into view on frame 3 and leaves after
    frame 6."""
    height, width = size
    frames, truth = [], []
    for t in range(length):
        boxes = {1: (height // 4, t * width // 20 + 4, height // 2, t * width // 20 + width // 4)}
        if 3 <= t <= 6:
            boxes[2] = (height // 2 + 4, width // 2, height - 8, width - t)
        frame, masks = draw(size, boxes)
        frames.append(frame)
        truth.append(masks)
    return np.stack(frames), truth


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two masks."""
    return (a & b).sum() / max(1, (a | b).sum())


def color_tracker(**options):
    return Tracker(ColorNetwork(), **{"size": (128, 224), "device": "cpu", "precision": "float32", **options})

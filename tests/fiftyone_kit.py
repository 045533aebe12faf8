"""What the tests of the FiftyOne side share: small videos with known masks, a model that tracks them well
enough."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import fiftyone as fo
import numpy as np
from color_network import ColorNetwork, iou
from PIL import Image

from fiftyone_hs2s.dataset.labels import detection_mask
from fiftyone_hs2s.dataset.propagate.model import HS2SVideoModel
from fiftyone_hs2s.progress import Progress
from fiftyone_hs2s.tracking import Tracker

H, W, T = 64, 96, 12
COLORS = {0: (220, 40, 40), 1: (40, 60, 220)}
"""Color of each object, by index."""


def truth(number: int) -> dict[int, np.ndarray]:
    """The masks of a red and a blue square on frame ``number`` (from 1): one goes right, the other left."""
    masks = {index: np.zeros((H, W), bool) for index in COLORS}
    left = 4 * (number - 1)
    masks[0][8:24, left : left + 16] = True
    masks[1][36:52, W - 16 - left : W - left] = True
    return masks


def picture(number: int) -> np.ndarray:
    """Frame ``number`` of the video."""
    frame = np.full((H, W, 3), 128, np.uint8)
    for index, mask in truth(number).items():
        frame[mask] = COLORS[index]
    return frame


def write_video(path: Path, frames: list[np.ndarray]) -> Path:
    """Writes RGB frames as H.264."""
    height, width = frames[0].shape[:2]
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-y",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-s",
        f"{width}x{height}",
    ]
    command += ["-r", "10", "-i", "-", "-c:v", "libx264", "-crf", "4", "-g", "4", "-pix_fmt", "yuv420p"]
    command += ["-threads", "1", "-movflags", "+faststart", str(path)]
    subprocess.run(command, input=b"".join(frame.tobytes() for frame in frames), check=True)
    return path


def detection(mask: np.ndarray, **attributes) -> fo.Detection:
    """A detection with its mask cropped to the box, as FiftyOne makes it."""
    return fo.Detection.from_mask(mask, **attributes)


def prompts(number: int, indices=(0, 1)) -> fo.Detections:
    """The true masks on one frame."""
    masks = truth(number)
    return fo.Detections(detections=[detection(masks[i], label=f"square {i}", index=i) for i in indices])


def prompted_sample(video: object, field: str) -> fo.Sample:
    """A sample of the video with the true masks on all frames."""
    sample = fo.Sample(filepath=str(video))
    for number in range(1, T + 1):
        sample.frames[number] = fo.Frame(**{field: prompts(number)})
    return sample


def image_groups(
    dataset: fo.Dataset, folder: Path, masks: Callable[[str, int], fo.Detections | None]
) -> fo.DatasetView:
    """Two groups of T images, ``scene`` "one" and "two", stored from the last ``place`` to the first.

    ``pred`` holds ``masks(scene, place)``.
    """
    for scene in ("one", "two"):
        for number in range(T, 0, -1):
            path = folder / f"{scene}{number:03d}.png"
            Image.fromarray(picture(number)).save(path)
            dataset.add_sample(fo.Sample(str(path), scene=scene, place=number, pred=masks(scene, number)))
    return dataset.group_by("scene", order_by="place")


def found(sample: fo.Sample, field: str = "pred") -> dict[int, dict[int, np.ndarray]]:
    """The masks of a field by frame number and index."""
    return {
        number: {d.index: detection_mask(d, (H, W)) for d in frame[field].detections}
        for number, frame in sample.frames.items()
        if frame.has_field(field) and frame[field] is not None
    }


def is_step(event: Progress, number: int) -> bool:
    """Whether so many frames of the current sample are done."""
    return event.within is not None and event.within.iteration == number


def assert_right(results: dict[int, dict[int, np.ndarray]], numbers, indices=(0, 1)) -> None:
    """Asserts that exactly these frames have exactly these objects, about where they are."""
    assert sorted(results) == list(numbers)
    for number, masks in results.items():
        assert sorted(masks) == list(indices), f"frame {number}"
        for index, mask in masks.items():
            assert iou(mask, truth(number)[index]) > 0.8, f"object {index} on frame {number}"


def color_model(**options) -> HS2SVideoModel:
    """A FiftyOne model around the color network."""
    return HS2SVideoModel(
        Tracker(ColorNetwork(others=False), size=(H, W), device="cpu", precision="float32"), **options
    )

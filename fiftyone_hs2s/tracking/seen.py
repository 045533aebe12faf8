"""Frames and masks as the network sees them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from fiftyone_hs2s.errors import MaskError, VideoError
from fiftyone_hs2s.masks import fit_mask
from fiftyone_hs2s.tracking.views import Size, View


@dataclass(frozen=True)
class SeenFrame:
    """A frame on the network's device, at the sizes at which its views see it.

    Attributes:
        size: (H, W) of the frame itself
        pixels: uint8 (h, w, 3) by size
        uploaded: what a GPU waits for before it reads them; None where they are there
    """

    size: Size
    pixels: dict[Size, torch.Tensor]
    uploaded: torch.cuda.Event | None = None

    def picture(self, view: View, base: Size) -> torch.Tensor:
        """What a view sees, float32 (1, 3, h, w) in 0..1, where the plain one is at the size ``base``."""
        pixels = self.pixels[view.size(base)]
        if self.uploaded is not None:
            stream = torch.cuda.current_stream(pixels.device)
            stream.wait_event(self.uploaded)
            pixels.record_stream(stream)
        return view.turn(pixels.permute(2, 0, 1)[None].float().div_(255))


def see(frame: np.ndarray, sizes: Iterable[Size], device: torch.device) -> SeenFrame:
    """Brings a frame to the network's device; a GPU works on while it is copied there.

    Args:
        frame: uint8 (H, W, 3), RGB
        sizes: to bring it to
        device: the device

    Raises:
        VideoError: if it is no such frame
    """
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise VideoError(f"A frame is uint8 RGB (H, W, 3), not {frame.dtype} of shape {frame.shape}.")
    size = frame.shape[0], frame.shape[1]
    small = {wanted: torch.from_numpy(_resized(frame, wanted)) for wanted in sizes}
    if device.type != "cuda":
        return SeenFrame(size, {wanted: pixels.to(device) for wanted, pixels in small.items()})
    with torch.cuda.stream(_upload_stream(device)) as stream:
        copies = {
            wanted: pixels.pin_memory().to(device, non_blocking=True) for wanted, pixels in small.items()
        }
        return SeenFrame(size, copies, stream.record_event())


@lru_cache
def _upload_stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)


def _resized(frame: np.ndarray, size: Size) -> np.ndarray:
    shrinking = size[0] * size[1] < frame.shape[0] * frame.shape[1]
    how = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return cv2.resize(frame, (size[1], size[0]), interpolation=how)


def check_mask(object_id: int, mask: np.ndarray, size: Size) -> np.ndarray:
    """An object's mask, bool at a frame's size (H, W).

    Raises:
        MaskError: if it does not fit, or has no pixel, or its id is out of range
    """
    if not 1 <= object_id <= 65535:
        raise MaskError(f"An object's id is 1 to 65535, not {object_id}.")
    mask = fit_mask(np.asarray(mask), size, f"mask of object {object_id}").astype(bool)
    if not mask.any():
        raise MaskError(
            f"The mask of object {object_id} has no pixel: give one on which the object is visible."
        )
    return mask


def shrink(mask: np.ndarray, size: Size, device: torch.device) -> torch.Tensor:
    """A mask (H, W) at the network's size (h, w), float32 (1, 1, h, w) in 0..1."""
    tensor = torch.from_numpy(mask.astype(np.float32)).to(device)[None, None]
    return F.interpolate(tensor, size, mode="bilinear", align_corners=False, antialias=True)

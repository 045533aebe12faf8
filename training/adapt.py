"""Adapts a copy of a network to the objects of one video, from pictures with their masks, in seconds.

Needs no more than the package itself: no Accelerate, no run folder.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import cached_property

import cv2
import numpy as np
import torch

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import VOID, object_ids
from fiftyone_hs2s.network.hs2s import HS2S
from fiftyone_hs2s.training.data.augment import Size
from fiftyone_hs2s.training.data.mix import MixedClips
from fiftyone_hs2s.training.data.pictures import PictureClips
from fiftyone_hs2s.training.freezing import freeze_norm, freeze_stages
from fiftyone_hs2s.training.losses import split_objects, weighted_loss

logger = logging.getLogger(__name__)

LENGTH = 4  # frames a clip
RATE = 2e-4
WARMUP = 12  # steps; many, so that a time that suffices for a few changes little: they would do harm
OWN_MASK = 0.7  # share of the frames that are seen with the network's own last mask


def adapt(
    network: HS2S,
    pictures: Sequence[tuple[np.ndarray, np.ndarray]],
    seconds: float,
    size: Size,
    precision: torch.dtype = torch.float32,
    steps: int | None = None,
    seed: int = 1,
) -> HS2S:
    """Trains a copy of a network on clips that are made of a video's given masks.

    Clips show the picture under a moving camera, or its objects moving over what the picture is without them.
    The backbone that all objects share and batch norm stay as they are.

    Args:
        network: stays as it is
        pictures: uint8 RGB (H, W, 3) and label map uint8 (H, W) of each
        seconds: time to learn; at least one step is made
        size: (H, W) of the clips, multiples of 32: what the network sees in tracking
        precision: to compute in; float32 is used in place of float16
        steps: learn so many steps at most
        seed: of everything random

    Returns:
        the copy, in evaluation mode

    Raises:
        HS2SError: if the loss is not finite, or no clip can be made of the pictures
    """
    start = time.monotonic()
    learner = _Learner(deepcopy(network), precision, seed)
    clips = MixedClips([(_clips(pictures), 1.0)], LENGTH, size, seed)
    step, done = 0, 0.0
    with _threads_kept(), torch.enable_grad():
        while done < 1:
            learner.step(clips[step, 0], min(1.0, (step + 1) / WARMUP) * (1 - done))
            step += 1
            done = max((time.monotonic() - start) / seconds, step / steps if steps else 0.0)
    logger.info("Adapted in %d step%s", step, "s" if step > 1 else "")
    return learner.network.eval()


class _Learner:
    """One optimizer step after the other."""

    def __init__(self, network: HS2S, precision: torch.dtype, seed: int) -> None:
        self.network = network.train()
        freeze_norm(network, True)
        if network.trunk is not None:
            freeze_stages(network, len(network.trunk.stages))
        self.parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=RATE, weight_decay=0.01)
        self.device = next(network.parameters()).device
        self.precision = torch.float32 if precision == torch.float16 else precision
        self.chance = torch.Generator().manual_seed(seed)

    def step(self, clip: tuple[torch.Tensor, ...], factor: float) -> None:
        """Learns from frames uint8 (T, 3, H, W) and masks uint8 (T, 1, H, W) at a part of the learning
        rate."""
        frames, masks = (tensor[None].to(self.device) for tensor in clip)
        of_clip, _, masks = split_objects(masks)
        truth = (masks == 1).float()
        forcing = (torch.rand((1, len(clip[0])), generator=self.chance) >= OWN_MASK).to(self.device)[of_clip]
        context = torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32)
        with context:
            logits = self.network(frames.float() / 255, truth, teacher_forcing=forcing, clip=of_clip)
        losses = {"bce": 1.0, "soft_jaccard": 0.5, **({"competition": 1.0} if len(masks) > 1 else {})}
        loss, _ = weighted_loss(losses, logits.float(), None, masks[:, 1:], of_clip)
        if not torch.isfinite(loss):
            raise HS2SError(
                'Adapting gave a loss that is not finite: track without it, or with precision="float32".'
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = RATE * factor
        self.optimizer.step()


class _Given:
    """A picture with its masks, and what it is without its objects."""

    def __init__(self, image: np.ndarray, labels: np.ndarray) -> None:
        self._image, self._labels = image, labels

    def image(self) -> np.ndarray:
        return self._image

    def labels(self) -> np.ndarray:
        return self._labels

    def background(self) -> np.ndarray:
        return self._background

    @cached_property
    def _background(self) -> np.ndarray:
        """The objects, with a margin, filled from around: at a low resolution, since no more is known of
        it."""
        height, width = self._labels.shape
        factor = min(1.0, 192 / min(height, width))
        small = cv2.resize(self._image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        hidden = cv2.dilate(((self._labels > 0) & (self._labels < VOID)).astype(np.uint8), np.ones((15, 15)))
        hidden_small = cv2.resize(hidden, small.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        filled = cv2.resize(cv2.inpaint(small, hidden_small, 3, cv2.INPAINT_TELEA), (width, height))
        return np.where(hidden[..., None] > 0, filled, self._image)


def _clips(pictures: Sequence[tuple[np.ndarray, np.ndarray]]) -> PictureClips:
    given = [_Given(*picture) for picture in pictures]
    return PictureClips(
        [[(picture.image, picture.labels) for picture in given]],
        paste=0.5,
        distractors=0,
        occluder=0,
        objects=max(len(object_ids(picture.labels())) for picture in given) or 1,
        min_area=0,  # what the user wants tracked is worth learning
        backgrounds=[picture.background for picture in given],
    )


@contextmanager
def _threads_kept() -> Iterator[None]:
    """Restores OpenCV's threads, which :class:`MixedClips` ends."""
    threads = cv2.getNumThreads()
    try:
        yield
    finally:
        cv2.setNumThreads(threads)

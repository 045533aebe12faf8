"""Tracking objects through a video, one frame at a time, in memory that does not grow."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from copy import copy, deepcopy
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from fiftyone_hs2s.errors import HS2SError, MaskError, VideoError
from fiftyone_hs2s.masks import draw_masks, fit_mask, label_dtype
from fiftyone_hs2s.network import HS2S
from fiftyone_hs2s.network.aggregation import AGGREGATIONS, aggregate
from fiftyone_hs2s.network.attention import first_frame_attention
from fiftyone_hs2s.network.encoders import ImageFeatures
from fiftyone_hs2s.network.state import State
from fiftyone_hs2s.tracking.decision import decide
from fiftyone_hs2s.tracking.device import choose_device, choose_precision
from fiftyone_hs2s.tracking.result import Probabilities, TrackedFrame
from fiftyone_hs2s.tracking.views import AVERAGES, View

logger = logging.getLogger(__name__)

MAX_SIDE = 4096
"""Of the network's input; memory grows with it."""

_NOWHERE = -1e4
"""A margin below any other."""


class Tracker:
    """Follows objects from their masks on some frame through the frames that come after it.

    What it keeps of the past is each object's state in the network: constant, however long the video.

        tracker = Tracker(load_network("hs2s-lite"))
        tracker.add_objects(frames[0], {1: mask})
        for frame in frames[1:]:
            label_map = tracker.step(frame).label_map

    Args:
        network: the network; it is put to evaluation mode and moved to the device
        size: (h, w) at which the network sees a landscape frame, multiples of 32; a portrait frame is seen at
            (w, h)
        device: "auto" (CUDA where there is one) or a torch device
        precision: "auto", "float32", "bfloat16" or "float16"
        aggregation: how objects compete for a pixel, "soft" or "argmax"; see ``aggregation.aggregate``
        chunk_size: how many objects go through the network at once; bounds the memory, not the result
        average: what the results of are averaged at each frame: "none" for the frame alone; "flip" for the
            frame and its mirror image (twice the time and memory); "scales" for the frame at 0.75, 1 and 1.25
            times ``size`` (3.1 times); "flip+scales" for all six (6.3 times)

    Raises:
        HS2SError: if an argument cannot be used
    """

    def __init__(
        self,
        network: HS2S,
        size: tuple[int, int] = (256, 448),
        device: str | torch.device = "auto",
        precision: str = "auto",
        aggregation: str = "soft",
        chunk_size: int = 16,
        average: str = "none",
    ) -> None:
        if not all(32 <= side <= MAX_SIDE and side % 32 == 0 for side in size):
            raise HS2SError(
                f"The network's size must be multiples of 32 up to {MAX_SIDE} such as 256x448, not"
                f" {size[0]}x{size[1]}."
            )
        if aggregation not in AGGREGATIONS:
            raise HS2SError(
                f'There is no aggregation "{aggregation}": take one of {", ".join(AGGREGATIONS)}.'
            )
        if average not in AVERAGES:
            raise HS2SError(f'There is no average "{average}": take one of {", ".join(AVERAGES)}.')
        if chunk_size < 1:
            raise HS2SError(
                f"At least one object must go through the network at once, not chunk_size={chunk_size}."
            )
        self._asked = (size, device, precision, aggregation, chunk_size, average)
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)
        # channels last is how convolutions run fastest, on a CPU and on tensor cores alike
        self.network = network.eval().to(self.device).to(memory_format=torch.channels_last)
        self.size, self.aggregation, self.chunk_size = (size[0], size[1]), aggregation, chunk_size
        self.average, self._views = average, AVERAGES[average]
        logger.info("Tracking with %s on %s in %s", network.config.name, self.device, str(self.precision)[6:])
        self.reset()

    def reset(self) -> None:
        """Forgets all objects and the video, ready for another one."""
        self._ids: list[int] = []  # in the order of the batch
        self._states: list[list[State]] = [[] for _ in self._views]  # of each view, chunks of that batch
        self._logits = torch.empty(0, device=self.device)  # float32 (N, h, w), on the current frame
        self._given: dict[int, np.ndarray] = {}  # masks that were given for the current frame
        self._frame_size = (0, 0)

    def __reduce__(self) -> tuple[Any, ...]:
        """For other processes: the network, and what was asked for, but nothing that is tracked."""
        network = self.network if self.device.type == "cpu" else deepcopy(self.network).cpu()
        return type(self), (network, *self._asked)

    def with_network(self, network: HS2S) -> Tracker:
        """A tracker with the same settings and another network, that tracks nothing yet.

        Args:
            network: in evaluation mode, on the same device
        """
        other = copy(self)
        other.network = network
        other.reset()
        return other

    @property
    def ids(self) -> tuple[int, ...]:
        """The objects that are being tracked, ascending."""
        return tuple(sorted(self._ids))

    def add_objects(self, frame: np.ndarray, masks: Mapping[int, np.ndarray]) -> TrackedFrame:
        """Starts objects on the current frame, or anchors them again, from their masks.

        Other objects that are being tracked must be on this very frame; to anchor objects on the next one,
        use ``step(frame, masks)``.

        Args:
            frame: uint8 (H, W, 3), RGB
            masks: bool (H, W) by id, 1 to 65535; a mask of another size is fitted if its aspect is the
                frame's. Where masks overlap, the smaller one is on top

        Raises:
            MaskError: if a mask does not fit, or has no pixel
            VideoError: if the frame cannot be used
        """
        return self._run(frame, masks, advance=False)

    def step(self, frame: np.ndarray, masks: Mapping[int, np.ndarray] | None = None) -> TrackedFrame:
        """Advances all objects to the next frame.

        Args:
            frame: uint8 (H, W, 3), RGB, of the same size as the frames before
            masks: objects to start or to anchor again on it, as for :meth:`add_objects`; they are taken as
                they are

        Raises:
            HS2SError: if nothing is being tracked, or the network's output is not finite
            MaskError: if a mask does not fit, or has no pixel
            VideoError: if the frame cannot be used
        """
        if not self._ids and not masks:
            raise HS2SError("There is no object to track: call add_objects first.")
        return self._run(frame, masks or {}, advance=True)

    def remove_objects(self, ids: Iterable[int]) -> None:
        """Stops tracking objects; unknown ids are ignored."""
        gone = set(ids)
        self._keep([index for index, object_id in enumerate(self._ids) if object_id not in gone])

    def first_frame_attention(self, object_id: int) -> np.ndarray:
        """Where in its first frame an object looks now: what its pixels are matched with (figure 1 of the
        paper).

        The first frame is the one on which it was started or anchored last. It is computed when asked for,
        from what is kept anyway.

        Returns:
            float32 (H, W) in 0..1, the greatest value 1; all 0 if the object is not in view now

        Raises:
            HS2SError: if the object is not being tracked, or the network does not read first frames
        """
        if object_id not in self._ids:
            raise HS2SError(
                f"Object {object_id} is not being tracked, only {', '.join(map(str, self.ids)) or 'none'}."
            )
        chunk, place = divmod(self._ids.index(object_id), self.chunk_size)
        with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
            looked_at = first_frame_attention(self.network, self._states[0][chunk].select([place]))[None]
        large = F.interpolate(looked_at.float(), self._frame_size, mode="bilinear", align_corners=False)[0, 0]
        return (large / large.max().clamp(min=1e-12)).cpu().numpy()

    def _run(self, frame: np.ndarray, masks: Mapping[int, np.ndarray], advance: bool) -> TrackedFrame:
        self._check_frame(frame)
        masks = {object_id: _check_mask(object_id, mask, frame) for object_id, mask in masks.items()}
        context = torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32)
        with torch.inference_mode(), context:
            images = [self.network.encode_image(self._to_network(frame, view)) for view in self._views]
            if advance:
                self._advance(images)
            if masks:
                self._anchor(images, masks)
        with torch.inference_mode():
            return self._conclude()

    def _advance(self, images: list[ImageFeatures]) -> None:
        self._given = {}
        if not self._ids:
            return
        results = []
        for number, (view, image) in enumerate(zip(self._views, images, strict=True)):
            logits, states = zip(
                *(self.network.step(image, state) for state in self._states[number]), strict=True
            )
            self._states[number] = list(states)
            results.append(view.bring_back(torch.cat(logits).float(), self._network_size())[:, 0])
        self._logits = torch.stack(results).mean(0) if len(results) > 1 else results[0]
        if not torch.isfinite(self._logits).all():
            raise HS2SError(
                f"{self.network.config.name} gave values that are not finite: "
                'its weights are damaged, or the precision is too low (try precision="float32").'
            )

    def _anchor(self, images: list[ImageFeatures], masks: Mapping[int, np.ndarray]) -> None:
        self.remove_objects(masks)
        small = torch.cat([self._shrink(mask) for mask in masks.values()])
        others = self._others_of(small)
        for number, (view, image) in enumerate(zip(self._views, images, strict=True)):
            states = [self.network.start(image, *seen) for seen in self._seen(view, small, others)]
            self._states[number] = self._rechunk(State.cat(self._states[number] + states))
        self._logits = torch.cat([self._logits, small[:, 0].logit(1e-7)])
        self._ids += masks
        self._given.update(masks)

    def _seen(
        self, view: View, masks: torch.Tensor, others: torch.Tensor | None
    ) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
        """What a view sees of masks and of where the others are, each (N, 1, h, w), chunk by chunk."""
        own = view.see(masks).split(self.chunk_size)
        beside = [None] * len(own) if others is None else view.see(others).split(self.chunk_size)
        return list(zip(own, beside, strict=True))

    def _others_of(self, small: torch.Tensor) -> torch.Tensor | None:
        """Where the other objects are for each of those that start now, (N, 1, h, w) from their masks
        likewise.

        None where the network does not look at them.
        """
        if not self.network.config.others:
            return None
        others = small.sum(0) - small
        if len(self._logits):
            _, shares = aggregate(self._logits, self.aggregation)
            others = others + shares.sum(0) * (1 - small.amax(0))
        return others.clamp(0, 1)

    def _keep(self, indices: list[int]) -> None:
        if len(indices) == len(self._ids):
            return
        self._ids = [self._ids[index] for index in indices]
        self._given = {i: mask for i, mask in self._given.items() if i in self._ids}
        self._logits = self._logits[indices]
        for number, joined in enumerate(self._states):
            self._states[number] = self._rechunk(State.cat(joined).select(indices)) if indices else []

    def _rechunk(self, state: State) -> list[State]:
        count, length = len(state), self.chunk_size
        parts = [list(range(start, min(start + length, count))) for start in range(0, count, length)]
        return [state] if len(parts) == 1 else [state.select(part) for part in parts]

    def _conclude(self) -> TrackedFrame:
        """Lets the objects compete for the result, and hands each what its next step sees
        (:meth:`HS2S.feed_back`).

        Where the network learned from clips of one object, that is its own mask, not its share: a share that
        another object took by mistake would be lost for good (on schoolgirls, 7 objects, that cost 2 to 10
        points of J&F).
        """
        margins, probabilities = aggregate(self._logits, self.aggregation)
        own = probabilities.clone() if self.network.config.feedback == "share" else self._logits.sigmoid()
        if self._given:
            margins = self._take_as_given(margins, probabilities, own)
        looks = self.network.config.others
        others = (probabilities.sum(0) - probabilities).clamp(0, 1)[:, None] if looks else None
        for view, states in zip(self._views, self._states, strict=True):
            for state, seen in zip(states, self._seen(view, own[:, None], others), strict=True):
                state.masks, state.others = seen
        labels = (
            decide(margins, self._ids, self._frame_size)
            .cpu()
            .numpy()
            .astype(label_dtype(self._ids), copy=False)
        )
        draw_masks(labels, self._given)
        lazy = Probabilities(self._ids, margins, self._given, self._frame_size, self.aggregation)
        return TrackedFrame(labels, self._confidence(margins, probabilities), lazy)

    def _take_as_given(self, margins: torch.Tensor, *probabilities: torch.Tensor) -> torch.Tensor:
        """Puts masks that were given in the place of what the network thinks, and the other objects out of
        there."""
        start = len(self._ids) - len(self._given)  # what was given is at the end of the batch
        small = torch.cat([self._shrink(self._given[object_id]) for object_id in self._ids[start:]])[:, 0]
        # They need no decision.
        margins = torch.cat([margins[:start], margins.new_full(small.shape, _NOWHERE)])
        for values in probabilities:
            values[:start] *= 1 - small.amax(0)
            values[start:] = small
        return margins

    def _confidence(self, margins: torch.Tensor, probabilities: torch.Tensor) -> dict[int, float]:
        own = (margins == margins.amax(0)) & (margins > 0)
        totals = (probabilities * own).sum((1, 2)) / own.sum((1, 2)).clamp(min=1)
        values = dict(zip(self._ids, totals.tolist(), strict=True))
        return {i: 1.0 if i in self._given else min(1.0, values[i]) for i in sorted(self._ids)}

    def _check_frame(self, frame: np.ndarray) -> None:
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise VideoError(f"A frame is uint8 RGB (H, W, 3), not {frame.dtype} of shape {frame.shape}.")
        if self._ids and frame.shape[:2] != self._frame_size:
            old, new = self._frame_size, frame.shape
            raise VideoError(f"The frame is {new[0]}x{new[1]} pixels, those before were {old[0]}x{old[1]}.")
        self._frame_size = (frame.shape[0], frame.shape[1])

    def size_for(self, frame_size: tuple[int, int]) -> tuple[int, int]:
        """The size (h, w) at which the network sees frames of the size (H, W)."""
        height, width = frame_size
        same_way = (height <= width) == (self.size[0] <= self.size[1])
        return self.size if same_way else (self.size[1], self.size[0])

    def _network_size(self) -> tuple[int, int]:
        return self.size_for(self._frame_size)

    def _to_network(self, frame: np.ndarray, view: View) -> torch.Tensor:
        height, width = view.size(self._network_size())
        shrinking = height * width < frame.shape[0] * frame.shape[1]
        small = cv2.resize(
            frame, (width, height), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
        )
        return view.turn(torch.from_numpy(small).to(self.device).permute(2, 0, 1)[None].float().div_(255))

    def _shrink(self, mask: np.ndarray) -> torch.Tensor:
        """A mask at the network's size, (1, 1, h, w) in 0..1."""
        tensor = torch.from_numpy(mask.astype(np.float32)).to(self.device)[None, None]
        return F.interpolate(
            tensor, self._network_size(), mode="bilinear", align_corners=False, antialias=True
        )


def _check_mask(object_id: int, mask: np.ndarray, frame: np.ndarray) -> np.ndarray:
    if not 1 <= object_id <= 65535:
        raise MaskError(f"An object's id is 1 to 65535, not {object_id}.")
    mask = fit_mask(np.asarray(mask), frame.shape[:2], f"mask of object {object_id}").astype(bool)
    if not mask.any():
        raise MaskError(
            f"The mask of object {object_id} has no pixel: give one on which the object is visible."
        )
    return mask

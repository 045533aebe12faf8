"""One frame of tracking: what is computed, by whatever engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch

from fiftyone_hs2s.network.aggregation import aggregate
from fiftyone_hs2s.network.encoders import ImageFeatures
from fiftyone_hs2s.network.state import State
from fiftyone_hs2s.runtime import Engine
from fiftyone_hs2s.tracking.batch import Batch, chunked
from fiftyone_hs2s.tracking.conclusion import conclude
from fiftyone_hs2s.tracking.result import TrackedFrame
from fiftyone_hs2s.tracking.seen import SeenFrame, shrink
from fiftyone_hs2s.tracking.views import Size, View


@dataclass(frozen=True)
class FrameWork:
    """Does a frame, from what is known of the one before.

    Attributes:
        engine: computes the network, and is ready for all views
        views: how the frame is seen
        base: (h, w) of the plain view
        aggregation: how objects compete
        chunk_size: how many objects go through the network at once
    """

    engine: Engine
    views: tuple[View, ...]
    base: Size
    aggregation: str
    chunk_size: int

    def do(
        self, batch: Batch, seen: SeenFrame, masks: Mapping[int, np.ndarray], advance: bool
    ) -> tuple[Batch, TrackedFrame | None]:
        """Does a frame.

        Args:
            batch: the objects, after the frame before
            seen: the frame
            masks: bool (H, W) by id, of objects that start on it or are anchored again
            advance: whether the others are still to be advanced to it

        Returns:
            the objects after it; and the result, None if there are values that are not finite
        """
        images = [self.engine.encode_image(seen.picture(view, self.base)) for view in self.views]
        if advance:
            batch = self._advance(batch, images)
        if masks:
            batch = self._anchor(batch, images, masks)
        config = self.engine.network.config
        found = conclude(batch, self.aggregation, config.feedback, self.base)
        others = found.others if config.others else None
        batch = batch.fed_back(self._split(view, found.own[:, None], others) for view in self.views)
        return batch, found.tracked(batch, seen.size, self.aggregation)

    def _advance(self, batch: Batch, images: list[ImageFeatures]) -> Batch:
        if not batch.ids:
            return replace(batch, given={})
        pairs = zip(images, batch.states, strict=True)
        found = iter(self.engine.steps([(image, state) for image, joined in pairs for state in joined]))
        results, after = [], []
        for view, joined in zip(self.views, batch.states, strict=True):
            logits, states = zip(*islice(found, len(joined)), strict=True)
            after.append(states)
            results.append(view.bring_back(torch.cat(logits).float(), self.base)[:, 0])
        mean = torch.stack(results).mean(0) if len(results) > 1 else results[0]
        return replace(batch, logits=mean, states=tuple(after), given={})

    def _anchor(self, batch: Batch, images: list[ImageFeatures], masks: Mapping[int, np.ndarray]) -> Batch:
        left = [index for index, object_id in enumerate(batch.ids) if object_id not in masks]
        batch = batch.keep(left, self.chunk_size)
        small = torch.cat([shrink(mask, self.base, batch.logits.device) for mask in masks.values()])
        others, joined = self._others_of(batch, small), []
        given = [self._split(view, small, others) for view in self.views]
        pairs = zip(images, given, strict=True)
        started = iter(self.engine.starts([(image, *part) for image, parts in pairs for part in parts]))
        for states, parts in zip(batch.states, given, strict=True):
            new = islice(started, len(parts))
            joined.append(chunked(State.cat([*states, *new]), self.chunk_size))
        return Batch(
            torch.cat([*([batch.logits] if batch.ids else []), small[:, 0].logit(1e-7)]),
            (*batch.ids, *masks),
            tuple(joined),
            {**batch.given, **masks},
        )

    def _split(
        self, view: View, masks: torch.Tensor, others: torch.Tensor | None
    ) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
        """What a view sees of masks and of where the others are, each (N, 1, h, w), chunk by chunk."""
        own = view.see(masks).split(self.chunk_size)
        beside = [None] * len(own) if others is None else view.see(others).split(self.chunk_size)
        return list(zip(own, beside, strict=True))

    def _others_of(self, batch: Batch, small: torch.Tensor) -> torch.Tensor | None:
        """Where the other objects are for each of those that start now, (N, 1, h, w) from their masks
        likewise.

        None where the network does not look at them.
        """
        if not self.engine.network.config.others:
            return None
        others = small.sum(0) - small
        if len(batch.logits):
            _, shares = aggregate(batch.logits, self.aggregation)
            others = others + shares.sum(0) * (1 - small.amax(0))
        return others.clamp(0, 1)

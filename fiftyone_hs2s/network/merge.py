"""The merge layer: how the decoder's input is matched with the first and the previous frame (part of eq.
10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import nn

from fiftyone_hs2s.network.config import HS2SConfig

Prepared = tuple[torch.Tensor, ...]


@dataclass
class Reference:
    """One reference frame as a matcher sees it.

    Attributes:
        features: (N, C, h, w) of the reference encoder
        key: (1 or N, K, h, w) of the picture alone, or None
        mask: (N, 1, H, W) mask of the object on that frame
        others: (N, 1, H, W) the sum of the other objects' masks there, None for none
    """

    features: torch.Tensor
    key: torch.Tensor | None
    mask: torch.Tensor
    others: torch.Tensor | None = None


class Matcher(nn.Module):
    """Matches the decoder's input with one reference."""

    def prepare(self, reference: Reference) -> Prepared:
        """What of the reference is kept until it is read."""
        raise NotImplementedError


class GlobalConvolution(Matcher):
    """GC of the paper: large separable kernels over the concatenation of the reference features and h."""

    def __init__(self, inputs: int, width: int, outputs: int, kernel: int = 7) -> None:
        super().__init__()
        pad = kernel // 2
        self.conv_l1 = nn.Conv2d(inputs, width, (kernel, 1), padding=(pad, 0))
        self.conv_l2 = nn.Conv2d(width, outputs, (1, kernel), padding=(0, pad))
        self.conv_r1 = nn.Conv2d(inputs, width, (1, kernel), padding=(0, pad))
        self.conv_r2 = nn.Conv2d(width, outputs, (kernel, 1), padding=(pad, 0))

    def prepare(self, reference: Reference) -> Prepared:
        return (reference.features,)

    def forward(self, prepared: Prepared, h: torch.Tensor, query: torch.Tensor | None) -> torch.Tensor:
        x = torch.cat([prepared[0], h], 1)
        return torch.relu(self.conv_l2(self.conv_l1(x)) + self.conv_r2(self.conv_r1(x)))


class CosineMatching(Matcher):
    """Merge layer of ``hs2s_sim``: h reads the reference features by cosine similarity, softmax over
    positions."""

    def __init__(self, features: int, hidden: int, width: int, outputs: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(hidden, width, 1)
        self.key = nn.Conv2d(features, width, 1)
        self.value = nn.Conv2d(features, outputs, 1)
        self.mix = nn.Conv2d(outputs + hidden, outputs, 1)
        self.log_scale = nn.Parameter(torch.tensor(10.0).log())

    def prepare(self, reference: Reference) -> Prepared:
        key = F.normalize(self.key(reference.features).flatten(2), dim=1)
        return key, self.value(reference.features).flatten(2)

    def forward(self, prepared: Prepared, h: torch.Tensor, query: torch.Tensor | None) -> torch.Tensor:
        read = _read(self.similarity(prepared, h, query), prepared[1], h)
        return torch.relu(self.mix(torch.cat([read, h], 1)))

    def similarity(self, prepared: Prepared, h: torch.Tensor, query: torch.Tensor | None) -> torch.Tensor:
        """What the softmax is of, (N, cells, cells of the reference)."""
        own = F.normalize(self.query(h).flatten(2), dim=1) * self.log_scale.exp()
        return own.transpose(1, 2) @ prepared[0]


class AttentionMatching(Matcher):
    """Matching by the picture alone: where does this place look like that place of the reference frame?

    The similarity (cosine, learned temperature) does not depend on the object; what is read does: reference
    features and the mask itself, 4x4 samples a cell, with ``others`` those of the other objects too. For the
    previous frame a learned penalty on the squared distance keeps the match local (``local=True``), since an
    object moves little between two frames.
    """

    mask_samples = 4

    def __init__(
        self,
        features: int,
        hidden: int,
        key: int,
        width: int,
        outputs: int,
        local: bool,
        others: bool = False,
    ) -> None:
        super().__init__()
        self.key = nn.Conv2d(key, width, 1)
        self.value = nn.Conv2d(features, outputs, 1)
        self.mix = nn.Conv2d(outputs + self.mask_samples**2 + hidden, outputs, 1)
        self.log_scale = nn.Parameter(torch.tensor(16.0).log())
        self.locality = nn.Parameter(torch.tensor(0.05)) if local else None
        self.own = outputs + self.mask_samples**2  # channels that are read, but for those of the others
        self.mix_others: nn.Conv2d | None = None
        if others:
            self.mix_others = nn.Conv2d(self.mask_samples**2, outputs, 1, bias=False)
            nn.init.zeros_(self.mix_others.weight)  # weights trained without it stay what they are

    def prepare(self, reference: Reference) -> Prepared:
        value = self.value(reference.features)
        parts = [value, self._sample(reference.mask, value)]
        if self.mix_others is not None:
            others = reference.others if reference.others is not None else torch.zeros_like(reference.mask)
            parts.append(self._sample(others, value))
        return self._project(reference.key), torch.cat(parts, 1).flatten(2)

    def forward(self, prepared: Prepared, h: torch.Tensor, query: torch.Tensor | None) -> torch.Tensor:
        read = _read(self.similarity(prepared, h, query), prepared[1], h)
        mixed = self.mix(torch.cat([read[:, : self.own], h], 1))
        if self.mix_others is not None:
            mixed = mixed + self.mix_others(read[:, self.own :])
        return torch.relu(mixed)

    def similarity(self, prepared: Prepared, h: torch.Tensor, query: torch.Tensor | None) -> torch.Tensor:
        """What the softmax is of, (1 or N, cells, cells of the reference)."""
        similarity = (self._project(query) * self.log_scale.exp()).transpose(1, 2) @ prepared[0]
        if self.locality is not None:
            distances = _squared_distances(h.shape[2], h.shape[3], h.device).to(h.dtype)
            similarity = similarity - self.locality.relu() * distances
        return similarity

    def _sample(self, mask: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """4x4 samples of a mask in each cell: (N, 16, h, w)."""
        height, width = like.shape[2:]
        fine = F.adaptive_avg_pool2d(mask, (height * self.mask_samples, width * self.mask_samples))
        return F.pixel_unshuffle(fine.to(like.dtype), self.mask_samples)

    def _project(self, key: torch.Tensor | None) -> torch.Tensor:
        assert key is not None  # a configuration with attention has a trunk that gives keys
        return F.normalize(self.key(key).flatten(2), dim=1)


def _read(similarity: torch.Tensor, value: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Reads (N, C, cells) by (N, queries, cells): (N, C, h, w). Softmax over the last axis is the fast
    one."""
    return (similarity.softmax(2) @ value.transpose(1, 2)).transpose(1, 2).unflatten(2, like.shape[2:])


def _squared_distances(height: int, width: int, device: torch.device) -> torch.Tensor:
    """(h*w, h*w) squared distances between the cells of a grid, in cells."""
    y, x = torch.arange(height, device=device), torch.arange(width, device=device)
    dy, dx = (y[:, None] - y[None]).square(), (x[:, None] - x[None]).square()
    return (dy[:, None, :, None] + dx[None, :, None, :]).reshape(height * width, -1)


def build_matcher(
    kind: str, features: int, hidden: int, key: int, config: HS2SConfig, local: bool
) -> Matcher:
    """Builds a matcher of a reference's ``features`` with a hidden state of ``hidden`` channels.

    A matcher has ``prepare(reference)``, called once a reference, and ``forward(prepared, h, query)``, which
    gives (N, merge_width, h, w).
    """
    outputs = config.merge_width
    if kind == "global_convolution":
        return GlobalConvolution(features + hidden, config.global_convolution_width, outputs)
    if kind == "cosine":
        return CosineMatching(features, hidden, config.key_width, outputs)
    return AttentionMatching(features, hidden, key, config.key_width, outputs, local, config.others)


class MergeLayer(nn.Module):
    """One matcher a reference, mixed by a 1x1 convolution: relu(1x1([match_0, match_{t-1}]))."""

    def __init__(self, kind: str, features: int, hidden: int, key: int, config: HS2SConfig) -> None:
        super().__init__()
        self.matchers = nn.ModuleDict(
            {
                name: build_matcher(kind, features, hidden, key, config, name == "previous")
                for name in config.references
            }
        )
        self.mix = nn.Conv2d(len(config.references) * config.merge_width, config.merge_width, 1)

    def prepare(self, name: str, reference: Reference) -> Prepared:
        """Prepares the reference called ``name`` ("first" or "previous")."""
        return cast(Matcher, self.matchers[name]).prepare(reference)

    def forward(
        self, prepared: dict[str, Prepared], h: torch.Tensor, query: torch.Tensor | None
    ) -> torch.Tensor:
        matches = [matcher(prepared[name], h, query) for name, matcher in self.matchers.items()]
        return torch.relu(self.mix(torch.cat(matches, 1)))

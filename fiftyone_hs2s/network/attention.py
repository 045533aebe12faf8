"""Where in its first frame an object looks: the correspondences that figure 1 of the paper shows."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.network.hs2s import HS2S
from fiftyone_hs2s.network.merge import AttentionMatching, CosineMatching, Matcher, MergeLayer
from fiftyone_hs2s.network.state import State


def first_frame_attention(network: HS2S, state: State) -> torch.Tensor:
    """What the merge layer reads of the first frame for each object's own pixels on the current one.

    Where it matches by attention or cosine similarity, that is the mean of the softmax over the object's
    pixels: which share of what they read comes from each cell of the first frame (the rest comes from the
    frames in between). A global convolution has no such weights: there it is the gradient of what it gives at
    the object's pixels, times the features of the first frame.

    Args:
        network: the network
        state: N objects after a frame

    Returns:
        float32 (N, h, w) from 0, on the grid of the merge layer, at stride 16 or 32; all 0 for objects not in
        view

    Raises:
        HS2SError: if the network does not read first frames
    """
    if "first" not in state.first:
        raise HS2SError(f"{network.config.name} does not read the first frame, so it looks nowhere in it.")
    layer, level = _finest(network)
    matcher = layer.matchers["first"]
    assert isinstance(matcher, Matcher)
    h = state.memories[level][0]
    weights = (
        F.adaptive_avg_pool2d(state.masks * (state.masks > 0.5), (h.shape[2], h.shape[3])).flatten(2).float()
    )
    weights = weights / weights.sum(2, keepdim=True).clamp(min=1e-6)
    if isinstance(matcher, AttentionMatching | CosineMatching):
        found = _by_similarity(matcher, state, level, weights)
    else:
        found = _by_gradient(matcher, state, level, weights)
    return found.unflatten(1, h.shape[2:])


def _finest(network: HS2S) -> tuple[MergeLayer, int]:
    """The merge layer with the finest grid, and its place among the memories."""
    if network.skip_merge is not None:
        return network.skip_merge, 1
    assert network.merge is not None  # a network that reads the first frame has one
    return network.merge, 0


def _by_similarity(
    matcher: AttentionMatching | CosineMatching, state: State, level: int, weights: torch.Tensor
) -> torch.Tensor:
    """(N, cells) of the softmax, which goes over the frames in between too."""
    with torch.inference_mode():
        prepared = state.first["first"][level]
        cells = prepared[0].shape[2]
        if level == 1 and state.recalled:
            prepared = tuple(torch.cat(pair, 2) for pair in zip(prepared, state.recalled, strict=True))
        similarity = matcher.similarity(prepared, state.memories[level][0], state.image.key)
        # Under autocast a matrix product would not be float32.
        return (weights.mT * similarity.float().softmax(2)).sum(1)[:, :cells]


def _by_gradient(matcher: Matcher, state: State, level: int, weights: torch.Tensor) -> torch.Tensor:
    """(N, cells) of the gradient times the features, summed over the channels."""
    with torch.inference_mode(False), torch.enable_grad():
        features = state.first["first"][level][0].clone().requires_grad_()
        given = matcher((features,), state.memories[level][0].clone(), None).flatten(2).float()
        (gradient,) = torch.autograd.grad((given * weights.clone()).sum(), features)
        return (gradient * features).detach().float().sum(1).clamp(min=0).flatten(1)

"""The network as two graphs with explicit state: one starts objects, one advances them by a frame.

All tensors have names: ``frame``; those of the state, see :func:`name_tensors`; ``logits``; and, for what a
step makes of a part of the state, ``next_`` and its name.
"""

from __future__ import annotations

import torch
from torch import nn

from fiftyone_hs2s.network import HS2S, ImageFeatures, State

NEXT = "next_"
SHARED = ("frame", "image_joint", "image_key", "image_skip_32")
"""What is there once for all objects; everything else has them as its first axis."""
GIVEN = ("masks", "others")
"""Parts of the state that whoever tracks sets anew in each frame."""
_STRIDES = (32, 16)

Tensors = dict[str, torch.Tensor]


def name_tensors(state: State) -> Tensors:
    """The tensors of a state of N objects, by name.

    ``masks`` (N, 1, H, W) and, where the network looks at them, ``others`` likewise; ``image_*`` the features
    of the last frame; ``first_<stride>_<number>`` what is kept of each object's first frame;
    ``recalled_<number>`` of frames in between; ``h_<stride>`` and ``c_<stride>`` the recurrent state; ``age``
    (N,) int64.
    """
    found = {"masks": state.masks}
    if state.others is not None:
        found["others"] = state.others
    found["image_joint"] = state.image.joint
    if state.image.key is not None:
        found["image_key"] = state.image.key
    if 32 in state.image.skips:
        found["image_skip_32"] = state.image.skips[32]
    for stride, prepared in zip(_STRIDES, state.first.get("first", ()), strict=False):
        found |= {f"first_{stride}_{number}": tensor for number, tensor in enumerate(prepared)}
    for stride, (h, c) in zip(_STRIDES, state.memories, strict=False):
        found |= {f"h_{stride}": h, f"c_{stride}": c}
    found |= {f"recalled_{number}": tensor for number, tensor in enumerate(state.recalled)}
    return {**found, "age": state.age}


def state_of(tensors: Tensors) -> State:
    """The state that tensors were named of."""
    levels = tuple(_numbered(tensors, f"first_{stride}_") for stride in _STRIDES)
    skips = {32: tensors["image_skip_32"]} if "image_skip_32" in tensors else {}
    return State(
        image=ImageFeatures(tensors["image_joint"], skips, tensors.get("image_key")),
        masks=tensors["masks"],
        first={"first": tuple(filter(None, levels))} if any(levels) else {},
        previous=None,  # encoded at the start of each step
        memories=tuple((tensors[f"h_{s}"], tensors[f"c_{s}"]) for s in _STRIDES if f"h_{s}" in tensors),
        age=tensors["age"],
        recalled=_numbered(tensors, "recalled_"),
        others=tensors.get("others"),
    )


def _numbered(tensors: Tensors, prefix: str) -> tuple[torch.Tensor, ...]:
    return tuple(tensor for name, tensor in tensors.items() if name.startswith(prefix))


class StartGraph(nn.Module):
    """Starts objects on a frame: ``frame``, ``masks`` and perhaps ``others`` in, the rest of the state out.

    Args:
        network: the network
    """

    def __init__(self, network: HS2S) -> None:
        super().__init__()
        self.network = network

    def forward(self, frame: torch.Tensor, *given: torch.Tensor) -> tuple[torch.Tensor, ...]:
        state = self.network.start(self.network.encode_image(frame), *given)
        return tuple(tensor for name, tensor in name_tensors(state).items() if name not in GIVEN)


class StepGraph(nn.Module):
    """Advances objects by a frame: ``frame`` and the state in, ``logits`` and what changes of the state out.

    Args:
        network: the network
        names: of the tensors of its state
    """

    def __init__(self, network: HS2S, names: list[str]) -> None:
        super().__init__()
        self.network, self._names = network, names

    def forward(self, frame: torch.Tensor, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        state = state_of(dict(zip(self._names, tensors, strict=True)))
        logits, after = self.network.step(self.network.encode_image(frame), state)
        found = name_tensors(after)
        return logits, *(found[name] for name in changing(self._names))


def changing(names: list[str]) -> list[str]:
    """The parts of a state that a step makes anew."""
    return [name for name in names if name not in GIVEN and not name.startswith("first_")]

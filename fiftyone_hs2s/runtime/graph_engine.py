"""The network computed from its exported graphs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.network import HS2S, ImageFeatures, State
from fiftyone_hs2s.runtime.backends import Session
from fiftyone_hs2s.runtime.engine import Engine
from fiftyone_hs2s.runtime.graph_files import graph_files
from fiftyone_hs2s.runtime.graphs import GIVEN, NEXT, name_tensors, state_of
from fiftyone_hs2s.runtime.torch_engine import TorchEngine

logger = logging.getLogger(__name__)


class GraphEngine(Engine):
    """Computes a network on the CPU from graphs, which are exported at the first picture of each size.

    Args:
        network: the network in float32, on the CPU
        precision: one that the session can compute in
        session: what runs the graphs
        required: whether it is an error if that fails; else PyTorch takes its place, and it is said
    """

    def __init__(
        self, network: HS2S, precision: torch.dtype, session: type[Session], required: bool = False
    ) -> None:
        super().__init__(network, precision)
        self.name, self._session, self._required = session.name, session, required
        self._ready: dict[tuple[int, int], tuple[Session, Session]] = {}

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """PyTorch's threads do nothing meanwhile: waiting for work, they would take time from the graph's."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with super().at_work():
                yield
        finally:
            torch.set_num_threads(threads)

    def in_float32(self) -> GraphEngine:
        return GraphEngine(self.network, torch.float32, self._session, self._required)

    def ready(self, size: tuple[int, int]) -> Engine:
        if size in self._ready:
            return self
        try:
            start, step = (self._session(path, self.precision) for path in graph_files(self.network, size))
        except Exception as error:  # whatever fails in exporting and compiling: it is not ours
            why = str(error).partition("\n")[0] or type(error).__name__
            if self._required:
                raise HS2SError(f"{self.name} cannot run {self.network.config.name}: {why}") from error
            logger.warning("%s cannot run %s, so PyTorch does: %s", self.name, self.network.config.name, why)
            return TorchEngine(self.network, self.precision, torch.device("cpu"))
        self._ready[size] = start, step
        return self

    def encode_image(self, frame: torch.Tensor) -> ImageFeatures:
        """Only the frame itself: each graph encodes it."""
        return ImageFeatures(frame, {}, None)

    def start(self, image: ImageFeatures, masks: torch.Tensor, others: torch.Tensor | None = None) -> State:
        given = self._given(masks, others)
        start, _ = self._ready[_size(masks)]
        return state_of({**given, **start({"frame": image.joint, **given})})

    def step(self, image: ImageFeatures, state: State) -> tuple[torch.Tensor, State]:
        before = {**name_tensors(state), **self._given(state.masks, state.others)}
        _, step = self._ready[_size(state.masks)]
        found = step({"frame": image.joint, **before})
        logits = found.pop("logits")
        kept = {name: tensor for name, tensor in before.items() if name not in GIVEN}
        changed = {name.removeprefix(NEXT): tensor for name, tensor in found.items()}
        return logits, state_of({"masks": logits.sigmoid(), **kept, **changed})

    def _given(self, masks: torch.Tensor, others: torch.Tensor | None) -> dict[str, torch.Tensor]:
        """Nobody else is the same as zeros."""
        if not self.network.config.others:
            return {"masks": masks}
        return {"masks": masks, "others": torch.zeros_like(masks) if others is None else others}


def _size(masks: torch.Tensor) -> tuple[int, int]:
    return masks.shape[-2], masks.shape[-1]

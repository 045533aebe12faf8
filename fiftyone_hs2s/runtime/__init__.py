"""What computes the network frame by frame: PyTorch, or a graph that was exported from it."""

from __future__ import annotations

from fiftyone_hs2s.runtime.choose import choose_engine
from fiftyone_hs2s.runtime.engine import Engine

__all__ = ["Engine", "choose_engine"]

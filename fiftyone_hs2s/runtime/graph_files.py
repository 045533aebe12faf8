"""Exported graphs, kept from run to run."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from pathlib import Path

import torch

from fiftyone_hs2s.files import prepare_folder
from fiftyone_hs2s.network import HS2S
from fiftyone_hs2s.runtime.onnx_export import OPSET, export_onnx

logger = logging.getLogger(__name__)

FORM = 1
"""Of the graphs: to be counted up when they change for the same weights."""
KEPT = 12
"""How many pairs of graphs are kept; those of ``hs2s-lite`` take 46 MB."""


def graphs_folder() -> Path:
    """Where exported graphs are: ``hs2s/graphs`` in ``$XDG_CACHE_HOME``, else in ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "hs2s" / "graphs"


def graph_files(network: HS2S, size: tuple[int, int]) -> tuple[Path, Path]:
    """The files of a network's graphs for pictures of a size (h, w), which are exported the first time.

    Args:
        network: the network, on the CPU
        size: multiples of 32

    Returns:
        the files of start and step

    Raises:
        HS2SError: as :func:`export_onnx`
    """
    folder = graphs_folder() / fingerprint(network, size)
    start, step = folder / "step.start.onnx", folder / "step.onnx"
    if start.is_file() and step.is_file():
        os.utime(folder)
        return start, step
    logger.info(
        "Exporting %s for pictures of %dx%d: once, it takes about a minute", network.config.name, *size
    )
    prepare_folder(folder, "set XDG_CACHE_HOME to another folder, or take runtime='torch'")
    start, step = export_onnx(network, step, size)
    _forget_old(folder.parent)
    return start, step


def fingerprint(network: HS2S, size: tuple[int, int]) -> str:
    """What tells a network's graphs from others': configuration, weights, size, and what exported them."""
    about = [FORM, OPSET, torch.__version__, size, network.config.to_dict()]
    found = hashlib.sha256(json.dumps(about, default=str).encode())
    for name, tensor in network.state_dict().items():
        found.update(name.encode())
        found.update(tensor.detach().contiguous().view(-1).numpy().tobytes())
    return found.hexdigest()[:32]


def _forget_old(folder: Path) -> None:
    found = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in found[KEPT:]:
        shutil.rmtree(path, ignore_errors=True)

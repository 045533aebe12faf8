"""The network's graphs as ONNX files."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import PathLike, new_file
from fiftyone_hs2s.network import HS2S
from fiftyone_hs2s.runtime.graphs import NEXT, SHARED, StartGraph, StepGraph, Tensors, changing, name_tensors

OPSET = 18
"""Of the files; what reads ONNX at all has read it for years."""
FAST = "install the extra 'fast': pip install 'fiftyone-hs2s[fast]'"


def export_onnx(network: HS2S, path: PathLike, size: tuple[int, int] = (256, 448)) -> tuple[Path, Path]:
    """Writes a network for other programs: as ONNX, a graph that starts objects and one that advances them.

    Their tensors have the names of :mod:`fiftyone_hs2s.runtime.graphs`; ``frame`` is float32 (1, 3, h, w),
    RGB in 0..1, and the others have any number of objects as first axis. A step is given ``masks``: what was
    found last, the sigmoid of the logits or what is left of it after the objects competed.

    Args:
        network: the network, on the CPU
        path: the file of the step, ``<name>.onnx``; the start goes to ``<name>.start.onnx`` beside it
        size: (h, w) of the pictures, multiples of 32

    Returns:
        the files of start and step

    Raises:
        HS2SError: if the packages for it are missing, the size cannot be used, or a file cannot be written
    """
    if not all(side >= 32 and side % 32 == 0 for side in size):
        raise HS2SError(f"The size must be multiples of 32 such as 256x448, not {size[0]}x{size[1]}.")
    if missing := missing_packages():
        raise HS2SError(f"The export to ONNX needs {' and '.join(missing)}: {FAST}")
    step_path = Path(path)
    start_path = step_path.with_suffix(".start.onnx")
    frame, masks = torch.zeros(1, 3, *size), torch.zeros(2, 1, *size)
    masks[..., size[0] // 4 : size[0] // 2, size[1] // 4 : size[1] // 2] = 1
    given = {"masks": masks, **({"others": masks.flip(0)} if network.config.others else {})}
    with torch.no_grad():
        state = name_tensors(network.start(network.encode_image(frame), *given.values()))
    start_outputs = [name for name in state if name not in given]
    _export(StartGraph(network), {"frame": frame, **given}, start_outputs, start_path)
    names = list(state)
    outputs = ["logits", *(f"{NEXT}{name}" for name in changing(names))]
    _export(StepGraph(network, names), {"frame": frame, **state}, outputs, step_path)
    return start_path, step_path


def missing_packages(*others: str) -> list[str]:
    """Which of the packages that an export takes are not installed, and which of some others."""
    wanted = ("onnx", "onnxscript", *others)
    return [name for name in wanted if importlib.util.find_spec(name) is None]


def _export(graph: nn.Module, inputs: Tensors, outputs: list[str], path: Path) -> None:
    objects = torch.export.Dim("objects", min=1, max=65535)
    frame, *others = (None if name in SHARED else {0: objects} for name in inputs)
    with new_file(path) as part, torch.no_grad(), _quiet():
        torch.onnx.export(
            graph.eval(),
            tuple(tensor.clone(memory_format=torch.contiguous_format) for tensor in inputs.values()),
            part,
            input_names=list(inputs),
            output_names=outputs,
            opset_version=OPSET,
            dynamic_shapes=(frame, tuple(others)),
            dynamo=True,
            external_data=False,
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter says what it does, and warns of what it does itself."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

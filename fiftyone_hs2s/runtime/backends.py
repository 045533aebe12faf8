"""What runs exported graphs on a CPU."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch

from fiftyone_hs2s.runtime.graphs import Tensors


class Session(ABC):
    """A graph that is ready to run; called with its inputs by name, it gives its outputs by name.

    Inputs that the graph does not have are left out.

    Args:
        path: the ONNX file
        precision: the number format of its work; inputs and outputs are float32 anyway
    """

    package: str
    """What it takes."""
    name: str
    """What it is, for people."""
    precisions: tuple[torch.dtype, ...]
    """What it can compute in."""

    @abstractmethod
    def __init__(self, path: Path, precision: torch.dtype) -> None: ...

    @abstractmethod
    def __call__(self, inputs: Tensors) -> Tensors: ...


class OpenVINOSession(Session):
    """Runs a graph by OpenVINO, which compiles it for each number of objects.

    It must: on a graph with any number of them it gives nothing (2026.4).
    """

    package, name = "openvino", "OpenVINO"
    precisions = (torch.float32, torch.bfloat16)
    most = 4
    """For how many numbers of objects it is kept compiled."""

    def __init__(self, path: Path, precision: torch.dtype) -> None:
        import openvino

        self._core = openvino.Core()
        self._model = self._core.read_model(str(path))
        self._options = {
            "INFERENCE_PRECISION_HINT": "f32" if precision == torch.float32 else "bf16",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "ENABLE_CPU_PINNING": False,  # or processes that share the work share one core
            "PERFORMANCE_HINT": "LATENCY",
        }
        self._outputs = [port.any_name for port in self._model.outputs]
        self._requests: dict[int, Any] = {}

    def __call__(self, inputs: Tensors) -> Tensors:
        count = len(inputs["masks"])
        request = self._requests.pop(count, None) or self._compile(count)
        self._requests[count] = request  # the latest at the end
        arrays = _arrays(inputs, [port.any_name for port in self._model.inputs])
        found = request.infer(arrays, share_inputs=True)
        return dict(zip(self._outputs, map(torch.from_numpy, found.values()), strict=True))

    def _compile(self, count: int) -> Any:
        for old in list(self._requests)[: -self.most + 1]:
            del self._requests[old]
        model = self._model.clone()
        shapes = {port.any_name: port.partial_shape for port in model.inputs}
        model.reshape({name: [count if d.is_dynamic else d for d in shape] for name, shape in shapes.items()})
        return self._core.compile_model(model, "CPU", self._options).create_infer_request()


class ONNXRuntimeSession(Session):
    """Runs a graph by ONNX Runtime."""

    package, name = "onnxruntime", "ONNX Runtime"
    precisions = (torch.float32,)

    def __init__(self, path: Path, precision: torch.dtype) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors alone
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._names = [port.name for port in self._session.get_inputs()]
        self._outputs = [port.name for port in self._session.get_outputs()]

    def __call__(self, inputs: Tensors) -> Tensors:
        found = self._session.run(None, _arrays(inputs, self._names))
        return dict(zip(self._outputs, map(torch.from_numpy, found), strict=True))


SESSIONS: dict[str, type[Session]] = {"openvino": OpenVINOSession, "onnxruntime": ONNXRuntimeSession}
"""By the name of the runtime, the fastest first."""


def _arrays(inputs: Tensors, names: list[str]) -> dict[str, Any]:
    return {name: inputs[name].contiguous().numpy() for name in names}

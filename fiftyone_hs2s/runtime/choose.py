"""Which runtime computes a network."""

from __future__ import annotations

import os

import torch

from fiftyone_hs2s.choices import RUNTIMES, check_choice
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.network import HS2S
from fiftyone_hs2s.runtime.backends import SESSIONS, Session
from fiftyone_hs2s.runtime.device import choose_precision
from fiftyone_hs2s.runtime.engine import Engine
from fiftyone_hs2s.runtime.graph_engine import GraphEngine
from fiftyone_hs2s.runtime.onnx_export import FAST, missing_packages
from fiftyone_hs2s.runtime.torch_engine import TorchEngine

RUNTIME_VARIABLE = "HS2S_RUNTIME"
"""Environment variable: what "auto" stands for."""


def choose_engine(
    network: HS2S, device: torch.device, precision: str = "auto", runtime: str = "auto"
) -> Engine:
    """Finds what computes a network.

    Args:
        network: the network in float32, on the device
        device: where it is
        precision: the number format of its work, see :func:`choose_precision`; "auto" is one that the runtime
            has
        runtime: "torch", "openvino" or "onnxruntime"; "auto" is what ``$HS2S_RUNTIME`` says, else OpenVINO on
            a CPU where the extra ``fast`` is installed, else PyTorch

    Raises:
        HS2SError: if there is no such runtime or precision, or it is not installed, or cannot do this
    """
    named = runtime
    if runtime == "auto":
        runtime = os.environ.get(RUNTIME_VARIABLE) or "auto"
        named = f"{RUNTIME_VARIABLE}={runtime}"
    check_choice("runtime", runtime, RUNTIMES)
    dtype = choose_precision(precision, device)
    required = runtime != "auto"
    session = SESSIONS.get(runtime if required else "openvino")
    if session is None:
        return TorchEngine(network, dtype, device)
    if precision == "auto" and dtype not in session.precisions:
        dtype = torch.float32
    if problem := _problem(session, network, device, dtype):
        if required:
            raise HS2SError(f'The runtime "{named}" {problem}.')
        return TorchEngine(network, dtype, device)
    return GraphEngine(network, dtype, session, required)


def _problem(session: type[Session], network: HS2S, device: torch.device, dtype: torch.dtype) -> str | None:
    """Why a session cannot compute a network."""
    if missing := missing_packages(session.package):
        return f"needs {' and '.join(missing)}: {FAST}"
    if device.type != "cpu":
        return f'works on a CPU alone: take device "cpu", or the runtime "torch" for {device}'
    if dtype not in session.precisions:
        return f'does not compute in {str(dtype)[6:]}: take another precision, or the runtime "torch"'
    if not isinstance(network, HS2S):
        return 'computes networks of this package: take the runtime "torch" for others'
    return None

"""Which device and number format to track with."""

from __future__ import annotations

import os

import torch
from torch import nn

from fiftyone_hs2s.choices import PRECISIONS, check_choice
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.network.depthwise import DepthwiseConv2d

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_device(name: str | torch.device = "auto") -> torch.device:
    """Finds the device.

    Args:
        name: "auto" (CUDA where there is one, else the CPU) or anything that ``torch.device`` takes

    Raises:
        HS2SError: if there is no such device
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device).tolist()  # "meta" holds no values
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        raise HS2SError(f'There is no device "{name}" here: take "cpu" or "auto".') from error
    return device


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """Finds the number format of the network's work.

    "auto" is bfloat16 where the hardware computes in it, float16 on older CUDA devices, else float32.

    Args:
        name: "auto", "float32", "bfloat16" or "float16"
        device: where the network runs

    Raises:
        HS2SError: if there is no such format
    """
    check_choice("precision", name, PRECISIONS)
    if name in _DTYPES:
        return _DTYPES[name]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type == "cpu":
        return torch.bfloat16 if _cpu_computes_bfloat16() else torch.float32
    return torch.float32


def gpu_environments(device: torch.device, count: int | None = None) -> list[dict[str, str]]:
    """Variables that give each of several processes a GPU of its own.

    Args:
        device: what is asked for: "cuda" means all GPUs that this process sees, "cuda:1" one of them
        count: number of GPUs that this process sees; None to ask CUDA

    Returns:
        a mapping for each GPU; an empty one where there is one device
    """
    if device.type != "cuda" or device.index is not None:
        return [{}]
    count = torch.cuda.device_count() if count is None else count
    visible = os.environ.get(_VISIBLE)
    names = visible.split(",")[:count] if visible else [str(number) for number in range(count)]
    return [{_VISIBLE: name.strip()} for name in names] if len(names) > 1 else [{}]


def choose_memory_format(network: nn.Module, device: torch.device) -> torch.memory_format:
    """How PyTorch computes a network fastest: channels last, as depthwise convolutions and tensor cores are.

    Not so dense convolutions on a CPU: ``hs2s-resnet50`` takes 1.16 times the CPU time with it where there is
    AVX-512, and 1.34 times with AVX2.
    """
    dense = not any(isinstance(module, DepthwiseConv2d) for module in network.modules())
    return torch.contiguous_format if dense and device.type == "cpu" else torch.channels_last


def _cpu_computes_bfloat16() -> bool:
    """Without these instructions bfloat16 is emulated, and slower than float32."""
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in names)

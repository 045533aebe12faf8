"""How much memory the process took."""

from __future__ import annotations

import sys


def peak_memory() -> int | None:
    """The most main memory that the process ever held, in bytes; None where the system does not tell
    (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def memory_report() -> str:
    """The peak in words, with that of the GPU if one was used."""
    import torch

    peak = peak_memory()
    words = "unknown" if peak is None else f"{peak / 1e6:.0f} MB"
    on_gpu = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    return f"{words} (GPU {on_gpu / 1e6:.0f} MB)" if on_gpu else words

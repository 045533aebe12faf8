"""Reading image files as frames, whatever their depth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import check_file

_DEPTHS = (8, 10, 12, 14)  # of cameras whose frames are stored in 16 bits
_LOOKS = 5  # frames that are looked at to learn the depth of all


def read_image(path: Path, bits: int = 16) -> np.ndarray | None:
    """Reads an image as uint8 (H, W, 3) RGB, None if it cannot be read.

    Args:
        path: the file
        bits: how many bits the values of a 16-bit image use: they are scaled to 8
    """
    image = _decode(path, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if image is not None and image.dtype == np.uint16:
        image = np.minimum(image >> (bits - 8), 255).astype(np.uint8)
    elif image is None or image.dtype != np.uint8:
        image = _decode(path, cv2.IMREAD_COLOR)
    return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def used_bits(files: Sequence[Path]) -> int:
    """How many bits the values of a sequence's 16-bit images use: 8, 10, 12, 14 or 16, by some of its
    frames."""
    highest = 0
    for place in sorted({round(k * (len(files) - 1) / (_LOOKS - 1)) for k in range(_LOOKS)}):
        image = _decode(files[place], cv2.IMREAD_UNCHANGED)
        if image is not None and image.dtype != np.uint16:
            return 16
        highest = max(highest, 0 if image is None else int(image[..., :3].max()))
    return next((bits for bits in _DEPTHS if highest < 2**bits), 16)


def _decode(path: Path, flags: int) -> np.ndarray | None:
    try:
        data = np.fromfile(check_file(path), np.uint8)
        return cv2.imdecode(data, flags) if data.size else None
    except (HS2SError, OSError, cv2.error):
        return None

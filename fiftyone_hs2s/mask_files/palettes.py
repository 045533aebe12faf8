"""Colors of masks: the palette of DAVIS, and what an indexed image means by its own."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from fiftyone_hs2s.errors import MaskError
from fiftyone_hs2s.mask_files.soft_edges import count_values


@lru_cache(maxsize=1)
def davis_palette() -> np.ndarray:
    """The color map of DAVIS annotations (that of PASCAL VOC: the bits of an id are dealt out to red, green,
    blue).

    Returns:
        uint8 array (256, 3), RGB; row 0, the background, is black. It is shared and read-only.
    """
    ids = np.arange(256)
    palette = np.zeros((256, 3), np.uint8)
    for level in range(8):
        for channel in range(3):
            palette[:, channel] |= (((ids >> (3 * level + channel)) & 1) << (7 - level)).astype(np.uint8)
    palette.flags.writeable = False
    return palette


def ids_of_colors(rgb: np.ndarray) -> np.ndarray | None:
    """The ids of pixels in the exact colors of the DAVIS palette.

    Args:
        rgb: uint8 (..., 3)

    Returns:
        uint8 (...); None if there is another color
    """
    ids = np.zeros(rgb.shape[:-1], np.uint8)
    for bit in range(8):
        level, channel = divmod(bit, 3)
        ids |= ((rgb[..., channel] >> (7 - level)) & 1) << bit
    return ids if all(np.array_equal(davis_palette()[:, c][ids], rgb[..., c]) for c in range(3)) else None


def grays_of_colors(rgb: np.ndarray) -> np.ndarray | None:
    """The brightness of pixels without color, uint8 (...); None if there is a color in ``rgb``, uint8
    (..., 3)."""
    red, green, blue = (rgb[..., channel] for channel in range(3))
    return red if np.array_equal(red, green) and np.array_equal(red, blue) else None


def read_indices(image: Image.Image, path: Path) -> tuple[np.ndarray, int | None, np.ndarray | None]:
    """What an indexed image means: its indices, or its colors where those say that index 0 is not the
    background.

    Programs that reduce colors (``quantize()`` of Pillow, ImageMagick) number them as they like; such a
    palette has no entry that is not used.

    Args:
        image: of mode P
        path: its file, for the error

    Returns:
        uint8 values (H, W), and which of them is shown white in a gray palette, else None; and what is shown,
        uint8 (H, W), if there are no colors, else None

    Raises:
        MaskError: if neither says where the background is
    """
    indices = np.asarray(image, np.uint8)
    colors = np.zeros((256, 3), np.uint8)
    palette = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)[:256]
    if len(palette) == 256 and not palette[0].any() and not (palette == 255).all(axis=1).any():
        return indices, None, None  # such as that of DAVIS: not reduced, and without white
    colors[: len(palette)] = palette
    used = np.flatnonzero(count_values(indices))
    by_color = _color_values(colors, used)
    grays = None if grays_of_colors(colors[used]) is None else colors[:, 0][indices]
    if not colors[0].any():
        reduced = len(used) == len(palette)
        if by_color is not None and by_color[1] is None and reduced:
            return by_color[0][indices], None, grays
        return indices, _white_index(colors[: len(palette)]), grays
    if by_color is not None:
        return by_color[0][indices], by_color[1], grays
    # The palette does not tell all values apart: it says nothing.
    if len(np.unique(colors[used], axis=0)) < len(used):
        return indices, None, None
    if len(used) < len(palette) and colors[used].any(axis=1).all() and _is_around(indices):
        return indices, None, None
    raise MaskError(
        f"The mask {path} is an indexed image whose index 0 is not the background: its palette has"
        f" {tuple(colors[0].tolist())} there, and its colors are not those of the DAVIS palette. Save it with"
        " index 0 for the background and 1, 2, ... for the objects."
    )


def _color_values(colors: np.ndarray, used: np.ndarray) -> tuple[np.ndarray, int | None] | None:
    """The value of each index by its color, and which value is white; None if the used colors have no
    meaning.

    Grays have one where black is among them, or white is all there is: only then is the background known.
    """
    values = np.zeros(256, np.uint8)
    ids = ids_of_colors(colors[used])
    if ids is not None:
        values[used] = ids
        return values, None
    grays = grays_of_colors(colors[used])
    if grays is None or not ((grays == 0).any() or (grays == 255).all()):
        return None
    values[used] = grays
    return values, 255


def _white_index(palette: np.ndarray) -> int | None:
    """The index that a gray palette shows white, None if a palette has colors or no white."""
    grays = grays_of_colors(palette)
    white = [] if grays is None else np.flatnonzero(grays == 255).tolist()
    return white[-1] if white else None


def _is_around(indices: np.ndarray) -> bool:
    """Whether most of the image's border has index 0."""
    border = np.concatenate([indices[0], indices[-1], indices[:, 0], indices[:, -1]])
    return bool((border == 0).mean() > 0.5)

"""Label maps: taking them apart, putting them together, writing them as PNG files; ``mask_files`` reads them.

A label map is a ``uint8`` or ``uint16`` array of shape (H, W): 0 is background, every other value the id of
an object. In a ``uint8`` label map 255 means "void" (ignored): it is no object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from PIL import Image

from fiftyone_hs2s.errors import HS2SError, MaskError
from fiftyone_hs2s.files import PathLike, check_file, new_file
from fiftyone_hs2s.mask_files.layouts import list_label_maps, list_sequences
from fiftyone_hs2s.mask_files.palettes import davis_palette
from fiftyone_hs2s.mask_files.reading import VOID, aspect_error, read_label_map, same_aspect

__all__ = [
    "VOID",
    "davis_palette",
    "draw_masks",
    "fit_mask",
    "is_label_map",
    "join_masks",
    "label_dtype",
    "label_image",
    "list_label_maps",
    "list_sequences",
    "object_ids",
    "read_label_map",
    "read_written",
    "split_label_map",
    "write_label_map",
]


def is_label_map(path: PathLike) -> bool:
    """Whether a file is a label map such as :func:`write_label_map` writes, by its head alone."""
    try:
        with Image.open(check_file(path)) as image:
            return image.mode.startswith("I") or image.getpalette() == davis_palette().ravel().tolist()
    except (HS2SError, OSError, Image.DecompressionBombError):
        return False


def write_label_map(path: PathLike, label_map: np.ndarray) -> None:
    """Writes a label map as PNG: indexed with the DAVIS palette if uint8, 16-bit grayscale if uint16.

    The file appears complete or not at all: it is written beside its place and then renamed.

    Args:
        path: the file to write; its folder must exist
        label_map: uint8 or uint16 array (H, W)

    Raises:
        MaskError: if ``label_map`` is of another type or shape, or the file cannot be written
    """
    image = label_image(label_map)
    try:
        with new_file(path) as part:
            image.save(part, format="PNG")
    except HS2SError as error:
        raise MaskError(f"The label map {error}") from error


def label_image(label_map: np.ndarray) -> Image.Image:
    """The picture that :func:`write_label_map` writes; its argument and errors are the same."""
    if label_map.ndim != 2 or label_map.dtype not in (np.uint8, np.uint16):
        raise MaskError(
            f"A label map is uint8 or uint16 (H, W), not {label_map.dtype} of shape {label_map.shape}."
        )
    image = Image.fromarray(label_map)
    if label_map.dtype == np.uint8:
        image.putpalette(davis_palette().tobytes())
    return image


def read_written(path: PathLike) -> np.ndarray:
    """Reads what :func:`write_label_map` wrote, as it is; files of others need :func:`read_label_map`."""
    with Image.open(path) as image:
        return np.array(image, np.uint8 if image.mode == "P" else np.uint16)


def object_ids(label_map: np.ndarray) -> list[int]:
    """The ids of the objects in a label map, ascending, without background and void.

    Args:
        label_map: uint8 or uint16 array (H, W)
    """
    counts = np.bincount(label_map.ravel())
    if label_map.dtype == np.uint8:
        counts = counts[:VOID]
    return [int(i) for i in np.flatnonzero(counts) if i]


def split_label_map(label_map: np.ndarray) -> dict[int, np.ndarray]:
    """Takes a label map apart.

    Args:
        label_map: uint8 or uint16 array (H, W)

    Returns:
        the bool mask (H, W) of each object, by id
    """
    return {object_id: label_map == object_id for object_id in object_ids(label_map)}


def join_masks(masks: Mapping[int, np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Puts masks together to a label map; where masks overlap, the smaller one is on top (a shirt over its
    wearer).

    Args:
        masks: bool mask (H, W) of each object, by id (1 to 65535)
        size: (H, W)

    Returns:
        the label map (H, W), of the type that ``label_dtype`` gives
    """
    label_map = np.zeros(size, label_dtype(masks))
    draw_masks(label_map, masks)
    return label_map


def draw_masks(label_map: np.ndarray, masks: Mapping[int, np.ndarray]) -> None:
    """Draws masks over a label map, in place: the smaller over the larger, of equals the later one.

    Args:
        label_map: (H, W), of a type that holds the ids
        masks: bool mask (H, W) of each object, by id
    """
    for object_id, mask in sorted(masks.items(), key=lambda item: -np.count_nonzero(item[1])):
        label_map[mask] = object_id


def label_dtype(ids: Iterable[int]) -> type[np.uint8] | type[np.uint16]:
    """The type of a label map that has to hold these ids: uint8 up to 254 (255 is void), else uint16."""
    return np.uint8 if max(ids, default=0) < VOID else np.uint16


def fit_mask(mask: np.ndarray, size: tuple[int, int], name: str = "mask") -> np.ndarray:
    """Brings a mask or label map to a frame's size (nearest pixel), provided that its aspect is the frame's.

    The aspect fits if the smaller of the two sizes is the larger one scaled down, give or take one pixel of
    rounding.

    Args:
        mask: array (h, w), bool or label map
        size: (H, W) of the frame
        name: what to call the mask in the error

    Returns:
        array (H, W) of the same type; ``mask`` itself if it has that size already

    Raises:
        MaskError: if the mask is not two-dimensional or its aspect is another one
    """
    if mask.shape == tuple(size):
        return mask
    if mask.ndim != 2 or not same_aspect(mask.shape, size):
        raise aspect_error(mask.shape, size, name)
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip(size, mask.shape, strict=True)
    )
    return mask[rows[:, None], columns]

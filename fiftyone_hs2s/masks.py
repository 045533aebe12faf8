"""Label maps: reading and writing them as PNG files, taking them apart, folders in DAVIS layout.

A label map is a ``uint8`` or ``uint16`` array of shape (H, W): 0 is background, every other value the id of an object.
In a ``uint8`` label map 255 means "void" (ignored): it is no object.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from fiftyone_hs2s.errors import HS2SError, MaskError
from fiftyone_hs2s.files import check_file, new_file

VOID = 255
"""The value of a uint8 label map at pixels that are to be ignored."""


@lru_cache(maxsize=1)
def davis_palette() -> np.ndarray:
    """The colour map of DAVIS annotations (that of PASCAL VOC: the bits of an id are dealt out to red, green, blue).

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


def read_label_map(path: str | os.PathLike[str]) -> np.ndarray:
    """Reads a label map from an image file.

    Understood are indexed (palette) images, whatever their palette; greyscale images of 8 or 16 bits, whose values are
    the ids; black-and-white masks (1 bit, or greyscale with 0 and 255 only), whose white is object 1; and opaque
    RGB(A) images that are one of these in disguise: grey, or painted in the exact colours of the DAVIS palette.

    Args:
        path: the file, lossless (PNG)

    Returns:
        uint8 array (H, W), or uint16 for a 16-bit image

    Raises:
        MaskError: if the file is missing, damaged, of a lossy format, or holds anything else
    """
    path = Path(path)
    try:
        check_file(path, "mask file")
        with Image.open(path) as image:
            image.load()
    except HS2SError as error:
        raise MaskError(f"{error}.") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise MaskError(
            f"The mask {path} is damaged or no image ({error}): save it again as an indexed PNG."
        ) from error
    if image.format in _LOSSY:
        raise MaskError(f"The mask {path} is a {image.format} file, whose compression makes new ids: {_WANTED}.")
    return _to_label_map(image, path)


def _to_label_map(image: Image.Image, path: Path) -> np.ndarray:
    if image.mode == "P":
        return np.asarray(image, np.uint8)
    if image.mode == "1":
        return np.asarray(image).astype(np.uint8)
    if image.mode == "L":
        return _from_grey(np.asarray(image), path)
    if image.mode in ("I", "I;16", "I;16B", "I;16L"):
        return _from_integers(np.asarray(image), path)
    if image.mode in ("RGB", "RGBA", "LA", "PA"):
        return _from_colours(np.asarray(image.convert("RGBA")), path)
    raise MaskError(f"The mask {path} is an image of mode {image.mode}: {_WANTED}.")


_LOSSY = ("JPEG", "MPO", "JPEG2000", "WEBP", "AVIF")  # the latter three are not always, but files do not tell
_WANTED = "save it as an indexed PNG, 0 for background and 1, 2, ... for the objects"


def _from_grey(values: np.ndarray, path: Path) -> np.ndarray:
    """White on black is one object, as in DAVIS 2016; otherwise the values are the ids."""
    counts = np.bincount(values.ravel(), minlength=256)
    between = counts[1:255]
    if counts[255] and counts[0] + counts[255] == values.size:
        return (values // 255).astype(np.uint8)
    if counts[0] and np.count_nonzero(between) > _MOST_GREYS and between.max() < counts[255]:
        raise MaskError(f"The mask {path} is white on black with soft edges, whose greys would be ids: {_WANTED}.")
    return values


_MOST_GREYS = 30  # ids beside void: where more greys are each rarer than white, they are no ids


def _from_integers(values: np.ndarray, path: Path) -> np.ndarray:
    if values.size and not 0 <= int(values.min()) <= int(values.max()) < 2**16:
        raise MaskError(f"The mask {path} holds values outside 0 to 65535: {_WANTED}.")
    return values.astype(np.uint16)


def _from_colours(rgba: np.ndarray, path: Path) -> np.ndarray:
    rgb = rgba[..., :3].astype(np.uint32)
    codes, inverse = np.unique(rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2], return_inverse=True)
    ids = _palette_codes()
    if (rgba[..., 3] == 255).all():
        if all(int(code) in ids for code in codes):
            return np.array([ids[int(code)] for code in codes], np.uint8)[inverse].reshape(rgb.shape[:2])
        if (rgb[..., 0] == rgb[..., 1]).all() and (rgb[..., 0] == rgb[..., 2]).all():
            return _from_grey(rgba[..., 0], path)
    raise MaskError(f"The mask {path} is an RGB picture whose colours are not those of the DAVIS palette: {_WANTED}.")


@lru_cache(maxsize=1)
def _palette_codes() -> dict[int, int]:
    return {int(r) << 16 | int(g) << 8 | int(b): index for index, (r, g, b) in enumerate(davis_palette())}


def is_label_map(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a label map such as :func:`write_label_map` writes, by its head alone."""
    try:
        with Image.open(check_file(path)) as image:
            return image.mode.startswith("I") or image.getpalette() == davis_palette().ravel().tolist()
    except (HS2SError, OSError):
        return False


def write_label_map(path: str | os.PathLike[str], label_map: np.ndarray) -> None:
    """Writes a label map as PNG: indexed with the DAVIS palette if uint8, 16-bit greyscale if uint16.

    The file appears complete or not at all: it is written beside its place and then renamed.

    Args:
        path: the file to write; its folder must exist
        label_map: uint8 or uint16 array (H, W)

    Raises:
        MaskError: if ``label_map`` is of another type or shape, or the file cannot be written
    """
    if label_map.ndim != 2 or label_map.dtype not in (np.uint8, np.uint16):
        raise MaskError(f"A label map is uint8 or uint16 (H, W), not {label_map.dtype} of shape {label_map.shape}.")
    image = Image.fromarray(label_map)
    if label_map.dtype == np.uint8:
        image.putpalette(davis_palette().tobytes())
    try:
        with new_file(path) as part:
            image.save(part, format="PNG")
    except HS2SError as error:
        raise MaskError(f"The label map {error}") from error


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
    """Puts masks together to a label map; where masks overlap, the smaller one is on top (a shirt over its wearer).

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

    The aspect fits if the smaller of the two sizes is the larger one scaled down, give or take one pixel of rounding.

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
    if mask.ndim != 2 or not _same_aspect(mask.shape, size):
        raise MaskError(
            f"The {name} is {_by(mask.shape)} pixels and the frame {_by(size)} (height x width), another aspect: "
            "give a mask of the frame's size."
        )
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip(size, mask.shape, strict=True)
    )
    return mask[rows[:, None], columns]


def _same_aspect(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    (height, width), (full_height, full_width) = sorted((tuple(a), tuple(b)), key=lambda size: size[0] * size[1])
    if not height or not width:
        return False
    return abs(height - full_height * width / full_width) <= 1 or abs(width - full_width * height / full_height) <= 1


def _by(size: tuple[int, ...]) -> str:
    return "x".join(map(str, size))


def natural_key(path: str | os.PathLike[str]) -> list[tuple[int, int, str]]:
    """Sort key that puts ``frame2`` before ``frame10``."""
    parts = re.split(r"(\d+)", Path(path).name)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts]


def list_label_maps(folder: str | os.PathLike[str]) -> dict[str, Path]:
    """The PNG files of a folder, in natural order, by the name of their frame (the file name without ending)."""
    files = (file for file in Path(folder).iterdir() if file.suffix.lower() == ".png" and file.name[0] != ".")
    return {file.stem: file for file in sorted(files, key=natural_key)}


def list_sequences(folder: str | os.PathLike[str]) -> dict[str, Path]:
    """The sequences of a folder in DAVIS layout (``<folder>/<sequence>/<frame>.png``), in natural order.

    Args:
        folder: holds one folder of PNGs a sequence, or is itself such a folder: then it is the only sequence

    Returns:
        the folder of each sequence, by name

    Raises:
        MaskError: if there is no such folder, or no PNG in it
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise MaskError(f"There is no folder {folder}.")
    if list_label_maps(folder):
        return {folder.resolve().name: folder}
    sequences = sorted((sub for sub in folder.iterdir() if sub.is_dir() and list_label_maps(sub)), key=natural_key)
    if not sequences:
        raise MaskError(
            f"The folder {folder} holds no PNG files, nor folders of them: expected <sequence>/<frame>.png."
        )
    return {sequence.name: sequence for sequence in sequences}

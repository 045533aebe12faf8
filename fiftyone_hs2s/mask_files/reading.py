"""Reading label maps from image files, one by one or a sequence at a time."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from fiftyone_hs2s.errors import HS2SError, MaskError, by, some
from fiftyone_hs2s.files import PathLike, check_file
from fiftyone_hs2s.mask_files.palettes import grays_of_colors, ids_of_colors, read_indices
from fiftyone_hs2s.mask_files.soft_edges import count_values, has_soft_edges

VOID = 255
"""The value of a uint8 label map at pixels that are to be ignored."""

_WANTED = "save it as an indexed PNG, 0 for background and 1, 2, ... for the objects"
_LOSSY = ("JPEG", "MPO", "JPEG2000", "WEBP", "AVIF")  # the latter three are not always, but files do not tell
_FORMATS = ("PNG", "BMP", "GIF", "PPM", "TGA", "TIFF", *_LOSSY)
_MOST_PIXELS = 2**26  # twice 8K video: what is larger is a mistake, or made to fill the memory
_LARGER = 8  # times the frame's height and width, at most
_FIRST_IDS = (
    20  # gray masks with an object below this count objects from 1; others are drawn in shades of gray
)


def read_label_map(
    path: PathLike, size: tuple[int, int] | None = None, void: int | None = None
) -> np.ndarray:
    """Reads a label map from an image file.

    Understood are indexed (palette) images, whose indices are the ids; grayscale images of 8 or 16 bits,
    whose values are the ids; black-and-white masks, whose white is object 1; and opaque RGB(A) images that
    are one of these in disguise: gray, or painted in the exact colors of the DAVIS palette. An indexed image
    whose index 0 is not the background is read by its colors, as an RGB image is. For several files of one
    sequence see :class:`LabelMapReader`.

    Args:
        path: the file, lossless (PNG)
        size: (H, W) of the frame that it belongs to: a mask of another aspect is refused before its pixels
            are read
        void: the value of pixels to ignore, such as 10000 in KITTI MOTS; 255 in 8 bits needs no mention

    Returns:
        uint8 array (H, W) with 255 for void, or uint16 for a 16-bit image (in which void keeps its value) and
        where 255 is an object

    Raises:
        MaskError: if the file is missing, damaged, too large, of a lossy format, or holds anything else
    """
    return LabelMapReader([Path(path)], void).read(path, size)


def mask_size(path: PathLike) -> tuple[int, int]:
    """The size (H, W) of a mask file, by its head alone.

    Raises:
        MaskError: as :func:`read_label_map`, if the file is missing, damaged or too large
    """
    with _opened(Path(path)) as image:
        return image.height, image.width


class LabelMapReader:
    """Reads the files of one sequence, among which white (255) means the same on all frames.

    White is object 1 where all masks are black and white; void where there are objects with low ids; and an
    object among others in shades of gray (then ``note`` says so).

    Args:
        files: all files of the sequence; they are looked through only if what is asked for depends on it
        void: as for :func:`read_label_map`
        like: the reader of the truth that these predictions belong to: what is an object there is one here
    """

    def __init__(
        self, files: Iterable[Path], void: int | None = None, like: LabelMapReader | None = None
    ) -> None:
        self._files, self._void, self._like = list(files), void, like
        self.note: str | None = None

    def read(self, path: PathLike, size: tuple[int, int] | None = None) -> np.ndarray:
        """Reads one of the files; arguments, result and errors are those of :func:`read_label_map`."""
        path = Path(path)
        values, white, grays = _read_values(path, size)
        if has_soft_edges(values, white) if grays is None else has_soft_edges(grays, 255):
            raise MaskError(
                f"The mask {path} has soft edges (anti-aliased, blurred, dithered or from a JPEG), whose"
                f" in-between values would be objects: draw or resize it without smoothing, and {_WANTED}."
            )
        label_map = values if white in (None, self._void) else self._resolve(values, white)
        if self._void is not None and label_map.dtype == np.uint8:
            label_map = np.where(values == self._void, VOID, label_map).astype(np.uint8)
        return label_map

    def _resolve(self, values: np.ndarray, white: int) -> np.ndarray:
        is_white = values == white
        if not is_white.any():
            return values
        if white == VOID and values.dtype == np.uint8 and (shades := self.shades):
            self.note = (
                f"255 is taken for an object beside the grays {some(sorted(shades))}; name it as void if it "
                "is (void=255, --void 255)"
            )
            return values.astype(np.uint16)
        return values if self._others else np.where(is_white, 1, values).astype(values.dtype)

    @property
    def shades(self) -> set[int]:
        """The grays that objects are drawn in, so that 255 is one of them too; none where they count from
        1."""
        known = self._like.shades if self._like else set()
        return known or (self._others if min(self._others, default=0) >= _FIRST_IDS else set())

    @cached_property
    def _others(self) -> set[int]:
        """The objects beside white on all frames; a few of them if they are counted from 1."""
        others: set[int] = set()
        for file in self._files:
            try:
                values, white, _ = _read_values(file, None)
            except MaskError:
                continue  # it is named when it is its turn
            others |= set(np.flatnonzero(count_values(values)).tolist()) - {0, white, self._void}
            if others and min(others) < _FIRST_IDS:
                break
        return others


class _Values(NamedTuple):
    values: np.ndarray
    """uint8 or uint16 (H, W)"""
    white: int | None
    """The value that is white in a gray image, None if the values are ids for sure."""
    grays: np.ndarray | None = None
    """What an indexed image shows, uint8 (H, W), if it has no colors."""


def _read_values(path: Path, size: tuple[int, int] | None) -> _Values:
    with _opened(path) as image:
        _check_size(image, path, size)
        try:
            image.load()
        except Exception as error:  # what Pillow raises on damaged files is not limited to its own errors
            raise _damaged(path, error) from error
        if image.format in _LOSSY:
            raise MaskError(
                f"The mask {path} is a {image.format} file, whose compression makes new ids: {_WANTED}."
            )
        return _to_values(image, path)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        check_file(path, "mask file")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is checked here
            image = Image.open(path, formats=_FORMATS)
    except HS2SError as error:
        raise MaskError(f"{error}.") from error
    except Image.DecompressionBombError as error:
        raise _too_large(path, "") from error
    except Exception as error:
        raise _damaged(path, error) from error
    with image:
        if image.width * image.height > _MOST_PIXELS:
            raise _too_large(path, f" ({image.height}x{image.width} pixels)")
        yield image


def _damaged(path: Path, error: Exception) -> MaskError:
    reason = str(error).replace(str(path), "the file") or type(error).__name__
    return MaskError(
        f"The mask {path} is damaged or not an image ({reason}): save it again as an indexed PNG."
    )


def _too_large(path: Path, what: str) -> MaskError:
    return MaskError(f"The mask {path} is far too large{what}: give a mask of the frame's size.")


def _check_size(image: Image.Image, path: Path, size: tuple[int, int] | None) -> None:
    if size is None:
        return
    found = image.height, image.width
    if not same_aspect(found, size):
        raise aspect_error(found, size, f"mask {path}")
    if found[0] > _LARGER * size[0]:
        raise _too_large(path, f" ({found[0]}x{found[1]} pixels for a frame of {size[0]}x{size[1]})")


def _to_values(image: Image.Image, path: Path) -> _Values:
    if image.mode == "P":
        return _Values(*read_indices(image, path))
    if image.mode == "1":
        return _Values(np.asarray(image).astype(np.uint8), None)
    if image.mode == "L":
        return _Values(np.asarray(image), 255)
    if image.mode in ("I", "I;16", "I;16B", "I;16L"):
        return _Values(_integers(np.asarray(image), path), 65535)
    if image.mode in ("RGB", "RGBA", "LA", "PA"):
        return _from_colors(np.asarray(image.convert("RGBA")), path)
    raise MaskError(f"The mask {path} is an image of mode {image.mode}: {_WANTED}.")


def _integers(values: np.ndarray, path: Path) -> np.ndarray:
    if values.size and not 0 <= int(values.min()) <= int(values.max()) < 2**16:
        raise MaskError(f"The mask {path} holds values outside 0 to 65535: {_WANTED}.")
    return values.astype(np.uint16)


def _from_colors(rgba: np.ndarray, path: Path) -> _Values:
    rgb = rgba[..., :3]
    if (rgba[..., 3] == 255).all():
        if (ids := ids_of_colors(rgb)) is not None:
            return _Values(ids, None)
        if (grays := grays_of_colors(rgb)) is not None:
            return _Values(grays, 255)
    raise MaskError(
        f"The mask {path} is an RGB picture whose colors are not those of the DAVIS palette: {_WANTED}."
    )


def same_aspect(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether the smaller of two sizes is the larger one scaled down, give or take one pixel of rounding."""
    (height, width), (full_height, full_width) = sorted(
        (tuple(a), tuple(b)), key=lambda size: size[0] * size[1]
    )
    if not height or not width:
        return False
    return (
        abs(height - full_height * width / full_width) <= 1
        or abs(width - full_width * height / full_height) <= 1
    )


def aspect_error(found: tuple[int, ...], size: tuple[int, int], name: str) -> MaskError:
    """Says that a mask of one size (H, W) does not fit a frame of another."""
    return MaskError(
        f"The {name} is {by(found)} pixels and the frame {by(size)} (height x width), of another aspect "
        "ratio: give a mask of the frame's size."
    )

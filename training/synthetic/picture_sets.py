"""Photographs for backgrounds and grounds, and people, animals and things cut out of them by their masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import fit_mask, object_ids
from fiftyone_hs2s.training.data.clip import read_image, read_mask

SUFFIXES = (".jpg", ".jpeg", ".png")
SMALLEST = 60  # pixels, of the longer side of a figure


@dataclass(frozen=True)
class Figure:
    """What is cut out of a picture: uint8 RGBA (H, W, 4), alpha 0 or 255, and the name of the picture."""

    image: np.ndarray
    name: str


class PictureSets:
    """Folders of pictures: ``<set>/Images`` with ``<set>/Masks`` beside it, or pictures alone.

    Raises:
        HS2SError: if a folder holds no picture
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._sets = [_list(folder) for folder in folders]
        self._masked = [pairs for pairs in ([p for p in pairs if p[1]] for pairs in self._sets) if pairs]

    def __bool__(self) -> bool:
        return bool(self._sets)

    @property
    def has_figures(self) -> bool:
        """Whether any of the pictures has masks."""
        return bool(self._masked)

    def photograph(self, rng: np.random.Generator) -> np.ndarray:
        """A picture, uint8 RGB (H, W, 3); a set is drawn in proportion to the square root of its size.

        Raises:
            HS2SError: if it cannot be read
        """
        return read_image(_draw(rng, self._sets)[0])

    def figure(self, rng: np.random.Generator) -> Figure | None:
        """Something cut out of a picture; None if what was drawn is small or cut off by the picture's border.

        Raises:
            HS2SError: if it cannot be read
        """
        path, mask_path = _draw(rng, self._masked)
        image = read_image(path)
        labels = fit_mask(read_mask(mask_path), image.shape[:2], f"mask of {path}")
        ids = object_ids(labels)
        if not ids:
            return None
        mask = labels == rng.choice(ids)
        return _cut_out(image, mask, f"{path.parent.parent.name}/{path.stem}")


def _list(folder: Path) -> list[tuple[Path, Path | None]]:
    images = folder / "Images" if (folder / "Images").is_dir() else folder
    masks = {path.stem: path for path in (folder / "Masks").glob("*.png")}
    paths = sorted(p for p in images.iterdir() if p.suffix.lower() in SUFFIXES) if images.is_dir() else []
    if not paths:
        raise HS2SError(
            f"No picture in {folder}: --pictures takes folders of pictures, or of Images and Masks"
        )
    return [(path, masks.get(path.stem)) for path in paths]


def _draw(rng: np.random.Generator, sets: list) -> tuple:
    weights = np.sqrt([len(pairs) for pairs in sets])
    pairs = sets[int(rng.choice(len(sets), p=weights / weights.sum()))]
    return pairs[int(rng.integers(len(pairs)))]


def _cut_out(image: np.ndarray, mask: np.ndarray, name: str) -> Figure | None:
    """The object in its box; an object that the border cuts off is taken if it stands on the lower one."""
    ys, xs = np.nonzero(mask)
    box = slice(ys.min(), ys.max() + 1), slice(xs.min(), xs.max() + 1)
    cut = [mask[0].sum(), mask[:, 0].sum(), mask[:, -1].sum()]
    if max(np.ptp(ys), np.ptp(xs)) < SMALLEST or max(cut) > 0.08 * np.sqrt(len(ys)) or len(ys) < 900:
        return None
    # Without the old background's rim.
    alpha = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) * 255
    return Figure(np.dstack([image, alpha])[box], name) if alpha.any() else None

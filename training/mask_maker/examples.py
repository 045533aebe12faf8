"""Examples: an object of a picture, seen in a square view, with a box or points that say which it is."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.hints import Box, Hint, View
from fiftyone_hs2s.masks import VOID, fit_mask, object_ids
from fiftyone_hs2s.training.data.augment import jitter_color
from fiftyone_hs2s.training.data.clip import read_image, read_mask
from fiftyone_hs2s.training.data.pictures import Picture

STORED = 384
"""Pixels of a side of a stored view: two to three times the network's, for views of other scales."""
WIDE = 0.9
"""Margin of a stored view: what surrounds the object."""
MIN_SIDE = 20
"""Pixels of the longer side of an object's box: below there is nothing to learn its outline from."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stored:
    """An object in its surroundings, compressed: thousands fit into memory.

    Attributes:
        image: JPEG of the view, RGB
        mask: PNG of the object in it: 0, 1, 255 ignore
    """

    image: np.ndarray
    mask: np.ndarray

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """The view, uint8 (H, W, 3), and the mask, uint8 (H, W)."""
        image = np.asarray(cv2.imdecode(self.image, cv2.IMREAD_COLOR))
        return np.ascontiguousarray(image[..., ::-1]), np.asarray(
            cv2.imdecode(self.mask, cv2.IMREAD_UNCHANGED)
        )


def store(pictures: Iterable[Picture], rng: np.random.Generator, most: int) -> list[Stored]:
    """Cuts the objects of pictures out with their surroundings.

    Args:
        pictures: each with its label map; those that cannot be read are named and left out
        rng: draws which are kept
        most: objects to keep
    """
    found: list[Stored] = []
    order = list(pictures)
    rng.shuffle(order)
    for source, mask in order:
        if len(found) >= most:
            break
        try:
            image = read_image(source)
            labels = fit_mask(read_mask(mask), image.shape[:2])
        except HS2SError as error:
            logger.warning("Left out: %s", error)
            continue
        ids = object_ids(labels)
        for label in rng.permutation(ids)[:4]:
            if stored := _store(image, labels, int(label)):
                found.append(stored)
    return found[:most]


def _store(image: np.ndarray, labels: np.ndarray, label: int) -> Stored | None:
    mask = np.where(labels == label, 1, 0).astype(np.uint8)
    if labels.dtype == np.uint8:
        mask[labels == VOID] = VOID
    box = box_of(mask)
    if box is None or max(box[2] - box[0], box[3] - box[1]) < MIN_SIDE:
        return None
    view = View.around(box, STORED, WIDE)
    _, jpeg = cv2.imencode(".jpg", view.show(image)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
    _, png = cv2.imencode(".png", view.show(mask, nearest=True))
    return Stored(jpeg, png)


def box_of(mask: np.ndarray) -> Box | None:
    """The box of a mask's pixels of 1; None if there are none."""
    x, y, width, height = cv2.boundingRect((mask == 1).view(np.uint8))
    return (x, y, x + width, y + height) if width else None


def examples(
    sets: Sequence[Sequence[Stored]], size: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Draws examples without end.

    Args:
        sets: the objects of each set; a set is drawn by the square root of its size
        size: pixels of a side of the view
        rng: draws

    Yields:
        the view, uint8 (size, size, 3); the hints, float32 (3, size, size); the mask, uint8 (size, size), 255
        ignore
    """
    weights = np.sqrt([len(stored) for stored in sets])
    weights /= weights.sum()
    while True:
        stored = sets[int(rng.choice(len(sets), p=weights))]
        image, mask = stored[int(rng.integers(len(stored)))].read()
        if rng.random() < 0.5:
            image, mask = image[:, ::-1], mask[:, ::-1]
        box = box_of(np.ascontiguousarray(mask))
        if box is not None:
            yield _example(np.ascontiguousarray(image), np.ascontiguousarray(mask), box, size, rng)


def _example(
    image: np.ndarray, mask: np.ndarray, box: Box, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    kind = rng.choice(["box", "points", "both"], p=[0.6, 0.25, 0.15])
    side = max(box[2] - box[0], box[3] - box[1])
    given = tuple(np.array(box) + rng.normal(0, 0.03, 4) * side)
    margin = rng.uniform(0.18, 0.35) if kind != "points" else rng.uniform(0.05, WIDE)
    view = View.around(given if kind != "points" else box, size, margin)
    if kind == "points":
        across, down = rng.uniform(-0.15, 0.15, 2) * view.side
        view = View(view.left + across, view.top + down, view.side, size)
    positive, negative = (_points(part, rng, most) for part, most in ((mask == 1, 3), (mask == 0, 2)))
    hint = Hint(
        given if kind != "points" else None,
        positive if kind != "box" else np.zeros((0, 2)),
        negative[: rng.integers(3)] if kind != "box" else np.zeros((0, 2)),
    )
    shown = view.show(image)
    if rng.random() < 0.7:
        shown = jitter_color(rng, shown[None])[0]
    return shown, view.draw(hint), view.show(mask, nearest=True)


def _points(where: np.ndarray, rng: np.random.Generator, most: int) -> np.ndarray:
    """Up to ``most`` random points of a region, rather inside than on its rim: (n, 2) x and y."""
    inner = cv2.erode(where.view(np.uint8), np.ones((9, 9), np.uint8)) > 0
    ys, xs = np.nonzero(inner if inner.any() else where)
    if not len(xs):
        return np.zeros((0, 2))
    chosen = rng.integers(len(xs), size=int(rng.integers(most)) + 1)
    return np.stack([xs[chosen] + 0.5, ys[chosen] + 0.5], 1)

"""The photographs of the demo clip and what is cut out of them.

The photographs come inside scikit-learn (china.jpg, flower.jpg) and scikit-image (brick.png, coffee.png),
both of which FiftyOne needs anyway, and are read from there at run time: this project ships no pictures of
others.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fiftyone_hs2s.errors import HS2SError

PHOTOS = {
    "scenery": ("sklearn", "datasets/images/china.jpg"),
    "dahlia": ("sklearn", "datasets/images/flower.jpg"),
    "cup": ("skimage", "data/coffee.png"),
    "bricks": ("skimage", "data/brick.png"),
}
# Center x, center y, half axes, degrees; in pixels of the photograph.
Ellipse = tuple[int, int, int, int, int]


def load_photo(name: str) -> NDArray[np.uint8]:
    """Reads one of `PHOTOS` as RGB (H, W, 3).

    Raises:
        HS2SError: if the package that holds it has no such file.
    """
    package, inside = PHOTOS[name]
    spec = find_spec(package)  # finds the package without importing it
    path = Path(spec.origin).parent / inside if spec and spec.origin else Path(inside)
    photo = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if photo is None:
        raise HS2SError(
            f"the demo's photograph {inside} is not in {package}: reinstall it, or run the demo on your video"
        )
    return cv2.cvtColor(photo, cv2.COLOR_BGR2RGB)


@cache
def dahlia() -> NDArray[np.float32]:
    """The flower, 110 pixels across, as premultiplied RGBA in 0..1."""
    return _shrink(_cut_out(load_photo("dahlia"), [(307, 222, 148, 146, 0)], [(307, 222, 118, 115, 0)]), 0.55)


def look_alike() -> NDArray[np.float32]:
    """Another flower of the same kind: the mirrored cut-out, a little pinker."""
    mirrored = dahlia()[:, ::-1]
    return np.ascontiguousarray(mirrored * np.array([0.97, 0.75, 0.95, 1.0], np.float32))


@cache
def cup() -> NDArray[np.float32]:
    """Cup, saucer and spoon seen from above."""
    rim, spoon = (290, 115, 125, 105, 0), (405, 100, 30, 50, 0)
    inside = [(279, 221, 196, 162, 5), (290, 115, 112, 92, 0)]
    return _shrink(_cut_out(load_photo("cup"), [(279, 221, 203, 169, 5), rim, spoon], inside), 0.5)


def column() -> NDArray[np.float32]:
    """A round column of bricks, higher than the frame: photographed bricks, tinted and shaded."""
    wall = cv2.resize(load_photo("bricks"), (420, 420), interpolation=cv2.INTER_AREA).transpose(1, 0, 2)[
        :, -150:
    ]
    around = np.linspace(-1, 1, 78, dtype=np.float32)  # from its left edge to its right one
    x, y = np.meshgrid((np.arcsin(around) / np.pi + 0.5) * 149, np.arange(420))
    wrapped = cv2.remap(wall.astype(np.float32), x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)
    light = 0.25 + 0.75 * np.sqrt(1 - ((around + 0.35) / 1.4) ** 2)
    tinted = wrapped * np.array([1.15, 0.78, 0.62], np.float32) * light[:, None]
    inside = np.pad(np.ones((420, 76), np.uint8), ((0, 0), (1, 1)))
    return _premultiply(tinted.clip(0, 255), inside)


def _cut_out(photo: NDArray[np.uint8], around: list[Ellipse], inside: list[Ellipse]) -> NDArray[np.float32]:
    """Cuts along the outline that GrabCut finds between the ellipses `inside` and `around` an object."""
    trimap = np.full(photo.shape[:2], cv2.GC_BGD, np.uint8)
    for ellipses, value in ((around, cv2.GC_PR_FGD), (inside, cv2.GC_FGD)):
        for x, y, a, b, degrees in ellipses:
            cv2.ellipse(trimap, (x, y), (a, b), degrees, 0, 360, value, -1)
    cv2.setRNGSeed(0)  # GrabCut starts from a random clustering
    model = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(photo, trimap, None, *model, 5, cv2.GC_INIT_WITH_MASK)
    mask = cv2.medianBlur(np.isin(trimap, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8), 9)
    x, y, width, height = cv2.boundingRect(mask)
    box = slice(max(y - 4, 0), y + height + 4), slice(max(x - 4, 0), x + width + 4)
    return _premultiply(photo[box], mask[box])


def _premultiply(photo: NDArray, mask: NDArray[np.uint8]) -> NDArray[np.float32]:
    """RGBA with a feathered edge that lies inside the mask, so that nothing of the old background shows."""
    alpha = cv2.GaussianBlur(cv2.erode(mask, np.ones((3, 3), np.uint8)).astype(np.float32), (3, 3), 0)
    return np.dstack([photo.astype(np.float32) / 255 * alpha[..., None], alpha])


def _shrink(layer: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    return cv2.resize(layer, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)

"""Masks from boxes and points, on one frame: what a detector or a click gives, turned into what a tracker
takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Protocol

import cv2
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from fiftyone_hs2s.choices import AUTO, GRABCUT, OPEN_MASK_NETWORK, check_choice
from fiftyone_hs2s.choices import MASK_NETWORK as NETWORK
from fiftyone_hs2s.errors import HS2SError, MaskError
from fiftyone_hs2s.hints import Box, Hint, View
from fiftyone_hs2s.models import BEST_MODEL, OPEN_MODEL, mask_maker_weights
from fiftyone_hs2s.network.mask_maker import SIDE, MaskMakerNetwork
from fiftyone_hs2s.network.weights import read_config
from fiftyone_hs2s.registry import find_model

_WIDE = 0.5
"""Margin of GrabCut's view: it needs to see what is not the object."""
_NEAR = 41
"""Pixels of GrabCut's view, around a point, that are taken for the object at first."""
_MIN_SHARE = 0.1
"""Of the largest region of a mask: smaller regions are crumbs."""


class MaskMaker(Protocol):
    """Makes masks on one frame.

    Attributes:
        name: by which it is chosen, and named in labels and reports
    """

    name: str

    def __call__(self, frame: np.ndarray, hints: Sequence[Hint]) -> list[np.ndarray]:
        """Makes the mask of each object.

        Args:
            frame: uint8 (H, W, 3), RGB
            hints: what is known of each object

        Returns:
            a bool mask (H, W) for each hint; it has no pixel where nothing was found
        """


class NetworkMaskMaker:
    """The network with weights that are shipped, see
    :class:`~fiftyone_hs2s.network.mask_maker.MaskMakerNetwork`.

    Args:
        name: of the weights
    """

    def __init__(self, name: str = NETWORK) -> None:
        self.name = name

    def __call__(self, frame: np.ndarray, hints: Sequence[Hint]) -> list[np.ndarray]:
        """See :class:`MaskMaker`."""
        return [self._make(frame, hint) for hint in hints]

    def _make(self, frame: np.ndarray, hint: Hint) -> np.ndarray:
        box = hint.box or self._box_of_points(frame, hint)
        if box is None:
            return np.zeros(frame.shape[:2], bool)
        return self._segment(frame, Hint(box, hint.positive, hint.negative), View.around(box, SIDE))

    def _box_of_points(self, frame: np.ndarray, hint: Hint) -> Box | None:
        """The box of what the points are on: looked for in the whole frame, else in ever smaller parts
        around them."""
        height, width = frame.shape[:2]
        x, y = hint.positive.mean(0)
        for share in (1.0, 0.5, 0.25):
            side = share * max(height, width)
            left, top = (
                ((width - side) / 2, (height - side) / 2) if share == 1 else (x - side / 2, y - side / 2)
            )
            mask = _main_regions(self._segment(frame, hint, View(left, top, side, SIDE)), hint)
            if mask.any():
                left, top, wide, high = cv2.boundingRect(mask.view(np.uint8))
                return left, top, left + wide, top + high
        return None

    def _segment(self, frame: np.ndarray, hint: Hint, view: View) -> np.ndarray:
        image = torch.from_numpy(view.show(frame)).permute(2, 0, 1)[None].float() / 255
        with torch.inference_mode():
            logits = _load_network(self.name)(image, torch.from_numpy(view.draw(hint))[None])[0, 0]
        return view.place(logits.sigmoid().numpy(), frame.shape[:2]) > 0.5


class GrabCut:
    """OpenCV's GrabCut within a box, with points as seeds (Rother et al., 2004): no training, no weights."""

    name = GRABCUT

    def __call__(self, frame: np.ndarray, hints: Sequence[Hint]) -> list[np.ndarray]:
        """See :class:`MaskMaker`."""
        return [_main_regions(_grabcut(frame, hint), hint) for hint in hints]


def get_mask_maker(name: str, model: str = BEST_MODEL) -> MaskMaker:
    """A mask maker that needs nothing else, by its name.

    Args:
        name: one of :data:`MASK_MAKERS`, or "auto" for the network whose terms are the model's
        model: name of the model that tracks its masks, or of a registered one

    Raises:
        HS2SError: if there is none of that name
    """
    if name == AUTO:
        tuned = find_model(model)
        base = read_config(tuned).name if tuned else model
        name = OPEN_MASK_NETWORK if base == OPEN_MODEL else NETWORK
    return MASK_MAKERS[check_choice("mask_maker", name, MASK_MAKERS)]()


MASK_MAKERS: dict[str, Callable[[], MaskMaker]] = {
    NETWORK: partial(NetworkMaskMaker, NETWORK),
    OPEN_MASK_NETWORK: partial(NetworkMaskMaker, OPEN_MASK_NETWORK),
    GRABCUT: GrabCut,
}
"""Those that need nothing else, the best first."""


@lru_cache(maxsize=2)
def _load_network(name: str) -> MaskMakerNetwork:
    path = mask_maker_weights(name)
    if path is None:
        raise HS2SError(
            f"The weights of {name!r} are missing: install fiftyone-hs2s again, or take {GRABCUT!r}."
        )
    network = MaskMakerNetwork()
    try:
        network.load_state_dict({key: value.float() for key, value in load_file(path).items()})
    except (SafetensorError, RuntimeError, OSError) as error:
        raise HS2SError(
            f"{path} cannot be read: install fiftyone-hs2s again, or take {GRABCUT!r}."
        ) from error
    return network.eval().to(memory_format=torch.channels_last)


def _grabcut(frame: np.ndarray, hint: Hint) -> np.ndarray:
    if hint.box is None:
        raise MaskError(f"the mask maker {GRABCUT!r} needs a box: draw one, or take {NETWORK!r}")
    size = (frame.shape[0], frame.shape[1])
    view = View.around(hint.box, SIDE, _WIDE)
    inside, positive, negative = view.draw(hint) > 0
    seeds = np.full((SIDE, SIDE), cv2.GC_BGD, np.uint8)
    seeds[inside] = cv2.GC_PR_BGD
    if positive.any():
        near = cv2.dilate(positive.view(np.uint8), np.ones((_NEAR, _NEAR), np.uint8)) > 0
        seeds[near & inside] = cv2.GC_PR_FGD
    else:
        seeds[_ellipse(inside, 1.0)] = cv2.GC_PR_FGD
        # What is in the middle of a box is nearly always the object.
        seeds[_ellipse(inside, 0.05)] = cv2.GC_FGD
    seeds[positive], seeds[negative] = cv2.GC_FGD, cv2.GC_BGD
    cv2.setRNGSeed(0)  # it starts from a random clustering
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(np.ascontiguousarray(view.show(frame)), seeds, None, *models, 5, cv2.GC_INIT_WITH_MASK)
    return view.place((seeds & 1).astype(np.float32), size) > 0.5


def _ellipse(inside: np.ndarray, share: float) -> np.ndarray:
    """The ellipse in a box, of a share of the full one's area: bool (H, W)."""
    left, top, width, height = cv2.boundingRect(inside.view(np.uint8))
    y, x = np.mgrid[: inside.shape[0], : inside.shape[1]] + 0.5
    across, down = (x - left - width / 2) / max(1, width / 2), (y - top - height / 2) / max(1, height / 2)
    return (across**2 + down**2) < share


def _main_regions(mask: np.ndarray, hint: Hint) -> np.ndarray:
    """The regions of a mask that have a positive point, if there are points, and without crumbs."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8))
    areas = stats[1:, cv2.CC_STAT_AREA]
    if count < 2:
        return mask
    height, width = mask.shape
    hit = {
        labels[int(y), int(x)]
        for x, y in hint.positive
        if 0 <= y < height and 0 <= x < width and mask[int(y), int(x)]
    }
    kept = sorted(hit) or [i for i in range(1, count) if areas[i - 1] >= _MIN_SHARE * areas.max()]
    return np.isin(labels, kept)

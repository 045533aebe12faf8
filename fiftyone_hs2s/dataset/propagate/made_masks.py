"""Masks that a mask maker made of boxes and points."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fiftyone_hs2s.dataset.objects import Identity, ObjectKey
from fiftyone_hs2s.dataset.propagate.prompt_readers import HintedObject
from fiftyone_hs2s.errors import HS2SError

if TYPE_CHECKING:
    from fiftyone_hs2s.mask_makers import MaskMaker
    from fiftyone_hs2s.tracking import Frames

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MadeMask:
    """The mask that an object starts from.

    Attributes:
        index: its frame, 0-based
        identity: who the object is
        origin: ``prompt`` (what it was made of: ``"box"``, ``"points"``, ``"box and points"``) and
            ``mask_maker``
    """

    index: int
    identity: Identity
    origin: dict[str, str]
    _bits: np.ndarray
    _size: tuple[int, int]

    def mask(self) -> np.ndarray:
        """The mask, bool ``(height, width)``; it is kept in bits."""
        return np.unpackbits(self._bits, count=self._size[0] * self._size[1]).reshape(self._size).astype(bool)


def make_masks(
    maker: MaskMaker, frames: Frames, hinted: Mapping[ObjectKey, tuple[int, HintedObject]], first_number: int
) -> dict[ObjectKey, MadeMask]:
    """Makes the masks of objects of which only boxes or points are known; those it finds nothing of are left
    out.

    Args:
        maker: the mask maker
        frames: the video
        hinted: the frame of each object, and what is known of it there
        first_number: the frame number of index 0, for messages

    Raises:
        HS2SError: if the maker cannot be used
    """
    by_frame: dict[int, dict[ObjectKey, HintedObject]] = {}
    for key, (index, each) in hinted.items():
        by_frame.setdefault(index, {})[key] = each
    made: dict[ObjectKey, MadeMask] = {}
    for index, objects in sorted(by_frame.items()):
        try:
            masks = maker(frames[index], [each.hint for each in objects.values()])
        except HS2SError as error:
            raise HS2SError(f"frame {index + first_number}, {error}") from error
        for (key, each), mask in zip(objects.items(), masks, strict=True):
            if mask.any():
                origin = {"prompt": each.kind, "mask_maker": maker.name}
                made[key] = MadeMask(index, each.identity, origin, np.packbits(mask), frames.size)
    if missing := ", ".join(sorted(f"{key[0]} {key[1]}" for key in hinted.keys() - made.keys())):
        logger.warning(
            "Left out, since %s found no object in the box or points of: %s; draw them", maker.name, missing
        )
    return made

"""The masks of one sequence, whether each frame has one file or each object its own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from fiftyone_hs2s.errors import MaskError
from fiftyone_hs2s.mask_files.layouts import list_label_maps, natural_key, object_folders
from fiftyone_hs2s.mask_files.reading import VOID, LabelMapReader, mask_size
from fiftyone_hs2s.masks import join_masks, split_label_map


class MaskSequence:
    """The masks in a folder: ``<frame>.png`` as in DAVIS, or ``<object>/<frame>.png`` as in SA-V.

    Objects of SA-V are numbered by their folders; where these count from 0, object ``000`` is 1, ``001`` is 2
    and so on, since 0 is the background. Folders with other names are numbered in their order.

    Args:
        folder: the folder
        void: the value of pixels to ignore, see :func:`read_label_map`
        like: the truth that this is a prediction for: what gray values and names of objects mean there, they
            mean here

    Raises:
        MaskError: if there is no PNG in it
    """

    def __init__(self, folder: Path, void: int | None = None, like: MaskSequence | None = None) -> None:
        self.folder, self._void = folder, void
        objects = object_folders(folder)
        self.ids: dict[str, int] = _number_objects(objects, like.ids if like else {})
        """Ids of the objects by the names of their folders; empty if an object has no folder of its own."""
        parts = {self.ids[name]: sub for name, sub in objects.items()} or {0: folder}
        self._files = {part: list_label_maps(sub) for part, sub in parts.items()}
        self._readers: dict[int, LabelMapReader] = {
            part: LabelMapReader(files.values(), void, like._readers.get(part) if like else None)
            for part, files in self._files.items()
        }
        self.names = sorted({name for files in self._files.values() for name in files}, key=natural_key)
        if not self.names:
            raise MaskError(f"The folder {folder} holds no PNG masks.")

    @property
    def is_layered(self) -> bool:
        """Whether each object has its own files, and may overlap others."""
        return bool(self.ids)

    @property
    def note(self) -> str | None:
        """What had to be guessed so far, None if nothing."""
        return next((reader.note for reader in self._readers.values() if reader.note), None)

    def files(self) -> list[Path]:
        """All the files."""
        return [file for files in self._files.values() for file in files.values()]

    def size(self, name: str) -> tuple[int, int]:
        """(H, W) of a frame's masks, by their heads alone.

        Raises:
            MaskError: if one cannot be read, or they differ
        """
        sizes = {mask_size(files[name]) for files in self._files.values() if name in files}
        if len(sizes) > 1:
            raise MaskError(f"The masks of frame {name} in {self.folder} differ in size: give them one size.")
        return sizes.pop()

    def label_map(self, name: str, size: tuple[int, int] | None = None) -> np.ndarray:
        """A frame's label map (H, W); where objects overlap, as :func:`join_masks` puts them.

        Args:
            name: of the frame
            size: (H, W) of the frame, checked before the pixels are read

        Raises:
            MaskError: if a file cannot be read or does not fit
        """
        if not self.is_layered:
            return self._readers[0].read(self._files[0][name], size)
        masks = {i: mask for i, mask in self.layers(name, size).items() if mask is not None}
        return join_masks(masks, next(iter(masks.values())).shape)

    def masks(self, name: str, size: tuple[int, int] | None = None) -> dict[int, np.ndarray]:
        """The bool masks (H, W) of the objects that a frame shows, by id; arguments as for
        :meth:`label_map`."""
        if self.is_layered:
            return {i: mask for i, mask in self.layers(name, size).items() if mask is not None and mask.any()}
        found = split_label_map(self.label_map(name, size))
        return {i: mask for i, mask in found.items() if i != self._void}

    def layers(self, name: str, size: tuple[int, int] | None = None) -> dict[int, np.ndarray | None]:
        """The bool mask (H, W) of every object with files of its own, None where it has none for this
        frame."""
        self.size(name)
        return {
            i: self._layer(i, files[name], size) if name in files else None
            for i, files in self._files.items()
        }

    def _layer(self, part: int, file: Path, size: tuple[int, int] | None) -> np.ndarray:
        values = self._readers[part].read(file, size)
        return (values != 0) & (values != (VOID if values.dtype == np.uint8 else self._void or 0))


def _number_objects(names: Iterable[str], known: dict[str, int]) -> dict[str, int]:
    """Ids from 1 for objects; ``known`` are those of the truth."""
    names = list(names)
    if all(name.isascii() and name.isdecimal() for name in [*names, *known]):
        shift = next((known[name] - int(name) for name in known), None)
        shift = int(any(int(name) == 0 for name in names)) if shift is None else shift
        return {name: int(name) + shift for name in names}
    others = [name for name in names if name not in known]
    first = max(known.values(), default=0) + 1
    return {name: known[name] for name in names if name in known} | {
        name: first + k for k, name in enumerate(others)
    }

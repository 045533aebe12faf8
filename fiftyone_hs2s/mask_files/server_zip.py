"""The zip files that evaluation servers take: names, palette, sizes and completeness are checked first."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np

from fiftyone_hs2s.choices import check_choice
from fiftyone_hs2s.errors import MaskError, by, some
from fiftyone_hs2s.files import PathLike, new_file
from fiftyone_hs2s.mask_files.reading import VOID
from fiftyone_hs2s.masks import is_label_map, label_image, read_label_map, read_written

Masks = Iterable[tuple[str, np.ndarray | PathLike]]
"""Name of each frame (without ending) with its label map, uint8 (H, W), or the PNG that holds it."""

SERVERS = {"davis2017": "", "mose": "", "youtube-vos": "Annotations/", "lvos": "Annotations/"}
"""Where the folders of the sequences lie in the zip, by the name of the data set: at its top, or in
``Annotations``."""

_NAME = re.compile(r"[\w()+=@][\w.()+=@-]*", re.ASCII)


def write_server_zip(
    path: PathLike,
    server: str,
    sequences: Mapping[str, Masks],
    expected: Mapping[str, Mapping[str, tuple[int, int]]] | None = None,
) -> int:
    """Writes the masks of a data set as the zip file that its evaluation server takes.

    Each is ``<sequence>/<frame>.png``, an indexed PNG with the palette of DAVIS, below ``Annotations`` where
    the server wants that (:data:`SERVERS`). Equal masks give equal files. If anything is wrong, no file is
    written.

    Args:
        path: the file to write; its folder must exist
        server: ``davis2017`` (test-dev), ``mose``, ``youtube-vos`` or ``lvos``
        sequences: the masks of each sequence, which may be read one by one
        expected: the size (H, W) of each frame that the server scores, by sequence and frame: all of them
            must be there, and others are left out. None: all masks are taken, and those of a sequence must
            have one size

    Returns:
        the number of masks in the zip

    Raises:
        HS2SError: if there is no such server, or the file cannot be written
        MaskError: if a sequence or frame is missing, a name or size is wrong, or a label map has ids above
            254
    """
    check_choice("server", server, SERVERS)
    wanted = list(sequences if expected is None else expected)
    if lost := [name for name in wanted if name not in sequences]:
        raise MaskError(f"The server asks for sequences that were not tracked: {some(lost)}.")
    if not wanted:
        raise MaskError("There is no sequence for the server: give one with masks.")
    count = 0
    with new_file(path) as part, ZipFile(part, "w", ZIP_STORED) as archive:
        for name in wanted:
            _check_name(name, "sequence")
            for frame, data in _encoded(name, sequences[name], None if expected is None else expected[name]):
                archive.writestr(ZipInfo(f"{SERVERS[server]}{name}/{frame}.png"), data)
                count += 1
    return count


def _encoded(
    sequence: str, masks: Masks, expected: Mapping[str, tuple[int, int]] | None
) -> Iterator[tuple[str, bytes]]:
    """The frames of a sequence as PNG files, each checked."""
    seen: set[str] = set()
    first: tuple[int, int] | None = None
    for frame, mask in masks:
        if expected is not None and frame not in expected:
            continue
        where = f"The mask of frame {frame} of {sequence}"
        _check_name(frame, f"frame of {sequence}")
        if frame in seen:
            raise MaskError(f"{where} was given twice: keep one.")
        seen.add(frame)
        label_map = mask if isinstance(mask, np.ndarray) else _read(Path(mask))
        size = first if expected is None else expected[frame]
        if label_map.dtype != np.uint8:
            raise MaskError(
                f"{where} is {label_map.dtype}: the server reads ids up to 254, renumber the objects."
            )
        if size is not None and label_map.shape != tuple(size):
            raise MaskError(
                f"{where} is {by(label_map.shape)} pixels, and the server asks for {by(size)} (height x"
                " width): give masks of the frames' own size."
            )
        first = first or (label_map.shape[0], label_map.shape[1])
        yield frame, _png(label_map)
    if lost := [frame for frame in expected or () if frame not in seen]:
        raise MaskError(f"The server asks for frames of {sequence} that have no mask: {some(lost)}.")
    if not seen:
        raise MaskError(f"The sequence {sequence} has no mask for the server.")


def _read(file: Path) -> np.ndarray:
    return read_written(file) if is_label_map(file) else read_label_map(file)


def _png(label_map: np.ndarray) -> bytes:
    """The file; void belongs to no object, and servers take 255 for one."""
    stream = io.BytesIO()
    label_image(np.where(label_map == VOID, 0, label_map).astype(np.uint8)).save(stream, format="PNG")
    return stream.getvalue()


def _check_name(name: str, what: str) -> None:
    if not _NAME.fullmatch(name):
        raise MaskError(
            f"The {what} is called {name!r}, which the server does not expect: name folders and files as the"
            " data set does."
        )

"""Which data set a folder holds, and where its frames, masks, lists and classes lie."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

from fiftyone_hs2s.choices import check_choice
from fiftyone_hs2s.errors import HS2SError, MaskError
from fiftyone_hs2s.files import PathLike, read_text
from fiftyone_hs2s.mask_files.layouts import (
    IMAGES,
    MASKS,
    find_part,
    list_sequences,
    object_folders,
    read_split,
)
from fiftyone_hs2s.mask_files.meta import Meta, read_meta

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Benchmark:
    """A benchmark, and what is done with results for it.

    Attributes:
        title: what people call it
        protocol: how it is scored, see ``metrics.PROTOCOLS``
        table: the table of the HS2S paper that has its form: 1 (YouTube-VOS) or 2 (DAVIS)
        server: the form of the zip file for its evaluation server, None if all its truth is public
    """

    title: str
    protocol: str
    table: int
    server: str | None


BENCHMARKS = {
    "davis2016": Benchmark("DAVIS 2016", "davis2016", 2, None),
    "davis2017": Benchmark("DAVIS 2017", "davis2017", 2, "davis2017"),
    "youtube-vos": Benchmark("YouTube-VOS", "youtube-vos", 1, "youtube-vos"),
    "mose": Benchmark("MOSE", "appearance", 2, "mose"),
    "lvos": Benchmark("LVOS", "appearance", 2, "lvos"),
    "sa-v": Benchmark("SA-V", "appearance", 2, None),
}
"""The benchmarks by name."""

_SPLIT_FOLDERS = {"val": "valid", "valid": "val"}


@dataclass(frozen=True)
class BenchmarkData:
    """A data set on disk.

    Attributes:
        kind: its name in :data:`BENCHMARKS`
        reason: how that is known
        root: the folder of its parts
        images: holds a folder of frames for each sequence
        masks: likewise of masks: the truth, or the first masks alone
        sequences: names of those to track
        split: the list that they are from, None for all
        meta: classes and scored frames of the objects (YouTube-VOS), empty for others
        seen: the classes seen in training, None if that is not known
    """

    kind: str
    reason: str
    root: Path
    images: Path
    masks: Path
    sequences: list[str]
    split: str | None = None
    meta: Meta = field(default_factory=lambda: Meta({}, {}))
    seen: frozenset[str] | None = None

    @property
    def benchmark(self) -> Benchmark:
        """What is done with results for it."""
        return BENCHMARKS[self.kind]


def find_benchmark(
    folder: PathLike, split: str | None = None, kind: str | None = None, seen: PathLike | None = None
) -> BenchmarkData:
    """Finds out which data set a folder holds.

    Known are the layouts of DAVIS 2016 and 2017, YouTube-VOS, MOSE, LVOS and SA-V, as their archives unpack:
    ``JPEGImages`` and ``Annotations``, in folders of a resolution (DAVIS) or with the rate in their names
    (SA-V), with lists in ``ImageSets`` (DAVIS), with a ``meta.json`` (YouTube-VOS, LVOS), or in a folder of
    the split.

    Args:
        folder: the root, one of its splits, or its folder of frames such as ``DAVIS/JPEGImages/480p``
        split: the sequences: a list in ``ImageSets`` such as ``val`` or ``2016/val``, the folder of a split
            such as ``valid``, a list in the root such as ``sav_val``, or a text file with a sequence a line.
            None for all
        kind: one of :data:`BENCHMARKS`; None to tell by the files
        seen: text file of the classes that were seen in training, one per line, for YouTube-VOS; by default
            the categories of its training split, whose folder ``train`` with a ``meta.json`` may lie beside
            this one

    Raises:
        HS2SError: if the folder holds no such data set, or there is no such split
    """
    if kind is not None:
        check_choice("benchmark", kind, BENCHMARKS)
    root, images, split = _find_root(Path(os.path.abspath(folder)), split)
    masks = _find_masks(root, images)
    there = list_sequences(masks)
    names = list(there) if split is None else _read_split(root, split)
    kind, reason = (kind, "as asked for") if kind else _tell_kind(root, split, next(iter(there.values())))
    meta = _read_meta(root, kind)
    classes = _seen_classes(root, seen) if kind == "youtube-vos" else None
    return BenchmarkData(kind, reason, root, images, masks, names, split, meta, classes)


def _find_root(folder: Path, split: str | None) -> tuple[Path, Path, str | None]:
    """The root of the data set, the folder of its frames, and the split if the root is not that of the
    split."""
    if images := find_part(folder, IMAGES):
        return folder, images, split
    for up in (folder, *folder.parents[:1]):
        if up.name.split("_")[0] == IMAGES and up.is_dir():
            return up.parent, folder if up != folder else find_part(up.parent, IMAGES) or folder, split
    if not folder.is_dir():
        raise HS2SError(f"There is no folder {folder}.")
    inner = {
        sub.name: images
        for sub in sorted(folder.iterdir())
        if sub.is_dir() and (images := find_part(sub, IMAGES))
    }
    chosen = next((name for name in (split, _SPLIT_FOLDERS.get(split or "")) if name in inner), None)
    if chosen is None and len(inner) == 1:
        chosen = next(iter(inner))
    elif chosen is not None:
        split = None
    if chosen is None:
        hint = (
            f"give one of its parts, {', '.join(inner)}, or its name as split" if inner else "give its root"
        )
        raise HS2SError(f"{folder} is not a data set with the folders {IMAGES} and {MASKS}: {hint}.")
    return folder / chosen, inner[chosen], split


def _find_masks(root: Path, images: Path) -> Path:
    """The masks that belong to the frames: of the same resolution where there are several."""
    same = root / MASKS / images.name
    masks = same if same.is_dir() and images.name != MASKS else find_part(root, MASKS)
    if masks is None:
        raise HS2SError(f"There is no folder {root / MASKS}: tracking starts from the masks in it.")
    return masks


def _read_split(root: Path, split: str) -> list[str]:
    """The names in a list, which SA-V has in its root, as ``sav_val.txt``."""
    files = (root / f"{name}.txt" for name in (split, f"sav_{split}"))
    return read_split(root, next((str(file) for file in files if file.is_file()), split))


def _tell_kind(root: Path, split: str | None, sequence: Path) -> tuple[str, str]:
    """The kind of a data set, and how it is known."""
    if object_folders(sequence):
        return "sa-v", "each object has a folder of masks"
    if file := _meta_file(root):
        return (
            ("lvos", f"{file.name} gives ranges of frames")
            if _is_lvos(file)
            else ("youtube-vos", f"by {file.name}")
        )
    lists = sorted({file.parent.name for file in (root / "ImageSets").rglob("*.txt")})
    if lists:
        only_2016 = not {"2017", "2019"} & set(lists)
        asked = split is not None and split.startswith(("2016/", "480p/", "1080p/"))
        return ("davis2016" if only_2016 or asked else "davis2017"), f"by ImageSets ({', '.join(lists)})"
    for name in ("mose", "lvos"):
        if any(name in part.lower() for part in root.parts[-3:]):
            return name, "by the name of the folder"
    return "davis2017", "nothing says otherwise"


def _meta_file(root: Path) -> Path | None:
    """A file about the objects: ``meta.json``, or ``valid_meta.json`` of LVOS."""
    return next(
        (file for file in (root / "meta.json", *sorted(root.glob("*_meta.json"))) if file.is_file()), None
    )


def _is_lvos(file: Path) -> bool:
    return '"frame_range"' in read_text(file)


def _read_meta(root: Path, kind: str) -> Meta:
    """Classes and scored frames of the objects; only YouTube-VOS is scored by them."""
    file = _meta_file(root) if kind == "youtube-vos" else None
    return read_meta(file) if file else Meta({}, {})


def _seen_classes(root: Path, given: PathLike | None) -> frozenset[str] | None:
    if given is not None:
        return frozenset(line.strip() for line in read_text(given).splitlines() if line.strip())
    file = root.parent / "train" / "meta.json"
    if not file.is_file() or root.name == "train":
        return None
    try:
        classes = read_meta(file).classes
    except HS2SError as error:
        logger.warning("Not used: %s", error)
        return None
    return frozenset(name for objects in classes.values() for name in objects.values()) or None


def check_sequence(data: BenchmarkData, name: str) -> tuple[Path, Path]:
    """The folders of a sequence's frames and masks.

    Raises:
        MaskError: if one is missing
    """
    for part in (data.images, data.masks):
        if not (part / name).is_dir():
            raise MaskError(f"There is no folder {part / name}.")
    return data.images / name, data.masks / name

"""Where masks and frames lie: folders of sequences as DAVIS, YouTube-VOS and SA-V lay them out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path

from fiftyone_hs2s.choices import did_you_mean
from fiftyone_hs2s.errors import HS2SError, MaskError
from fiftyone_hs2s.files import PathLike, read_text

IMAGES, MASKS = "JPEGImages", "Annotations"
_RESOLUTIONS = ("480p", "Full-Resolution", "1080p")


def natural_key(name: str) -> list[tuple[int, int | Decimal, str]]:
    """Sort key of a name without ending that puts ``frame2`` before ``frame10``, and seconds, ``9.75``, in
    order."""
    pattern = r"(\d+\.\d+)" if re.fullmatch(r"\D*\d+\.\d+\D*", name, re.ASCII) else r"(\d+)"
    parts = re.split(pattern, name, flags=re.ASCII)
    return [(0, Decimal(part), part) if place % 2 else (1, 0, part) for place, part in enumerate(parts)]


def list_label_maps(folder: PathLike) -> dict[str, Path]:
    """The PNG files of a folder, in natural order, by the name of their frame (the file name without
    ending)."""
    files = (file for file in Path(folder).iterdir() if file.suffix.lower() == ".png" and file.name[0] != ".")
    return {file.stem: file for file in sorted(files, key=lambda file: natural_key(file.stem))}


def _subfolders(folder: Path) -> list[Path]:
    found = [sub for sub in folder.iterdir() if sub.is_dir() and sub.name[0] != "."]
    return sorted(found, key=lambda sub: natural_key(sub.name))


def object_folders(sequence: Path) -> dict[str, Path]:
    """The folders of a sequence's objects in the layout of SA-V, ``<sequence>/<object>/<frame>.png``, by
    name.

    Returns:
        none if the sequence holds PNGs itself, as in DAVIS
    """
    if list_label_maps(sequence):
        return {}
    return {sub.name: sub for sub in _subfolders(sequence) if list_label_maps(sub)}


def find_part(root: PathLike, part: str) -> Path | None:
    """The frames (``JPEGImages``) or masks (``Annotations``) of a data set's root, None if it has none.

    They may be called by their rate (``Annotations_6fps`` of SA-V), and lie in a folder of their resolution
    (480p).
    """
    root = Path(root)
    inner = _subfolders(root) if root.is_dir() else []
    folder = next((sub for sub in inner if sub.name == part or sub.name.startswith(f"{part}_")), None)
    return folder and _resolution(folder)


def _resolution(folder: Path) -> Path:
    """The folder in which DAVIS has its sequences of one resolution, or ``folder`` itself."""
    return next((sub for name in _RESOLUTIONS if (sub := folder / name).is_dir()), folder)


def list_sequences(folder: PathLike) -> dict[str, Path]:
    """The sequences of masks in a folder, in natural order.

    Args:
        folder: holds a folder for each sequence, with PNGs (DAVIS, YouTube-VOS) or with a folder of PNGs for
            each object (SA-V); or it is itself such a folder of PNGs: then it is the only sequence; or it is
            the root of a data set, which holds such a folder ``Annotations``

    Returns:
        the folder of each sequence, by name

    Raises:
        MaskError: if there is no such folder, or no PNG in it
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise MaskError(f"There is no folder {folder}.")
    folder = find_part(folder, MASKS) or _resolution(folder)
    if list_label_maps(folder):
        return {folder.resolve().name: folder}
    sequences = {sub.name: sub for sub in _subfolders(folder) if list_label_maps(sub) or object_folders(sub)}
    if not sequences:
        raise MaskError(
            f"The folder {folder} holds no PNG files, nor folders of them: expected <sequence>/<frame>.png "
            "or <sequence>/<object>/<frame>.png."
        )
    return sequences


def read_split(folder: PathLike, split: str) -> list[str]:
    """The names of the sequences in a split of a data set.

    Args:
        folder: the root of the data set, or a folder in it
        split: the name of a list in ``ImageSets`` such as ``val`` or ``2016/val``, the newest if there are
            several; or a text file with a sequence a line

    Raises:
        HS2SError: if there is no such list, or it is empty
    """
    lists = _split_lists(Path(folder))
    given = Path(split)
    found = [file for name, file in lists if split in (name, file.stem)] or (
        [given] if given.is_file() else []
    )
    if not found:
        known = did_you_mean(split, [name for name, _ in lists]) if lists else "it has no ImageSets"
        raise HS2SError(f"There is no split {split!r} of {folder}, and no text file: {known}")
    lines = read_text(found[0]).split("\n")
    names = dict.fromkeys(_sequence_name(line.split()[0]) for line in lines if line.strip())
    if not names:
        raise HS2SError(f"The split {found[0]} is empty.")
    return list(names)


def _split_lists(folder: Path) -> list[tuple[str, Path]]:
    """The lists of the data set that a folder belongs to, the newest first, with names such as
    ``2017/val``."""
    folder = folder.resolve()
    root = next(
        (up / "ImageSets" for up in [folder, *folder.parents][:4] if (up / "ImageSets").is_dir()), None
    )
    files = sorted(root.rglob("*.txt"), key=lambda file: (file.parent.name != "2017", file)) if root else []
    return [(file.relative_to(root).with_suffix("").as_posix(), file) for file in files if root]


def _sequence_name(entry: str) -> str:
    """Of a name, or of the path of a frame ``/JPEGImages/480p/<sequence>/00000.jpg`` (DAVIS 2016)."""
    return Path(entry).parent.name if Path(entry).suffix else Path(entry).name


def match_frames(names: Iterable[str], frames: Sequence[str]) -> dict[str, int | None]:
    """Which frame each mask belongs to: that of its name, else of its number where the frames are named by
    number.

    So ``frame_000007``, ``7`` and ``00007`` all belong to frame 7 of a video, whose frames are 00000, 00001,
    ...

    Args:
        names: of the masks, without ending
        frames: the names of the frames, in order

    Returns:
        the index of each mask's frame, None where there is none
    """
    index = {frame: position for position, frame in enumerate(frames)}
    numbers = {
        int(frame): position for frame, position in index.items() if re.fullmatch(r"\d+", frame, re.ASCII)
    }
    numbers = numbers if len(numbers) == len(index) else {}
    return {name: index.get(name, numbers.get(_number(name))) for name in names}


def _number(name: str) -> int:
    """The only number in a name, -1 if it has none or several."""
    found = re.fullmatch(r"\D*?(\d+)\D*", name, re.ASCII)
    return int(found[1]) if found else -1

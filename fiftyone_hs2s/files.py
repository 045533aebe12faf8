"""Where results go, and how files are written: whole, or not at all."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from uuid import uuid4

from fiftyone_hs2s.errors import HS2SError

PathLike = str | os.PathLike[str]


def prepare_folder(folder: PathLike, fix: str = "give another folder") -> None:
    """Makes a folder and makes sure that files can be written to it, before work that would be lost.

    Args:
        folder: the folder
        fix: what to do where that fails, for the message

    Raises:
        HS2SError: if it cannot be made, or nothing written to it
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise HS2SError(f"The folder {folder} cannot be written to ({reason(error)}): {fix}") from error


def check_file(path: PathLike, what: str = "file", folders: bool = False) -> Path:
    """Makes sure that there is a file to read, and no pipe or device, where reading may wait for ever.

    Args:
        path: the file
        what: what it is, for the message
        folders: whether it may be a folder

    Returns:
        the path

    Raises:
        HS2SError: if there is none
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise HS2SError(f"There is no {what} {path}") from error
    except (OSError, ValueError) as error:
        raise HS2SError(f"The {what} {path} cannot be used ({reason(error)})") from error
    if stat.S_ISREG(mode) or (folders and stat.S_ISDIR(mode)):
        return path
    kind = "a folder" if stat.S_ISDIR(mode) else "no regular file"
    raise HS2SError(f"The {what} {path} is {kind}: give a file{' or a folder' * folders}")


def read_text(path: PathLike) -> str:
    """Reads a text file in UTF-8.

    Raises:
        HS2SError: if there is none, or it is none
    """
    try:
        return check_file(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise HS2SError(f"{path} cannot be read ({reason(error)})") from error


@contextmanager
def new_file(path: PathLike) -> Iterator[Path]:
    """Gives a place beside a file to write its new content to; the file gets it once the block is left.

    Where that fails, or the block is left by an exception, the file stays as it was and nothing else is left
    behind.

        with new_file("scores.json") as part:
            part.write_text("{}")

    Args:
        path: the file; its folder must exist

    Yields:
        an empty file of its own in the same folder and with the same suffix

    Raises:
        HS2SError: if the file cannot be written
    """
    target = Path(os.path.realpath(path))  # a link stays one
    part = None
    try:
        # What is a link still is a loop.
        if target.is_symlink() or (target.exists() and not target.is_file()):
            raise HS2SError(f"{path} cannot be written: it is not a regular file")
        name = f".{target.stem[:20]}.{uuid4().hex[:8]}{target.suffix[:20]}"
        target.with_name(name).touch(exist_ok=False)
        part = target.with_name(name)
        yield part
        part.replace(target)
    except OSError as error:
        raise HS2SError(f"{path} cannot be written ({reason(error)})") from error
    finally:
        if part:
            part.unlink(missing_ok=True)


@contextmanager
def new_folder(path: PathLike) -> Iterator[Path]:
    """Gives an empty folder beside another to fill; it takes the other's place once the block is left.

    Where that fails, or the block is left by an exception, the folder stays as it was and nothing else is
    left behind.

    Args:
        path: the folder, whose parents are made

    Raises:
        HS2SError: if it cannot be written
    """
    target = Path(path)
    part = target.with_name(f".{target.name[:20]}.{uuid4().hex[:8]}")
    try:
        part.mkdir(parents=True)
        yield part
        if target.exists():
            shutil.rmtree(target)
        part.replace(target)
    except OSError as error:
        raise HS2SError(f"{path} cannot be written ({reason(error)})") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_text(path: PathLike, text: str) -> None:
    """Writes a text file in UTF-8, as :func:`new_file` does."""
    with new_file(path) as part:
        part.write_text(text, encoding="utf-8")


def reason(error: Exception) -> str:
    """Why a file could not be read or written, without its name."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__

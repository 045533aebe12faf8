"""Errors that a user can fix."""

from __future__ import annotations

from collections.abc import Collection, Iterable


class HS2SError(ValueError):
    """Bad input, said in one sentence that names the thing and the fix; the shell exits with status 2 on
    it."""


class VideoError(HS2SError):
    """A video, or a folder of frames, that cannot be read."""


class MaskError(HS2SError):
    """A mask that cannot be read, or does not fit what it is meant for."""


def some(names: Collection[object], most: int = 5) -> str:
    """The first few of many names, and how many more there are, for a message."""
    shown = ", ".join(str(name) for name in list(names)[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def by(sides: Iterable[int]) -> str:
    """A size in a message: ``480x854``."""
    return "x".join(map(str, sides))

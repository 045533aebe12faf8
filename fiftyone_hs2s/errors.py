"""Errors that a user can fix."""

from __future__ import annotations


class HS2SError(ValueError):
    """Bad input, said in one sentence that names the thing and the fix; the shell exits with status 2 on
    it."""


class VideoError(HS2SError):
    """A video, or a folder of frames, that cannot be read."""


class MaskError(HS2SError):
    """A mask that cannot be read, or does not fit what it is meant for."""

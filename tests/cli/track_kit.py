"""What the tests of ``hs2s track`` share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

SIZE = (60, 107)
COUNT = 6
needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="the ffmpeg executable is not installed"
)


def refused(result, *words, out="out"):
    """One sentence that has the words, status 2, and nothing written."""
    status, printed, error = result
    assert status == 2
    assert printed == ""
    assert [line for line in error.splitlines() if not line.startswith("Tracking with")] == [
        error.splitlines()[-1]
    ]
    assert error.splitlines()[-1].startswith("hs2s: ")
    for word in words:
        assert word in error
    assert not list(Path(out).glob("*")) if Path(out).is_dir() else True

"""Where results go."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryFile

from fiftyone_hs2s.errors import HS2SError


def prepare_folder(folder: str | os.PathLike[str], mend: str = "give another folder") -> None:
    """Makes a folder and makes sure that files can be written to it, before work that would be lost.

    Args:
        folder: the folder
        mend: what to do where that fails, for the message

    Raises:
        HS2SError: if it cannot be made, or nothing written to it
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise HS2SError(f"the folder {folder} cannot be written to ({error.strerror}): {mend}") from error

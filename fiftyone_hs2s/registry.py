"""Your own models, by name: a weights file each, in a folder that no update of this package touches."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import new_file, prepare_folder

SUFFIX = ".safetensors"
_FIX = "set HS2S_MODELS to another folder for models"
_PRESETS = Path(__file__).parent / "network" / "presets"


def models_folder() -> Path:
    """Where models are: ``$HS2S_MODELS``, else ``hs2s/models`` beside FiftyOne's settings in
    ``~/.fiftyone``."""
    if folder := os.environ.get("HS2S_MODELS"):
        return Path(folder).expanduser()
    return settings_folder() / "models"


def settings_folder() -> Path:
    """``hs2s`` beside FiftyOne's settings in ``~/.fiftyone``."""
    settings = os.environ.get("FIFTYONE_CONFIG_PATH") or "~/.fiftyone/config.json"
    return Path(settings).expanduser().parent / "hs2s"


def list_models() -> dict[str, Path]:
    """The weights file of each registered model, by name."""
    files = sorted(models_folder().glob(f"*{SUFFIX}"))
    return {file.stem: file for file in files if _problem(file.stem) is None}


def find_model(name: str) -> Path | None:
    """The weights file of a registered model; None if there is none of that name."""
    path = models_folder() / f"{name}{SUFFIX}"
    return path if _problem(name) is None and path.is_file() else None


def check_name(name: str, overwrite: bool = False) -> str:
    """Makes sure that a model can be registered under a name.

    Args:
        name: the name
        overwrite: whether it may replace a registered model

    Returns:
        the name

    Raises:
        HS2SError: if it is a built-in model's, or taken, or cannot name a file
    """
    if problem := _problem(name):
        raise HS2SError(problem)
    if not overwrite and find_model(name):
        raise HS2SError(f"there is a model {name!r} already: choose another name, or choose to overwrite it")
    return name


def check_folder() -> None:
    """Makes the models' folder, and makes sure that a model can be written there.

    Raises:
        HS2SError: if it cannot
    """
    prepare_folder(models_folder(), _FIX)


def store(name: str, weights: str | Path, overwrite: bool = False) -> Path:
    """Puts a weights file into the folder, at once or not at all, without looking into it.

    Args:
        name: the model's name
        weights: the file, which is copied
        overwrite: replace a registered model of that name

    Returns:
        the file in the folder

    Raises:
        HS2SError: if the name cannot be used, or the folder cannot be written to
    """
    path = models_folder() / f"{check_name(name, overwrite)}{SUFFIX}"
    check_folder()
    try:
        with new_file(path) as part:
            shutil.copyfile(weights, part)
    except HS2SError as error:
        raise HS2SError(f"the model {name!r}: {error}; {_FIX}") from error
    return path


def _problem(name: str) -> str | None:
    if name.lower().removesuffix("-video-torch") in {path.stem for path in _PRESETS.glob("*.yaml")}:
        return f"{name!r} is a built-in model: choose another name"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", name) or name.endswith("-video-torch"):
        return (
            f"{name!r} cannot name a model: use letters, digits, '-', '_' and '.', and not '-video-torch' at"
            " the end"
        )
    return None

"""Which models can be used by name, and which of them is the default."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field

from fiftyone_hs2s.choices import did_you_mean
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import read_text
from fiftyone_hs2s.registry import list_models, settings_folder
from fiftyone_hs2s.settings import from_mapping, parse_json, settings

WEIGHT_FOLDERS = (
    Path(__file__).parent / "weights",  # in an installed wheel
    Path(__file__).parents[1] / "model_zoo" / "weights",  # in a clone
)
DEFAULT_MODEL_VARIABLE = "HS2S_DEFAULT_MODEL"
BEST_MODEL, OPEN_MODEL = "hs2s-lite", "hs2s-lite-open"
"""The default where nothing else is set: the model of the highest quality."""
SUFFIX = "-video-torch"
"""What names of FiftyOne's model zoo end with."""


@settings("setting")
class Config:
    """``hs2s/config.json`` beside FiftyOne's settings.

    Attributes:
        default_model: name of the model to use where none is named
    """

    default_model: Annotated[str, Field(min_length=1)] = BEST_MODEL


def shipped_models() -> dict[str, Path]:
    """The weights file of each model that comes with weights, by name."""
    files = [file for folder in WEIGHT_FOLDERS for file in sorted(folder.glob("*.safetensors"))]
    return {file.stem: file for file in reversed(files)}  # the first folder counts


def default_weights(name: str) -> Path | None:
    """Returns the file of the shipped weights of a model, or None."""
    return shipped_models().get(name)


def mask_maker_weights(name: str) -> Path | None:
    """Returns the file of the shipped weights of a mask maker, or None."""
    paths = [folder / "mask_makers" / f"{name}.safetensors" for folder in WEIGHT_FOLDERS]
    return next((path for path in paths if path.is_file()), None)


def short_name(name: str) -> str:
    """The name of a model without what FiftyOne's model zoo puts around it."""
    return name.rsplit("/", 1)[-1].removesuffix(SUFFIX)


def default_model() -> str:
    """The model to use where none is named.

    ``$HS2S_DEFAULT_MODEL`` says it, else ``default_model`` in ``hs2s/config.json`` beside FiftyOne's settings
    (``~/.fiftyone``), else it is ``hs2s-lite``.

    Raises:
        HS2SError: if the name is not that of a model with weights; names the nearest, or all
    """
    path = settings_folder() / "config.json"
    if name := os.environ.get(DEFAULT_MODEL_VARIABLE):
        source = DEFAULT_MODEL_VARIABLE
    elif path.is_file():
        source = f"'default_model' in {path}"
        name = _read_config(path).default_model
    else:
        return BEST_MODEL
    known = [*shipped_models(), *list_models()]
    if short_name(name) not in known:
        raise HS2SError(
            f"{source} is {name!r}, which is not a model with weights: {did_you_mean(name, known)}"
        )
    return short_name(name)


def _read_config(path: Path) -> Config:
    try:
        return from_mapping(Config, parse_json(read_text(path), "the file"), "setting")
    except HS2SError as error:
        raise HS2SError(f"{path}: {error}") from error

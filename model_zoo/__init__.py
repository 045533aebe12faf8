"""Remotely-sourced zoo models: ``hs2s/hs2s-lite-video-torch`` and the others of ``manifest.json``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fiftyone.operators import types

from .package import find_package

find_package(Path(__file__).parent)

import fiftyone_hs2s
from fiftyone_hs2s.files import new_file

if TYPE_CHECKING:
    import fiftyone.operators as foo

    from fiftyone_hs2s.dataset.propagate.model import HS2SVideoModel


def download_model(model_name: str, model_path: str) -> None:
    """Puts the weights to where FiftyOne expects them: they come with this folder or with the package.

    Args:
        model_name: the model's name in the manifest
        model_path: the file to create
    """
    path = Path(model_path)
    beside = Path(__file__).parent / "weights" / path.name
    packaged = fiftyone_hs2s.default_weights(path.stem)
    source = beside if beside.is_file() else packaged
    if source is None:
        raise fiftyone_hs2s.HS2SError(
            f"the weights {path.name} of {model_name} are missing: install fiftyone-hs2s again"
        )
    with new_file(path) as part:
        shutil.copyfile(source, part)


def load_model(
    model_name: str, model_path: str, weights: str | None = None, **options: Any
) -> HS2SVideoModel:
    """Loads a model.

    Args:
        model_name: the model's name in the manifest
        model_path: the downloaded weights
        weights: other weights to use instead: a ``.safetensors`` or ``.pth`` file
        **options: what ``fiftyone_hs2s.load_model()`` takes: ``prompt_field``, ``direction``, ``size``, ...

    Returns:
        the model
    """
    if weights is None and not model_path.endswith(".safetensors"):
        raise fiftyone_hs2s.HS2SError(
            f"{model_name} comes without weights: convert the released checkpoint with "
            "`hs2s weights convert IN.pth OUT.safetensors` and pass weights='OUT.safetensors'"
        )
    return fiftyone_hs2s.load_model(model_name, weights or model_path, **options)


def resolve_input(model_name: str, ctx: foo.ExecutionContext) -> types.Property:
    """The form that the App shows for a model: the prompt field and how to use it."""
    from fiftyone_hs2s.plugin import forms

    inputs = types.Object()
    try:
        forms.prompt_field_input(inputs, ctx.dataset)
        forms.direction_input(inputs)
        forms.prompt_frames_input(inputs)
        forms.mask_maker_input(inputs)
        if "resnet50" in model_name:
            forms.paper_model_inputs(inputs)
        forms.quality_inputs(inputs)
        forms.speed_inputs(inputs)
    except fiftyone_hs2s.HS2SError as error:
        forms.refuse(inputs, error)
    return types.Property(inputs)


def parse_parameters(model_name: str, ctx: foo.ExecutionContext, params: dict[str, Any]) -> None:
    """Removes what was left empty in the form, so that defaults hold, and reads the size."""
    from fiftyone_hs2s.choices import parse_size
    from fiftyone_hs2s.plugin import forms

    for name in [name for name, value in params.items() if value in (None, "")]:
        del params[name]
    if params.get("mask_maker") == forms.IGNORE:
        params["mask_maker"] = None
    if isinstance(size := params.get("size"), str):
        params["size"] = parse_size(size)

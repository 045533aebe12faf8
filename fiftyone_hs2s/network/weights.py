"""Weights: safetensors with the configuration in the metadata, and the released checkpoint's form."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from fiftyone_hs2s.choices import did_you_mean
from fiftyone_hs2s.errors import HS2SError, some
from fiftyone_hs2s.files import check_file, new_file
from fiftyone_hs2s.models import default_weights, shipped_models
from fiftyone_hs2s.network.config import HS2SConfig, available_models
from fiftyone_hs2s.network.hs2s import HS2S, build_network
from fiftyone_hs2s.registry import find_model, list_models, store
from fiftyone_hs2s.settings import parse_json

# Released name -> ours; the first that matches counts.
_RULES = (
    (r"encoder_ref\.", "reference_encoder."),
    (r"(encoder\.)conv1\.", r"\1stages.0."),
    (r"(encoder\.)(bn|added_conv|added_bn)\.", r"\1stages.1.\2."),
    (r"(encoder\.)conv2\.(\d+)\.", lambda m: f"{m[1]}stages.2.{int(m[2]) + 1}."),  # after the pooling
    (r"(encoder\.)conv([345])\.", r"\1stages.\2."),
    (r"(encoder\.)reduce_channel_\.", r"\1reduce_conv."),
    (r"^decoder\.GC_p\.", "merge.matchers.previous."),
    (r"^decoder\.GC\.", "merge.matchers.first."),
    (r"^decoder\.GCGC_p\.", "merge.mix."),
    (r"^decoder\.GCmm0\.", "skip_merge.matchers.first."),
    (r"^decoder\.GCmm_1\.", "skip_merge.matchers.previous."),
    (r"^decoder\.mm\.", "skip_merge.mix."),
    (r"^decoder\.conv_([1-5])_?\.", lambda m: f"decoder.blocks.{int(m[1]) - 1}.mix."),
    (r"^decoder\.conv_([1-5])\1\.", lambda m: f"decoder.blocks.{int(m[1]) - 1}.conv."),
    (r"^decoder\.distance_classifier_\.", "decoder.border_classifier."),
    (r"^decoder\.segmentation_branch_\.", "decoder.segmentation_branch."),
    (r"^decoder\.merge_\.", "decoder.merge."),
)


def load_network(name: str, weights: str | Path | None = None, reset_period: int | None = None) -> HS2S:
    """Builds a network and loads its weights.

    Args:
        name: name of a preset, or of a registered model
        weights: a ``.safetensors`` file, or a ``.pth`` of the released checkpoint's form, for the preset;
            None for the shipped ones, or the registered model's own
        reset_period: frames after which the recurrent state starts again from zero, 0 for never; None for the
            network's own

    Returns:
        the network in eval mode, float32, on the CPU

    Raises:
        HS2SError: unknown name, no shipped weights, a damaged file, or one of another network
    """
    if weights is None and (own := find_model(name)):
        return _load(own, read_config(own), reset_period)
    preset = HS2SConfig.preset(name) if weights is not None else _known_preset(name)
    path = Path(weights) if weights is not None else default_weights(name)
    if path is None:
        example = (
            ", for example the released checkpoint after 'hs2s weights convert weights_HS2S.pth"
            " OUT.safetensors'"
        )
        raise HS2SError(
            f"No weights are shipped for {name!r} yet: pass"
            f" weights={example if name == 'hs2s-resnet50' else ''}, or take one of"
            f" {', '.join([*shipped_models(), *list_models()])}"
        )
    return _load(path, preset, reset_period)


def _known_preset(name: str) -> HS2SConfig:
    """Like :meth:`HS2SConfig.preset`, but names the registered models too where there is none."""
    if name not in available_models():
        known = [*available_models(), *list_models()]
        raise HS2SError(f"Unknown model {name!r}; {did_you_mean(name, known, 3)}")
    return HS2SConfig.preset(name)


def _load(path: Path, config: HS2SConfig, reset_period: int | None) -> HS2S:
    state = read_state_dict(path)
    saved = _saved_config(path) or config
    if saved.name != config.name and saved.name not in _twins(config):
        raise HS2SError(f"{path} holds weights of {saved.name!r}, not of {config.name!r}")
    saved = dataclasses.replace(saved, name=config.name)
    if reset_period is not None:
        saved = dataclasses.replace(saved, reset_period=reset_period)
    with torch.device("meta"):  # no time is spent on random weights
        network = HS2S(saved)
    _check(network.state_dict(), state, path)
    network.load_state_dict(state, assign=True)
    return network.eval()


def _twins(config: HS2SConfig) -> list[str]:
    """Other presets of the same network: they differ in what their weights were trained on."""
    presets = map(HS2SConfig.preset, available_models())
    return [preset.name for preset in presets if dataclasses.replace(preset, name=config.name) == config]


def save_weights(network: HS2S, path: str | Path, half: bool = False) -> None:
    """Writes a network as safetensors with its configuration in the metadata, at once or not at all.

    Args:
        network: the network
        path: file to write
        half: store floats in half precision (they are read back as float32)

    Raises:
        HS2SError: if the file cannot be written
    """
    state = {
        key: (value.half() if half and value.is_floating_point() else value).contiguous()
        for key, value in network.state_dict().items()
    }
    with new_file(path) as part:
        part.write_bytes(save(state, metadata={"config": json.dumps(network.config.to_dict())}))


def register_model(name: str, weights: str | Path, overwrite: bool = False) -> Path:
    """Gives a weights file a name by which ``load_network()``, ``load_model()`` and the App know it from then
    on.

    Args:
        name: the model's name; letters, digits, ``-``, ``_`` and ``.``
        weights: a ``.safetensors`` file of ours, such as training leaves behind; it is copied
        overwrite: replace a registered model of that name

    Returns:
        the copy, see :func:`fiftyone_hs2s.registry.models_folder`

    Raises:
        HS2SError: if the name cannot be used, or the file is not one of ours
    """
    read_config(weights)
    return store(name, weights, overwrite)


def read_config(path: str | Path) -> HS2SConfig:
    """Reads the configuration that a safetensors file was saved with."""
    config = _saved_config(Path(path))
    if config is None:
        raise HS2SError(f"{path} has no HS2S configuration in its metadata; fiftyone-hs2s did not write it")
    return config


def _saved_config(path: Path) -> HS2SConfig | None:
    if path.suffix != ".safetensors":
        return None
    with _open(path) as file:
        metadata = file.metadata() or {}
    if "config" not in metadata:
        return None
    try:
        return HS2SConfig.from_dict(parse_json(metadata["config"], "its configuration"))
    except HS2SError as error:
        raise HS2SError(f"{path} cannot be used: {error}") from error


def read_state_dict(path: str | Path) -> dict[str, torch.Tensor]:
    """Reads the tensors of a weights file in our names, floats as float32.

    Raises:
        HS2SError: if the file is missing, damaged, or of no known form
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        state = convert_official_state_dict(_read_pickle(path))
    else:
        with _open(path) as file:
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    return {key: value.float() if value.is_floating_point() else value for key, value in state.items()}


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    check_file(path, "weights file")
    try:
        with safe_open(str(path), framework="pt") as file:
            yield file
    except (
        SafetensorError,
        OSError,
        ValueError,
        AttributeError,
    ) as error:  # the latter two: numbers torch lacks
        raise HS2SError(
            f"{path} is not a readable safetensors file ({error}); copy or convert it again"
        ) from error


def _read_pickle(path: Path) -> dict[str, torch.Tensor]:
    check_file(path, "weights file")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files fail anywhere in the reading of zip, pickle and tensors
        raise HS2SError(f"{path} cannot be read as a checkpoint of tensors ({_first_line(error)})") from error
    state = content.get("model", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise HS2SError(
            f"{path} is not a checkpoint: it holds no state dict, neither by itself nor under 'model'"
        )
    if unnamed := [key for key in state if not isinstance(key, str)]:
        raise HS2SError(f"{path} is not a checkpoint of a network: {unnamed[0]!r} is not a parameter's name")
    return state


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def convert_official_state_dict(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Renames the released checkpoint's entries to those of ``hs2s-resnet50``.

    Args:
        state: {name: tensor}, with or without the prefix ``module.``

    Raises:
        HS2SError: names what is missing, left over or of another shape
    """
    converted = {_our_name(name.removeprefix("module.")): value for name, value in state.items()}
    with torch.device("meta"):
        expected = build_network("hs2s-resnet50").state_dict()
    _check(expected, converted, "The checkpoint")
    return converted


def _our_name(name: str) -> str:
    for pattern, replacement in _RULES:
        name = re.sub(pattern, replacement, name)
    return name


def _check(expected: dict[str, torch.Tensor], given: dict[str, torch.Tensor], source: Path | str) -> None:
    problems = {
        "missing": [key for key in expected if key not in given],
        "unknown": [key for key in given if key not in expected],
        "of another shape": [k for k in expected if k in given and expected[k].shape != given[k].shape],
    }
    found = [f"{len(keys)} {what} ({some(keys)})" for what, keys in problems.items() if keys]
    if found:
        raise HS2SError(f"{source} does not fit the network: " + ", ".join(found))
    if bad := [key for key, value in given.items() if not _is_of_kind(value, expected[key])]:
        raise HS2SError(
            f"{source} has other than plain numbers of the network's type in {some(bad)}; it is damaged"
        )
    if bad := [
        k for k, value in given.items() if value.is_floating_point() and not torch.isfinite(value).all()
    ]:
        raise HS2SError(f"{source} has values that are not finite in {some(bad)}; it is damaged")


def _is_of_kind(value: torch.Tensor, expected: torch.Tensor) -> bool:
    """Whether a tensor holds numbers, floats where the network has floats: none that is sparse, quantized
    or empty."""
    plain = value.layout == torch.strided and value.device.type == "cpu" and not value.is_quantized
    return plain and not value.is_complex() and value.is_floating_point() == expected.is_floating_point()

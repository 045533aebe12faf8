"""Parts of forms that several operators, and the model zoo, have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from fiftyone.operators import types

from fiftyone_hs2s.averages import LABELS
from fiftyone_hs2s.choices import (
    AUTO,
    DIRECTIONS,
    MASK_MAKERS,
    MASK_NETWORK,
    OPEN_MASK_NETWORK,
    PRECISIONS,
    PROMPT_FRAMES,
    RUNTIMES,
    SCENE_CUTS,
    parse_size,
)
from fiftyone_hs2s.dataset.compat import Samples
from fiftyone_hs2s.dataset.fields import check_samples, prompt_fields
from fiftyone_hs2s.dataset.frame_paths import frame_path
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.metrics.first_frame_match import MATCHES
from fiftyone_hs2s.models import default_model, shipped_models
from fiftyone_hs2s.registry import list_models

REQUIREMENTS = ("pydantic", "av", "safetensors", "torch", "torchvision")
"""What is needed beyond FiftyOne's own requirements; the plugin's requirements.txt lists the same."""

NONE = "(none)"
"""A choice that no field or evaluation can have as its name: the App cannot empty a drop-down menu."""
IGNORE = "none"
"""Choice of a mask maker: boxes and points are ignored."""
_LIKELY_PROMPTS = (("prompt", "prompts"), "ground_truth")
"""Ends of names, the likeliest first."""
_DIRECTION_LABELS = {
    "forward": "Forward: to the end of the video",
    "backward": "Backward: to its start",
    "both": "Both ways",
}
_SIZE = "256x448"
_DEVICE_LABELS = {"auto": "CUDA where there is one, else the CPU", "cpu": "CPU", "cuda": "CUDA"}
_PRECISION_LABELS = {"auto": "bfloat16 where the hardware computes in it"}
_RUNTIME_LABELS = {
    "auto": "OpenVINO on a CPU where it is installed, else PyTorch",
    "torch": "PyTorch",
    "openvino": "OpenVINO",
    "onnxruntime": "ONNX Runtime",
}
_MATCH_LABELS = {
    "identity": "By identity: instance, index or label",
    "first_frame": "By overlap on their first frame: for trackers that renumber objects, such as SAM 2",
}
_SCENE_LABELS = {
    "ignore": "Track on",
    "stop": "Stop there, until the object has another mask",
    "restart": "Look for each object anew, from its last mask",
}
_PROMPT_LABELS = {
    "first": "The first mask of each object",
    "all": "All masks: objects are anchored again on each frame that has one",
}


def check_requirements() -> None:
    """Makes sure that the network can run.

    Raises:
        HS2SError: if packages are missing
    """
    missing = [name for name in REQUIREMENTS if find_spec(name) is None]
    if missing:
        raise HS2SError(
            f"the plugin @hs2s/hs2s needs {' and '.join(missing)}: "
            "run `fiftyone plugins requirements @hs2s/hs2s --install` and restart the App"
        )


def refuse(inputs: types.Object, error: HS2SError) -> None:
    """Shows why the form cannot be executed, and blocks it."""
    sentence = str(error)
    warning = types.Warning(label=sentence[:1].upper() + sentence[1:])
    inputs.view("refusal", warning, invalid=True, error_message=sentence)


def choice(
    inputs: types.Object,
    name: str,
    labels: dict[str, str],
    label: str,
    default: str | None,
    description: str | None = None,
    required: bool = False,
) -> None:
    """Adds a drop-down menu with one choice an entry of ``labels``.

    What has a default cannot be emptied, and the App would still write "Required" under it: it is not
    declared so.
    """
    view = types.DropdownView()
    for value, text in labels.items():
        view.add_choice(value, label=text)
    inputs.enum(
        name,
        view.values(),
        view=view,
        label=label,
        default=default,
        required=required and default is None,
        description=description,
    )


def field_prefix(samples: Samples) -> str:
    """What the names of the label fields start with."""
    return frame_path("", samples.media_type == "video")


def prompt_field_input(
    inputs: types.Object,
    samples: Samples,
    fields_of: Callable[[Samples], list[str]] = prompt_fields,
    about: str = "The masks, boxes or points to start from",
) -> None:
    """Adds the choice of the field with what to start from.

    Args:
        inputs: the form
        samples: videos, clips, or images in dynamic groups
        fields_of: lists the fields that the operator takes, without ``frames.``
        about: what the form says of the field

    Raises:
        HS2SError: if the samples are no videos, or there is no such field
    """
    check_samples(samples)
    fields = [field_prefix(samples) + name for name in fields_of(samples)]
    if not fields:
        raise HS2SError(
            "there is nothing to start from: draw a mask or a box on a frame, in a field of the frames"
        )
    likely = [name for ending in _LIKELY_PROMPTS for name in fields if name.endswith(ending)]
    default = fields[0] if len(fields) == 1 else next(iter(likely), None)
    names = {name: name for name in fields}
    choice(inputs, "prompt_field", names, "Prompt field", default, about, required=True)


def further_fields_input(inputs: types.Object, samples: Samples, first: str | None) -> None:
    """Adds the choice of prompt fields beside the first one, of any number."""
    fields = [field_prefix(samples) + name for name in prompt_fields(samples)]
    others = [name for name in fields if name != first]
    if first and others:
        about = "Their objects are tracked too; a mask counts before a box or points of the same object"
        view = types.AutocompleteView(allow_user_input=False, allow_duplicates=False)
        for name in others:
            view.add_choice(name, label=name)
        label = "Further prompt fields"
        inputs.list("further_fields", types.String(), view=view, label=label, description=about)


def chosen_prompt_fields(params: Mapping[str, Any]) -> list[str]:
    """The prompt field that was chosen, and the further ones."""
    return list(dict.fromkeys([params["prompt_field"], *(params.get("further_fields") or ())]))


def prompt_field_params(samples: Samples, fields: Sequence[str]) -> dict[str, Any]:
    """How such a form is filled in with fields, which are named without ``frames.``."""
    first, *others = [field_prefix(samples) + name for name in fields]
    return {"prompt_field": first, **({"further_fields": others} if others else {})}


def mask_maker_input(inputs: types.Object) -> None:
    """Adds the choice of what makes masks of boxes and points."""
    names = {
        AUTO: f"{OPEN_MASK_NETWORK} with HS2S lite open, else {MASK_NETWORK}",
        **{name: name for name in MASK_MAKERS},
        MASK_NETWORK: f"{MASK_NETWORK} (non-commercial)",
        IGNORE: "none: ignore them",
    }
    about = "Objects that have no mask start from a mask that this makes of their first box or points"
    choice(inputs, "mask_maker", names, "Boxes and points", AUTO, about)


def model_labels() -> dict[str, str]:
    """What forms call the models that come with their weights, by name."""
    shipped = {name: f"HS2S {name.removeprefix('hs2s-').replace('-', ' ')}" for name in shipped_models()}
    return shipped | {name: f"{name} (fine-tuned)" for name in list_models()}


def model_input(inputs: types.Object, others: dict[str, str] | None = None) -> None:
    """Adds the choice of a model; of one that comes with its weights, or of ``others``, by name."""
    choice(inputs, "model", model_labels() | (others or {}), "Model", default_model())


def quality_inputs(inputs: types.Object) -> None:
    """Adds what trades time for quality; all of it is off by default."""
    inputs.view("advanced", types.HeaderView(label="Advanced", divider=True))
    labels = {name: f"{text[:1].upper()}{text[1:]}" for name, text in LABELS.items()}
    choice(
        inputs, "average", labels, "Average", "none", "Average what is found in several views of each frame"
    )
    about = (
        "Seconds for which a copy of the network learns from each video's masks before it is tracked; some 60"
        " help"
    )
    inputs.float("adapt", default=0, min=0, label="Adapt", description=about)


def workers_input(inputs: types.Object) -> None:
    """Adds the number of processes."""
    about = (
        "Processes that take one sample after the other; they share the cores. Empty for one on each GPU"
        " where there are several, else one"
    )
    inputs.int("num_workers", min=1, label="Processes", description=about)


def batch_videos_input(inputs: types.Object) -> None:
    """Adds the number of videos that go through the network as one batch."""
    about = (
        "Videos whose frames go through the network as one batch, which keeps a GPU busy; for the runtime"
        " PyTorch"
    )
    inputs.int("batch_videos", default=1, min=1, label="Videos at once", description=about)


def speed_inputs(inputs: types.Object) -> None:
    """Adds where and how the network is computed."""
    choice(inputs, "device", _DEVICE_LABELS, "Device", "auto")
    precisions = {name: _PRECISION_LABELS.get(name, name) for name in PRECISIONS}
    choice(inputs, "precision", precisions, "Precision", "auto")
    about = "Height x width at which the network sees a landscape frame, multiples of 32"
    inputs.str("size", default=_SIZE, label="Size", description=about)
    choice(inputs, "runtime", {name: _RUNTIME_LABELS[name] for name in RUNTIMES}, "Runtime", "auto")


def speed_options(params: Mapping[str, Any]) -> dict[str, Any]:
    """What :func:`speed_inputs` were filled with, as options of the tracker.

    Raises:
        HS2SError: if the size is none
    """
    named = {name: params.get(name) or "auto" for name in ("device", "precision", "runtime")}
    return {**named, "size": parse_size(params.get("size") or _SIZE)}


def direction_input(inputs: types.Object) -> None:
    """Adds the choice of the direction."""
    choice(
        inputs, "direction", {name: _DIRECTION_LABELS[name] for name in DIRECTIONS}, "Direction", "forward"
    )


def prompt_frames_input(inputs: types.Object) -> None:
    """Adds the choice of the masks of each object to use."""
    choice(
        inputs, "prompt_frames", {name: _PROMPT_LABELS[name] for name in PROMPT_FRAMES}, "Prompts", "first"
    )


def scene_cuts_input(inputs: types.Object) -> None:
    """Adds the choice of what becomes of tracks where another scene begins."""
    choice(inputs, "scene_cuts", _SCENE_LABELS, "Scene cuts", SCENE_CUTS[0])


def match_input(inputs: types.Object) -> None:
    """Adds the choice of how predicted objects are matched with true ones."""
    choice(inputs, "match", {name: _MATCH_LABELS[name] for name in MATCHES}, "Match objects", MATCHES[0])


def paper_model_inputs(inputs: types.Object) -> None:
    """Adds what the paper's model takes: its weights, and how long its recurrent state may add up."""
    inputs.str("weights", required=True, label="Weights", description="Path of a .safetensors file")
    about = "Frames after which the recurrent state restarts, such as 20 for long videos; empty for never"
    inputs.int("reset_period", min=1, label="Reset period", description=about)

"""Which fields propagation can read and write."""

from __future__ import annotations

from collections.abc import Sequence

import fiftyone as fo
import fiftyone.core.video as fov

from fiftyone_hs2s.choices import did_you_mean
from fiftyone_hs2s.dataset.compat import Samples, is_dynamic_groups, is_image_groups, root_dataset
from fiftyone_hs2s.dataset.frame_paths import field_name, field_path
from fiftyone_hs2s.errors import HS2SError

_SEGMENT_ANYTHING = "foz.load_zoo_model('segment-anything-2-hiera-tiny-image-torch')"
PROMPT_TYPES = (fo.Detections, fo.Polylines, fo.Segmentation, fo.Keypoints)
"""The labels that objects can start from, see :mod:`fiftyone_hs2s.dataset.propagate.prompt_readers`."""
_CONVERSIONS = {
    fo.Segmentation: (
        "make each pixel value an object with FiftyOne's "
        "fiftyone.utils.labels.segmentations_to_detections(dataset, '{path}', '{path}_masks')"
    ),
    fo.Polylines: (
        "make masks of each frame's with FiftyOne's polylines.to_detections(frame_size=(width, height))"
    ),
    fo.Polyline: (
        "make a mask of each frame's with FiftyOne's polyline.to_detection(frame_size=(width, height)), "
        "and put it into fo.Detections"
    ),
    fo.Keypoints: (
        "make masks of them with FiftyOne's "
        f"dataset.apply_model({_SEGMENT_ANYTHING}, label_field='{{path}}_masks', prompt_field='{{path}}')"
    ),
    fo.Keypoint: (
        "put each into fo.Keypoints, and make masks of these with FiftyOne's "
        f"dataset.apply_model({_SEGMENT_ANYTHING}, ...)"
    ),
    fo.Detection: "put each into fo.Detections(detections=[...])",
}
"""What to do with labels that are not taken as they are."""
MASKED = {"$elemMatch": {"$or": [{"mask": {"$ne": None}}, {"mask_path": {"$ne": None}}]}}
"""Detections of which one has a mask, as the database asks for them."""


def check_samples(samples: fo.Dataset | fo.DatasetView) -> None:
    """Makes sure that there is something to propagate through.

    Args:
        samples: the samples

    Raises:
        HS2SError: unless they are videos, clips, or images in dynamic groups
    """
    if samples.media_type == "video" or is_image_groups(samples):
        return
    name = root_dataset(samples).name
    fixes = {
        None: "add videos to it",
        "image": (
            "if they are the frames of videos, "
            'put them in order with dataset.group_by("<sequence field>", order_by="<frame field>")'
        ),
        "group": 'choose the slices that are videos with dataset.select_group_slices(media_type="video")',
    }
    if isinstance(samples, fov.FramesView):
        raise HS2SError(
            f"propagation needs videos and this view shows their frames one by one: use {name!r} itself"
        )
    if is_dynamic_groups(samples):
        raise HS2SError(f"propagation takes the videos of {name!r} one by one: use them without group_by()")
    held = {None: "is empty", "group": "is grouped"}.get(
        samples.media_type, f"holds {samples.media_type} samples"
    )
    raise HS2SError(
        f"propagation needs videos and the dataset {name!r} {held}:"
        f" {fixes.get(samples.media_type, 'choose another')}"
    )


def detections_fields(samples: fo.Dataset | fo.DatasetView) -> list[str]:
    """Lists the fields that can hold masks to start from, without ``frames.``.

    Args:
        samples: videos, clips, or images in dynamic groups

    Returns:
        names of ``Detections`` fields, of the frames where the samples are videos
    """
    return [name for name, field in _schema(samples).items() if _holds_detections(field)]


def check_detections(samples: fo.Dataset | fo.DatasetView, field: str) -> str:
    """Makes sure that masks can be learned from a field.

    Args:
        samples: videos, clips, or images
        field: name of the field; ``frames.`` may be left out

    Returns:
        the name without ``frames.``

    Raises:
        HS2SError: if it holds no ``Detections``
    """
    name = field_name(field)
    if name not in detections_fields(samples):
        fix = field_fix(samples, name, "add instance masks")
        raise HS2SError(
            f"the dataset {root_dataset(samples).name!r} has no Detections field {field!r}: {fix}"
        )
    return name


def prompt_fields(samples: Samples) -> list[str]:
    """Lists the fields with what objects can start from, without ``frames.``: masks, boxes, polylines,
    points.

    Args:
        samples: videos, clips, or images in dynamic groups
    """
    return [name for name, field in _schema(samples).items() if _holds(field, *PROMPT_TYPES)]


def check_fields(
    samples: Samples, prompt_field: str | Sequence[str], label_field: str
) -> tuple[tuple[str, ...], str]:
    """Makes sure that labels of one field can be propagated to another.

    Args:
        samples: videos, clips, or images in dynamic groups
        prompt_field: the field, or fields, with the masks, boxes or points to start from
        label_field: the field for the results

    Returns:
        the names without ``frames.``: those of the prompts, and that of the results

    Raises:
        HS2SError: if one of the first has no labels to start from, or the second holds something else
    """
    check_samples(samples)
    prompts = tuple(map(field_name, [prompt_field] if isinstance(prompt_field, str) else prompt_field))
    label = field_name(label_field)
    for prompt in prompts:
        if prompt not in prompt_fields(samples):
            what = "holds nothing to start from" if prompt in _schema(samples) else "does not exist"
            raise HS2SError(
                f"the prompt field {prompt!r} of the dataset {root_dataset(samples).name!r} {what}: "
                + field_fix(samples, prompt, "add masks of the objects to its frames")
            )
    if not prompts:
        raise HS2SError("there is no prompt field: name one with the masks, boxes or points to start from")
    if label in prompts and len(prompts) > 1:
        raise HS2SError(
            f"the label field {label_field!r} is one of several prompt fields: choose another one"
        )
    if not label.isidentifier():
        raise HS2SError(f"{label_field!r} cannot be a field name: use letters, digits and underscores")
    field = _schema(samples, root_dataset(samples)).get(label)
    if field is not None and not _holds_detections(field):
        raise HS2SError(
            f"the label field {label_field!r} holds something other than Detections: choose another name"
        )
    return prompts, label


def check_field(samples: Samples, field: str, role: str) -> str:
    """Makes sure that a field holds detections.

    Args:
        samples: videos, clips, or images in dynamic groups
        field: name of the field; ``frames.`` may be left out
        role: what it is for, for the message

    Returns:
        the name without ``frames.``

    Raises:
        HS2SError: if it does not
    """
    check_samples(samples)
    name = field_name(field)
    if name not in detections_fields(samples):
        fix = field_fix(samples, name, "it has no such fields at all")
        raise HS2SError(
            f"the {role} field {field!r} is not a Detections field of the frames of"
            f" {root_dataset(samples).name!r}: {fix}"
        )
    return name


def field_fix(samples: fo.Dataset | fo.DatasetView, name: str, otherwise: str) -> str:
    """What to do about a field that holds no ``Detections``: FiftyOne's own conversion, or another field.

    Args:
        samples: videos, clips, or images
        name: name of the field, without ``frames.``
        otherwise: what to do where no field holds ``Detections``
    """
    kind = getattr(_schema(samples).get(name), "document_type", None)
    if kind is not None and kind in _CONVERSIONS:
        return f"it holds {kind.__name__}; {_CONVERSIONS[kind].format(path=field_path(samples, name))}"
    candidates = detections_fields(samples)
    return did_you_mean(name, candidates) if candidates else otherwise


def masks_fix(samples: fo.Dataset | fo.DatasetView, otherwise: str) -> str:
    """What to do where no field holds ``Detections``: convert one that holds other masks, or
    ``otherwise``."""
    kinds = {name: getattr(field, "document_type", None) for name, field in _schema(samples).items()}
    name = next((name for name, kind in kinds.items() if kind in _CONVERSIONS), None)
    return otherwise if name is None else f"of the field {name!r}, {field_fix(samples, name, otherwise)}"


def _schema(
    samples: fo.Dataset | fo.DatasetView, shown: fo.Dataset | fo.DatasetView | None = None
) -> dict[str, fo.Field]:
    """The fields of the frames; as another collection shows them, if one is given."""
    shown = shown or samples
    if root_dataset(samples).media_type == "image" or is_image_groups(samples):
        return shown.get_field_schema()
    return shown.get_frame_field_schema() or {}


def _holds_detections(field: fo.Field) -> bool:
    return _holds(field, fo.Detections)


def _holds(field: fo.Field, *kinds: type[fo.Label]) -> bool:
    return isinstance(field, fo.EmbeddedDocumentField) and issubclass(field.document_type, kinds)


def check_own_truth(pred_field: str | None, gt_field: str | None) -> None:
    """Makes sure that predictions are not scored against themselves.

    Raises:
        HS2SError: if both fields are given and are one
    """
    if pred_field and gt_field and field_name(pred_field) == field_name(gt_field):
        raise HS2SError(f"the field {pred_field!r} cannot be its own ground truth: choose another one")

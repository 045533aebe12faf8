"""Which fields propagation can read and write."""

from __future__ import annotations

import fiftyone as fo

from fiftyone_hs2s.dataset.sequences import is_image_groups, root_dataset
from fiftyone_hs2s.errors import HS2SError


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
    mends = {
        None: "add videos to it",
        "image": "if they are the frames of videos, "
        'put them in order with dataset.group_by("<sequence field>", order_by="<frame field>")',
        "group": 'choose the slices that are videos with dataset.select_group_slices(media_type="video")',
    }
    if getattr(samples, "_is_frames", False):
        raise HS2SError(f"propagation needs videos and this view shows their frames one by one: use {name!r} itself")
    if getattr(samples, "_is_dynamic_groups", False):
        raise HS2SError(f"propagation takes the videos of {name!r} one by one: use them without group_by()")
    held = {None: "is empty", "group": "is grouped"}.get(samples.media_type, f"holds {samples.media_type} samples")
    raise HS2SError(
        f"propagation needs videos and the dataset {name!r} {held}: {mends.get(samples.media_type, 'choose another')}"
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
    name, fields = field.removeprefix("frames."), detections_fields(samples)
    if name not in fields:
        mend = f"choose one of {', '.join(fields)}" if fields else "add instance masks"
        raise HS2SError(f"the dataset {root_dataset(samples).name!r} has no Detections field {field!r}: {mend}")
    return name


def check_fields(samples: fo.Dataset | fo.DatasetView, prompt_field: str, label_field: str) -> tuple[str, str]:
    """Makes sure that labels of one field can be propagated to another.

    Args:
        samples: videos, clips, or images in dynamic groups
        prompt_field: the field with the masks to start from
        label_field: the field for the results

    Returns:
        the two names without ``frames.``

    Raises:
        HS2SError: if the first is no ``Detections`` field, or the second is the first or holds something else
    """
    check_samples(samples)
    prompt, label = prompt_field.removeprefix("frames."), label_field.removeprefix("frames.")
    candidates = detections_fields(samples)
    if prompt not in candidates:
        what = "is no Detections field" if prompt in _schema(samples) else "does not exist"
        raise HS2SError(
            f"the prompt field {prompt_field!r} of the dataset {root_dataset(samples).name!r} {what}: "
            + (f"choose one of {', '.join(candidates)}" if candidates else "add masks of the objects to its frames")
        )
    if label == prompt:
        raise HS2SError(f"the label field {label_field!r} is the prompt field: choose another one for the results")
    if not label.isidentifier():
        raise HS2SError(f"{label_field!r} cannot be a field name: use letters, digits and underscores")
    field = _schema(samples, root_dataset(samples)).get(label)
    if field is not None and not _holds_detections(field):
        raise HS2SError(f"the label field {label_field!r} holds other values than Detections: choose another name")
    return prompt, label


def _schema(samples: fo.Dataset | fo.DatasetView, shown: fo.Dataset | None = None) -> dict[str, fo.Field]:
    """The fields of the frames; as another collection shows them, if one is given."""
    shown = shown or samples
    if root_dataset(samples).media_type == "image" or is_image_groups(samples):
        return shown.get_field_schema()
    return shown.get_frame_field_schema() or {}


def _holds_detections(field: fo.Field) -> bool:
    return isinstance(field, fo.EmbeddedDocumentField) and issubclass(field.document_type, fo.Detections)

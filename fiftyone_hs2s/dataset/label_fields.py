"""Fields of labels, on the frames of videos or on images: declared, and removed where nothing is in them."""

from __future__ import annotations

from collections.abc import Mapping

import fiftyone as fo

from fiftyone_hs2s.dataset.database import is_empty
from fiftyone_hs2s.dataset.frame_paths import KEYFRAME, frame_path


def add_label_field(
    dataset: fo.Dataset,
    name: str,
    is_video: bool,
    kind: type[fo.Label],
    attributes: Mapping[str, type[fo.Field]],
) -> bool:
    """Declares a field for labels, and their attributes.

    Args:
        dataset: the dataset
        name: the field's name, without ``frames.``
        is_video: whether the labels are those of a video's frames
        kind: the class of the labels; detections get the attribute ``keyframe``
        attributes: the classes of attributes, by their path within the label

    Returns:
        whether the field is new
    """
    new = not dataset.has_field(frame_path(name, is_video))
    add = dataset.add_frame_field if is_video else dataset.add_sample_field
    add(name, fo.EmbeddedDocumentField, embedded_doc_type=kind)
    if kind is fo.Detections:
        attributes = {f"detections.{KEYFRAME}": fo.BooleanField, **attributes}
    for path, attribute in attributes.items():
        add(f"{name}.{path}", attribute)
    return new


def remove_empty_field(dataset: fo.Dataset, name: str, is_video: bool) -> None:
    """Removes a field from the dataset, if no sample or frame has labels in it."""
    if is_empty(dataset, frame_path(name, is_video)):
        remove = dataset.delete_frame_field if is_video else dataset.delete_sample_field
        remove(name, error_level=2)

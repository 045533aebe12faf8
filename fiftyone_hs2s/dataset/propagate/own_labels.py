"""Takes out of a field what runs of ours have put there."""

from __future__ import annotations

from collections.abc import Iterator

import fiftyone as fo
from bson import ObjectId
from fiftyone import ViewField as F

from fiftyone_hs2s.dataset.compat import Samples
from fiftyone_hs2s.dataset.frame_paths import field_name, is_frame_path
from fiftyone_hs2s.dataset.label_schemas import take_label_schema
from fiftyone_hs2s.dataset.propagate.keyframes import METHOD, PROPAGATION, is_of_person


def remove_own_labels(dataset: fo.Dataset, path: str) -> int:
    """Deletes the labels that runs of ours made, and the field if nothing else is in it.

    What a person has corrected stays, though the App leaves our signature on it: all masks are read for that.

    Args:
        dataset: the dataset
        path: the field, with ``frames.`` if it is one of frames

    Returns:
        how many other labels are left: a person's masks, or those of another tracker
    """
    samples: Samples = dataset
    if dataset.media_type == "group":
        samples = dataset.select_group_slices(media_type="video" if is_frame_path(path) else "image")
    ours = F(f"{PROPAGATION}.method") == METHOD
    signed = _detections(samples.filter_labels(path, ours), path)
    corrected = [ObjectId(label.id) for label in signed if is_of_person(label)]
    others = samples.filter_labels(path, ~ours | F("_id").is_in(corrected), only_matches=False)
    left = others.count(f"{path}.detections")
    if left:
        others.save(path)
        return left
    delete = dataset.delete_frame_field if is_frame_path(path) else dataset.delete_sample_field
    take_label_schema(dataset, path)
    delete(field_name(path))
    return 0


def _detections(samples: fo.DatasetView, path: str) -> Iterator[fo.Detection]:
    """The labels of a field, one frame after another."""
    name = field_name(path)
    for sample in samples.select_fields(path):
        for holder in dict(sample.frames.items()).values() if is_frame_path(path) else [sample]:
            if holder.has_field(name) and holder[name]:
                yield from holder[name].detections

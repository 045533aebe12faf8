"""Takes out of a field what runs of ours have put there."""

from __future__ import annotations

import fiftyone as fo
from fiftyone import ViewField as F

from fiftyone_hs2s.dataset.frame_paths import field_name, is_frame_path
from fiftyone_hs2s.dataset.label_schemas import take_label_schema
from fiftyone_hs2s.dataset.propagate.keyframes import METHOD, PROPAGATION


def remove_own_labels(dataset: fo.Dataset, path: str) -> int:
    """Deletes the labels that runs of ours made, and the field if nothing else is in it.

    Args:
        dataset: the dataset
        path: the field, with ``frames.`` if it is one of frames

    Returns:
        how many other labels are left: a person's masks, or those of another tracker
    """
    samples: fo.Dataset | fo.DatasetView = dataset
    if dataset.media_type == "group":
        samples = dataset.select_group_slices(media_type="video" if is_frame_path(path) else "image")
    others = samples.filter_labels(path, F(f"{PROPAGATION}.method") != METHOD, only_matches=False)
    left = others.count(f"{path}.detections")
    if left:
        others.save(path)
        return left
    delete = dataset.delete_frame_field if is_frame_path(path) else dataset.delete_sample_field
    take_label_schema(dataset, path)
    delete(field_name(path))
    return 0

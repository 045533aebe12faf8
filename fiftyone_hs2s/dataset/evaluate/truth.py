"""Which fields can be ground truth."""

from __future__ import annotations

from bson import ObjectId

from fiftyone_hs2s.dataset.compat import (
    Samples,
    frame_collection,
    is_clips,
    is_image_groups,
    root_dataset,
    sample_collection,
)
from fiftyone_hs2s.dataset.fields import MASKED, detections_fields
from fiftyone_hs2s.dataset.frame_paths import KEYFRAME, field_name


def truth_fields(samples: Samples, pred_field: str | None) -> list[str]:
    """Fields with masks that predictions can be scored against.

    Neither propagated masks are, nor a field that has no masks but those which the tracker was given.

    Args:
        samples: videos, clips, or images in dynamic groups; filters of labels are not looked at
        pred_field: the field with the predictions; None where there is none yet

    Returns:
        names of ``Detections`` fields, without ``frames.``
    """
    pred = field_name(pred_field or "")
    made = {name.removesuffix("_status") for name in samples.get_field_schema() if name.endswith("_status")}
    fields = [name for name in detections_fields(samples) if name not in made | {pred}]
    return [name for name in fields if _has_more_than_prompts(samples, name, pred)] if pred else fields


def _has_more_than_prompts(samples: Samples, field: str, pred: str) -> bool:
    """Whether a field has a mask on a frame where the prediction has none that was given."""
    dataset = root_dataset(samples)
    question = {
        f"{field}.detections": MASKED,
        f"{pred}.detections": {"$exists": True},
        f"{pred}.detections.{KEYFRAME}": {"$ne": True},
    }
    if is_image_groups(samples):  # a view lists the first image of each, so all of the dataset are asked
        return sample_collection(dataset).find_one(question, {"_id": 1}) is not None
    ids = [ObjectId(sample_id) for sample_id in samples.values("sample_id" if is_clips(samples) else "id")]
    frames = frame_collection(dataset)
    return frames is None or frames.find_one({"_sample_id": {"$in": ids}, **question}, {"_id": 1}) is not None

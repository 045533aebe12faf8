"""The sequences of a dataset or a view: what propagation, evaluation, diagnosis and training go through."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from bson import ObjectId

from fiftyone_hs2s.dataset.compat import Samples, frame_collection, is_clips, is_image_groups
from fiftyone_hs2s.dataset.fields import MASKED
from fiftyone_hs2s.dataset.sample_views import all_samples
from fiftyone_hs2s.dataset.sequences import ImageSequence, LabeledSequence, VideoSequence
from fiftyone_hs2s.dataset.stored_view import StoredView
from fiftyone_hs2s.errors import HS2SError


def find_sequences(samples: Samples) -> list[LabeledSequence]:
    """Lists the sequences of samples, without reading labels or media.

    Args:
        samples: video samples, a clips view, or images in dynamic groups
    """
    if is_image_groups(samples):
        return [ImageSequence(group) for group in samples.iter_dynamic_groups()]
    paths = ["id", "sample_id", "filepath", "support"] if is_clips(samples) else ["id", "id", "filepath"]
    stored = StoredView(samples)
    return [VideoSequence(stored, *row) for row in zip(*samples.values(paths), strict=True)]


def whole_sequences(samples: Samples) -> list[LabeledSequence]:
    """The sequences of samples without the filters of a view: what is written back must have been read whole.

    Args:
        samples: videos, clips (of which the whole videos are meant), or images in ordered groups
    """
    everything = all_samples(samples)
    if is_image_groups(samples):
        groups = (group.values("id") for group in samples.iter_dynamic_groups())
        return [ImageSequence(everything.select(ids, ordered=True)) for ids in groups]
    ids = samples.values("sample_id" if is_clips(samples) else "id")
    return find_sequences(everything.select(list(dict.fromkeys(ids)), ordered=True))


def check_disjoint(sequences: Iterable[LabeledSequence]) -> None:
    """Makes sure that sequences can be written to without the labels of one replacing those of another.

    Raises:
        HS2SError: if clips of a sample overlap
    """
    clips = sorted((s.sample_id, s.number(0), s.number(s.known_length() - 1)) for s in sequences if s.span)
    for (sample_id, first, last), (other_id, start, end) in pairwise(clips):
        if sample_id == other_id and start <= last:
            raise HS2SError(
                f"the clips of frames {first}-{last} and {start}-{end} of sample {sample_id} overlap: "
                "make clips that don't, or use the whole video"
            )


def have_prompts(sequences: Sequence[LabeledSequence], fields: Sequence[str], boxes: bool) -> list[bool]:
    """Which sequences have something to start from, found in one query; groups of images are not looked into.

    Filters of labels are not looked at.

    Args:
        sequences: the sequences
        fields: the prompt fields
        boxes: whether boxes without masks, and points, count
    """
    videos = [sequence for sequence in sequences if isinstance(sequence, VideoSequence)]
    collection = frame_collection(videos[0].dataset) if videos else None
    if collection is None:
        return [not isinstance(sequence, VideoSequence) for sequence in sequences]
    ids = [ObjectId(sample_id) for sample_id in {video.sample_id for video in videos}]
    query = {"_sample_id": {"$in": ids}, "$or": [_prompted(field, boxes) for field in fields]}
    frames: dict[str, list[int]] = {}
    for row in collection.find(query, {"_sample_id": 1, "frame_number": 1}):
        frames.setdefault(str(row["_sample_id"]), []).append(row["frame_number"])
    return [
        not isinstance(sequence, VideoSequence)
        or any(map(sequence.shows, frames.get(sequence.sample_id, ())))
        for sequence in sequences
    ]


def _prompted(field: str, boxes: bool) -> dict[str, Any]:
    """Frames whose field has something to start from, as the database asks for them."""
    lists = ["polylines", *(["keypoints", "detections"] if boxes else [])]
    found: list[dict[str, Any]] = [{f"{field}.{name}.0": {"$exists": True}} for name in lists]
    return {"$or": [*found, {f"{field}.detections": MASKED}, {f"{field}._cls": "Segmentation"}]}

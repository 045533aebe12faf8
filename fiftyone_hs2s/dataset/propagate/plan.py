"""What a propagation would do, before it is started."""

from __future__ import annotations

from dataclasses import dataclass

import fiftyone as fo
from bson import ObjectId

from fiftyone_hs2s.dataset.compat import frame_collection, is_clips, is_image_groups, root_dataset
from fiftyone_hs2s.dataset.fields import MASKED, check_fields
from fiftyone_hs2s.dataset.propagate.status import StatusField


@dataclass(frozen=True)
class Plan:
    """How many samples (or clips, or groups) a propagation would do.

    Attributes:
        todo: those that it would track
        done: those that are finished already, and are skipped
        unmasked: those without a mask to start from, which would fail; groups of images are not looked into
    """

    todo: int
    done: int
    unmasked: int

    def __str__(self) -> str:
        parts = [f"{self.todo} to do", f"{self.done} done before"]
        if self.unmasked:
            parts.append(f"{self.unmasked} without a mask to start from")
        return f"Samples: {', '.join(parts)}"


def plan(samples: fo.Dataset | fo.DatasetView, prompt_field: str, label_field: str, overwrite: bool = False) -> Plan:
    """Counts what :func:`fiftyone_hs2s.propagate` would do, without reading a mask.

    Args:
        samples: as for ``propagate()``; filters of labels are not looked at
        prompt_field: the field with the masks to start from
        label_field: the field for the results
        overwrite: whether finished samples would be done again

    Raises:
        HS2SError: if the fields cannot work
    """
    prompt, label = check_fields(samples, prompt_field, label_field)
    pieces = _pieces(samples)
    status = StatusField(root_dataset(samples), label)
    states = status.states(samples, [(i, f"{span[0]}-{span[1]}" if span else "") for i, span in pieces])
    done = [not overwrite and state == "complete" for state in states]
    masked = [True] * len(pieces) if is_image_groups(samples) else _have_masks(samples, prompt, pieces)
    unmasked = sum(not there and not over for there, over in zip(masked, done, strict=True))
    return Plan(len(pieces) - sum(done) - unmasked, sum(done), unmasked)


def _pieces(samples: fo.Dataset | fo.DatasetView) -> list[tuple[str, list[int] | None]]:
    """The sample of each piece, and a clip's first and last frame."""
    if is_clips(samples):
        return list(zip(*samples.values(["sample_id", "support"]), strict=True))
    return [(sample_id, None) for sample_id in samples.values("id")]


def _have_masks(
    samples: fo.Dataset | fo.DatasetView, field: str, pieces: list[tuple[str, list[int] | None]]
) -> list[bool]:
    ids = [ObjectId(sample_id) for sample_id in {sample_id for sample_id, _ in pieces}]
    collection = frame_collection(root_dataset(samples))
    if collection is None:
        return [False] * len(pieces)
    rows = collection.find(
        {"_sample_id": {"$in": ids}, f"{field}.detections": MASKED}, {"_sample_id": 1, "frame_number": 1}
    )
    frames: dict[str, list[int]] = {}
    for row in rows:
        frames.setdefault(str(row["_sample_id"]), []).append(row["frame_number"])
    return [
        any(span is None or span[0] <= number <= span[1] for number in frames.get(sample_id, ()))
        for sample_id, span in pieces
    ]

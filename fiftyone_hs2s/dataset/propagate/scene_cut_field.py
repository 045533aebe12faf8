"""Where scenes begin: a sample field beside the propagated labels."""

from __future__ import annotations

from collections.abc import Collection

import fiftyone as fo
from fiftyone.core.fields import ListField

from fiftyone_hs2s.dataset.compat import Samples, is_clips, root_dataset
from fiftyone_hs2s.dataset.sample_views import all_samples
from fiftyone_hs2s.dataset.sequences import LabeledSequence


def scene_cut_field(label_field: str) -> str:
    """The sample field with the numbers of the frames that begin a scene, as propagation found them."""
    return f"{label_field}_scene_cuts"


def write_scene_cuts(sequence: LabeledSequence, label_field: str, cuts: Collection[int]) -> None:
    """Notes where scenes begin in a video, or in a clip of it; images of groups have no place for it.

    Args:
        sequence: the sequence
        label_field: the field of its labels, without ``frames.``
        cuts: 0-based indices of the frames that begin a scene
    """
    name = scene_cut_field(label_field)
    if not sequence.is_video or not (cuts or sequence.dataset.has_sample_field(name)):
        return
    sequence.dataset.add_sample_field(name, ListField, subfield=fo.IntField)
    first, last = (int(number) for number in (sequence.span or "0-0").split("-"))
    noted = sequence.samples.values(name)[0] or []
    others = [number for number in noted if sequence.span and not first <= number <= last]
    found = sorted({*others, *map(sequence.number, cuts)})
    sequence.samples.set_values(name, {sequence.sample_id: found}, key_field="id")


def read_scene_cuts(samples: Samples, label_field: str) -> dict[str, list[int]]:
    """The numbers of the frames that begin a scene, by sample id, ascending."""
    name = scene_cut_field(label_field)
    if not root_dataset(samples).has_sample_field(name):
        return {}
    ids = samples.values("sample_id" if is_clips(samples) else "id")
    view = all_samples(samples).select(list(dict.fromkeys(ids)))
    return {sample_id: sorted(cuts or ()) for sample_id, cuts in zip(*view.values(["id", name]), strict=True)}

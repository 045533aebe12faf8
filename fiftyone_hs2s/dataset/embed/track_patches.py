"""Tracks as patches, one each, and those that look alike."""

from __future__ import annotations

import fiftyone as fo
import fiftyone.brain as fob
from fiftyone import ViewField as F

from fiftyone_hs2s.dataset.compat import Samples, frames_view, is_clips, root_dataset
from fiftyone_hs2s.dataset.fields import check_field
from fiftyone_hs2s.dataset.find_sequences import find_sequences
from fiftyone_hs2s.dataset.frame_paths import field_path, is_images
from fiftyone_hs2s.dataset.objects import Identity
from fiftyone_hs2s.dataset.sample_views import all_samples
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import PathLike

EMBEDDING = "embedding"
"""Attribute of the one label of a track that has its vector."""


def track_patches(samples: Samples, label_field: str, output_dir: PathLike | None = None) -> fo.DatasetView:
    """A patch for each track that :func:`compute_embeddings` described, on the frame that shows it largest.

    Args:
        samples: the videos, or images in ordered groups
        label_field: the field with the masks; ``frames.`` may be left out
        output_dir: folder for the frames of videos as images, which the App needs to show patches; None for
            folders beside the videos

    Returns:
        a patches view. The labels have the ids that they have in the dataset

    Raises:
        HS2SError: if no label of the field has an embedding
    """
    name = check_field(samples, label_field, "label")
    return _described(samples, name, output_dir).to_patches(name)


def find_similar_tracks(
    samples: Samples,
    label_field: str,
    brain_key: str,
    sample_id: str,
    object: int | str | None = None,
    *,
    k: int | None = 25,
    output_dir: PathLike | None = None,
) -> fo.DatasetView:
    """The tracks that look most like one, such as one that failed.

    Args:
        samples: the videos, or images in ordered groups, to search: with the one that is meant
        label_field: the field with the masks; ``frames.`` may be left out
        brain_key: the similarity index of :func:`compute_embeddings`
        sample_id: the video with the object, or an image of its group
        object: index, label, both (``dog 2``) or instance id of the object; None for all objects of the video
        k: how many to show, those meant among them; None for all
        output_dir: as in :func:`track_patches`

    Returns:
        a patch a track, the most alike first

    Raises:
        HS2SError: if there is no such index, sample or object, or it has no embedding
    """
    if brain_key not in root_dataset(samples).list_brain_runs():
        raise HS2SError(f"there is no similarity index {brain_key!r}: make it by compute_embeddings()")
    name = check_field(samples, label_field, "label")
    patches = track_patches(samples, label_field, output_dir)
    known = {str(label_id) for label_id in root_dataset(samples).load_brain_results(brain_key).label_ids}
    if not {*patches.values(f"{name}.id")} <= known:
        fix = "run compute_embeddings() with that brain_key again"
        raise HS2SError(f"the similarity index {brain_key!r} is older than the embeddings of {name!r}: {fix}")
    meant = _meant(samples, name, sample_id, object)
    return patches.sort_by_similarity(meant, k=k, brain_key=brain_key)


def index_tracks(samples: Samples, field: str, brain_key: str) -> str:
    """Makes the similarity index of all tracks of the dataset that have an embedding, in place of one of that
    name."""
    dataset = root_dataset(samples)
    if brain_key in dataset.list_brain_runs():
        dataset.delete_brain_run(brain_key)
    fob.compute_similarity(
        _described(dataset, field),
        patches_field=field,
        embeddings=EMBEDDING,
        brain_key=brain_key,
        progress=False,
    )
    return brain_key


def _described(samples: Samples, field: str, output_dir: PathLike | None = None) -> fo.DatasetView:
    """The images with labels that have embeddings, and these labels alone."""
    whole, path = _whole(samples), f"{field_path(samples, field)}.detections"
    if not root_dataset(samples).has_field(f"{path}.{EMBEDDING}"):
        raise HS2SError(f"no track of {field!r} has an embedding: run compute_embeddings() first")
    has_vector = F(EMBEDDING).exists()
    if not is_images(samples):
        shown = F(f"{field}.detections").filter(has_vector).length() > 0
        folder = None if output_dir is None else str(output_dir)
        whole = frames_view(whole.match_frames(shown), folder)
    return whole.filter_labels(field, has_vector)


def _whole(samples: Samples) -> Samples:
    """The videos of clips; all images of groups."""
    if isinstance(samples, fo.Dataset) and samples.media_type != "group":
        return samples
    everything = all_samples(samples)
    if is_images(samples):
        return everything
    return everything.select(samples.distinct("sample_id" if is_clips(samples) else "id"))


def _meant(samples: Samples, field: str, sample_id: str, chosen: int | str | None) -> list[str]:
    """The labels with the embeddings of an object."""
    paths = [f"{field}.detections.{part}" for part in ("_id", "label", "index", "instance._id", EMBEDDING)]
    sequences = [s for s in find_sequences(samples) if sample_id in s.samples.values("id")]
    if not sequences:
        raise HS2SError(f"there is no sample {sample_id!r} among these: choose one that is searched")
    found: dict[str, Identity] = {}
    for _, columns in (row for sequence in sequences for row in sequence.read(*paths)):
        nothing = [None] * len(columns[0] or ())
        for label_id, label, index, instance, vector in zip(*(c or nothing for c in columns), strict=True):
            if vector is not None:
                found[str(label_id)] = Identity(label, index, instance and str(instance))
    meant = [i for i, who in found.items() if chosen is None or who.is_called(chosen)]
    if not meant:
        known = (
            ", ".join(sorted({who.name for who in found.values()})) or "none of it: run compute_embeddings()"
        )
        raise HS2SError(
            f"no track of {sequences[0].name} is {chosen or 'there'}: those with an embedding are {known}"
        )
    return meant

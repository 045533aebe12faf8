"""An embedding for each tracked object, by the tracker's own encoder, for FiftyOne Brain."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import fiftyone as fo
import numpy as np

from fiftyone_hs2s.dataset.bars import fiftyone_reporting
from fiftyone_hs2s.dataset.census import census
from fiftyone_hs2s.dataset.compat import Samples, root_dataset
from fiftyone_hs2s.dataset.database import explained
from fiftyone_hs2s.dataset.embed.track_patches import EMBEDDING, index_tracks
from fiftyone_hs2s.dataset.fields import check_field, check_samples
from fiftyone_hs2s.dataset.find_sequences import find_sequences
from fiftyone_hs2s.dataset.frame_paths import field_path
from fiftyone_hs2s.dataset.objects import ObjectKey, read_objects
from fiftyone_hs2s.dataset.propagate.model import as_model
from fiftyone_hs2s.dataset.sequences import LabeledSequence
from fiftyone_hs2s.dataset.skipping import skipping
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.progress import ProgressOption, counted

if TYPE_CHECKING:
    from fiftyone_hs2s.dataset.propagate.model import HS2SVideoModel

logger = logging.getLogger(__name__)


@dataclass
class EmbeddingReport:
    """What :func:`compute_embeddings` did.

    Attributes:
        field: the field whose labels have the embeddings
        tracks: number of objects that have one now
        failed: why samples have none, by name
        brain_key: the similarity index of FiftyOne Brain that was made of them, None for none
    """

    field: str
    tracks: int = 0
    failed: dict[str, str] = dataclasses.field(default_factory=dict)
    brain_key: str | None = None

    def __str__(self) -> str:
        failed = f", {len(self.failed)} samples without" if self.failed else ""
        return f"embeddings of {self.tracks} tracks in {self.field}{failed}"


@explained
def compute_embeddings(
    samples: Samples,
    label_field: str,
    *,
    model: HS2SVideoModel | str | None = None,
    num_frames: int = 5,
    brain_key: str | None = None,
    skip_failures: bool = True,
    progress: ProgressOption = None,
) -> EmbeddingReport:
    """Describes each tracked object by a vector: what the tracker's encoder gives on some of its frames,
    averaged over its masks, then over the frames.

    The vector, of length 1, is the attribute ``embedding`` of one of the object's labels, that on which it is
    largest; :func:`track_patches` shows these. With ``brain_key`` they become a similarity index of FiftyOne
    Brain, by which the App, ``sort_by_similarity()`` and :func:`find_similar_tracks` find tracks that look
    alike. Vectors of an earlier call are replaced.

    Args:
        samples: videos, clips, or images in ordered groups
        label_field: the field with the masks; ``frames.`` may be left out
        model: a model of :func:`fiftyone_hs2s.load_model`, or its name; None for the default
        num_frames: how many of an object's frames are looked at, evenly spread
        brain_key: name for the similarity index, which is replaced; it holds all tracks of the dataset that
            have a vector. None for none
        skip_failures: log a sample that fails and continue with the next one
        progress: whether to show a bar (None: as ``fiftyone.config.show_progress_bars`` says), or a function
            to call instead with a :class:`fiftyone_hs2s.progress.Progress` for each sample

    Returns:
        what was done

    Raises:
        HS2SError: if the field, the model or the key cannot be used; without ``skip_failures`` also if a
            sample fails
    """
    check_samples(samples)
    name = check_field(samples, label_field, "label")
    if num_frames < 1:
        raise HS2SError(f"num_frames={num_frames} leaves nothing to look at: give 1 or more")
    if brain_key is not None and not brain_key.isidentifier():
        raise HS2SError(f"{brain_key!r} cannot name a similarity index: use letters, digits and underscores")
    model = as_model(model)
    report, sequences = EmbeddingReport(name), find_sequences(samples)
    path = f"{field_path(samples, name)}.detections.{EMBEDDING}"
    with fiftyone_reporting(progress) as show, model:
        for sequence in counted(sequences, len(sequences), show):
            with skipping(sequence, report.failed, skip_failures, logger):
                values = _embed(sequence, name, num_frames, model)
                root_dataset(samples).set_label_values(path, values, dynamic=True)
                report.tracks += sum(value["value"] is not None for value in values)
    if brain_key and report.tracks:
        report.brain_key = index_tracks(samples, name, brain_key)
    return report


def _embed(
    sequence: LabeledSequence, field: str, num_frames: int, model: HS2SVideoModel
) -> list[dict[str, Any]]:
    """What to write to the labels of a sequence, in FiftyOne's form: None to those of an earlier call."""
    from fiftyone_hs2s.tracking.embedding import embed_objects

    chosen = _choose(sequence, field, num_frames)
    vectors: dict[ObjectKey, list[np.ndarray]] = {}
    largest: dict[ObjectKey, tuple[int, int, fo.Detection]] = {}
    last = max((index for indices in chosen.values() for index in indices), default=-1)
    for index, frame in enumerate(sequence.open()[: last + 1]):
        here = {key for key, indices in chosen.items() if index in indices}
        if not here:
            continue
        objects = read_objects(sequence.read_at(field, index), sequence.size)
        found = {key: objects[key] for key in here if key in objects and objects[key].mask.any()}
        keys = dict(enumerate(found))
        embedded = embed_objects(model.tracker, frame, {n: found[key].mask for n, key in keys.items()})
        for n, key in keys.items():
            vectors.setdefault(key, []).append(embedded[n])
            area = int(found[key].mask.sum())
            if key not in largest or area > largest[key][0]:
                largest[key] = (area, index, found[key].detections[0])
    written = {
        label.id: (index, _unit(np.mean(vectors[key], 0))) for key, (_, index, label) in largest.items()
    }
    ids, embedded_before = _stored(sequence, field)
    earlier = {label_id: (index, None) for label_id, index in embedded_before if label_id not in written}
    owner = "frame_id" if sequence.is_video else "sample_id"
    return [
        {owner: ids[index], "label_id": label_id, "value": value}
        for label_id, (index, value) in {**earlier, **written}.items()
    ]


def _choose(sequence: LabeledSequence, field: str, num_frames: int) -> dict[ObjectKey, set[int]]:
    """The frames to look at by object: evenly spread over those that show it."""
    shown: dict[ObjectKey, list[int]] = {}
    for index, identities in census(sequence, field):
        for key in {identity.key() for identity in identities}:
            shown.setdefault(key, []).append(index)
    return {
        key: {indices[round(place)] for place in np.linspace(0, len(indices) - 1, num_frames + 2)[1:-1]}
        for key, indices in shown.items()
    }


def _stored(sequence: LabeledSequence, field: str) -> tuple[dict[int, str], list[tuple[str, int]]]:
    """The ids of the documents that hold the labels, by frame; the labels that have an embedding, and their
    frames."""
    paths = [f"{field}.detections.{part}" for part in ("_id", EMBEDDING)]
    documents: dict[int, str] = {}
    embedded = []
    for index, (document_id, ids, vectors) in sequence.read("id", *paths):
        documents[index] = str(document_id)
        pairs = zip(ids or (), vectors or [None] * len(ids or ()), strict=True)
        embedded += [(str(label_id), index) for label_id, vector in pairs if vector is not None]
    return documents, embedded


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)

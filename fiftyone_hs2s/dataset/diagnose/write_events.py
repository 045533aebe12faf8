"""Writes events to the samples: to videos as temporal detections, to the images of groups as
classifications."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import fiftyone as fo
import numpy as np

from fiftyone_hs2s.dataset.compat import Samples, root_dataset
from fiftyone_hs2s.dataset.diagnose.event_labels import (
    EVENT_ATTRIBUTES,
    EVENT_LABELS,
    IMAGE_ATTRIBUTES,
    Names,
    classification,
    explanation,
    kind_in_words,
    object_name,
    temporal_detection,
)
from fiftyone_hs2s.dataset.diagnose.failure_report import FailureReport
from fiftyone_hs2s.dataset.evaluate.evaluation_key import FAILURE_FIELDS
from fiftyone_hs2s.dataset.sample_views import all_samples
from fiftyone_hs2s.metrics import Event, summarize_events
from fiftyone_hs2s.metrics.find_events import CONDITIONS

Found = dict[str, list[tuple[Event, Names]]]
"""Events by sample id, that of the first image of a group, with the names of the sample's objects."""

TAG_PREFIX = "hs2s: "


@dataclass(frozen=True)
class EventWriter:
    """Writes what was found in some samples.

    Attributes:
        samples: the videos, clips or groups
        images: the images of each group, by the id of its first one; empty for videos
    """

    samples: Samples
    images: Mapping[str, Sequence[str]]

    def write(self, report: FailureReport, key: str, events: Found) -> None:
        """Writes events and summaries, and adds the rows of the report.

        Args:
            report: gets a row for each event; says the field
            key: prefix of the fields with summaries
            events: of each sample that was looked at, perhaps none
        """
        labels: dict[str, fo.Label] = {}
        summaries: dict[str, dict[str, Any]] = {name: {} for name in FAILURE_FIELDS}
        for sample_id, found in events.items():
            ordered = sorted(found, key=lambda pair: (pair[0].first, pair[0].last))
            labels |= self._labels(sample_id, ordered)
            report.events += [self._row(sample_id, *pair) for pair in ordered]
            summary = summarize_events([event for event, _ in found])
            worst = summary.worst_event and kind_in_words(summary.worst_event)
            for name, value in (asdict(summary) | {"worst_event": worst}).items():
                summaries[name] |= dict.fromkeys(self._ids(sample_id), value)
        means = _sample_means(report.track_back)
        summaries["track_back_J"] = {i: means.get(own) for own in events for i in self._ids(own)}
        dataset, everything = root_dataset(self.samples), all_samples(self.samples)
        self._declare(dataset, report.field)
        everything.set_values(report.field, labels, key_field="id")
        for name, values in summaries.items():
            path = f"{key}_{name}"
            if name == "track_back_J" and not report.track_back and not dataset.has_sample_field(path):
                continue  # a field that nobody asked for
            dataset.add_sample_field(path, FAILURE_FIELDS[name])
            everything.set_values(path, values, key_field="id")

    def tag(self, events: Found) -> None:
        """Tags samples, or the images of groups, with their failures; what an earlier call found is
        removed."""
        dataset = all_samples(self.samples)
        view = dataset.select([i for sample_id in events for i in self._ids(sample_id)])
        stale = [tag for tag in view.distinct("tags") if tag.startswith(TAG_PREFIX)]
        if stale:
            view.untag_samples(stale)
        by_label: dict[str, set[str]] = {}
        for sample_id, found in events.items():
            for event, _ in found:
                if event.label not in CONDITIONS:
                    by_label.setdefault(event.label, set()).update(self._during(sample_id, event))
        for label, sample_ids in by_label.items():
            dataset.select(sample_ids).tag_samples(f"{TAG_PREFIX}{kind_in_words(label)}")

    def _ids(self, sample_id: str) -> Sequence[str]:
        return self.images.get(sample_id, [sample_id])

    def _during(self, sample_id: str, event: Event) -> Sequence[str]:
        images = self.images.get(sample_id)
        return images[event.first - 1 : event.last] if images else [sample_id]

    def _labels(self, sample_id: str, found: Iterable[tuple[Event, Names]]) -> dict[str, fo.Label]:
        """The events of a video, or by image what happens on it."""
        if sample_id not in self.images:
            events = [temporal_detection(*pair) for pair in found]
            return {sample_id: fo.TemporalDetections(detections=events)}
        images = self.images[sample_id]
        on_image: dict[str, list[fo.Classification]] = {image: [] for image in images}
        for event, names in found:
            for number in range(event.first, event.last + 1):
                on_image[images[number - 1]].append(classification(event, names, number))
        return {image: fo.Classifications(classifications=own) for image, own in on_image.items()}

    def _declare(self, dataset: fo.Dataset, field: str) -> None:
        """The field and the attributes of its labels, so that the sidebar has them also where no event is."""
        kind = fo.Classifications if self.images else fo.TemporalDetections
        dataset.add_sample_field(field, fo.EmbeddedDocumentField, embedded_doc_type=kind)
        for name, attribute in (EVENT_ATTRIBUTES | (IMAGE_ATTRIBUTES if self.images else {})).items():
            dataset.add_sample_field(f"{field}.{EVENT_LABELS[kind]}.{name}", attribute)

    def _row(self, sample_id: str, event: Event, names: Names) -> dict[str, Any]:
        images = self.images.get(sample_id)
        return {
            "sample_id": images[(event.worst or event.first) - 1] if images else sample_id,
            "kind": kind_in_words(event.label),
            "object": object_name(names, event.object_id),
            "first": event.first,
            "last": event.last,
            "severity": event.severity,
            "worst_frame": event.worst,
            "explanation": explanation(event, names),
        }


def _sample_means(rows: list[dict[str, Any]]) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for row in rows:
        values.setdefault(row["sample_id"], []).append(row["J"])
    return {sample_id: float(np.mean(found)) for sample_id, found in values.items()}

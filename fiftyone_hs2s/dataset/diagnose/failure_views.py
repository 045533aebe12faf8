"""Saved views of the failures in a dataset."""

from __future__ import annotations

import fiftyone as fo
from fiftyone import ViewField as F

from fiftyone_hs2s.dataset.compat import Samples, root_dataset
from fiftyone_hs2s.dataset.diagnose.event_labels import EVENT_LABELS, kind_in_words
from fiftyone_hs2s.dataset.frame_paths import field_name
from fiftyone_hs2s.dataset.sample_views import all_samples
from fiftyone_hs2s.metrics.find_events import CONDITIONS


def save_failure_views(samples: Samples, pred_field: str, key: str | None = None) -> list[str]:
    """Saves a view for each kind of event that occurred, and one of the worst samples first.

    They take the place of the views that an earlier call has saved for the field. No view is empty.

    Args:
        samples: the dataset, or a view of it: the saved views show all of the dataset
        pred_field: field of the predictions, whose events have been found
        key: the prefix of the sample fields; by default the field's name. If it is an evaluation, the worst
            samples are those with the lowest J&F, else those with the most severe failures

    Returns:
        the names of the views
    """
    everything, name = all_samples(samples), field_name(pred_field)
    events = f"{name}_events"
    labels = label_list(everything, events)
    kinds = everything.distinct(f"{labels}.kind") if labels else []
    views: dict[str, fo.DatasetView | None] = {
        kind: everything.filter_labels(events, F("kind") == kind) for kind in kinds
    }
    views["worst first"] = _worst_first(everything, labels, f"{key or name}_JF")
    titles = {f"HS2S: {what} ({name})": view for what, view in views.items() if view}
    dataset = root_dataset(samples)
    for title in set(views_of(dataset, name)) - titles.keys():
        dataset.delete_saved_view(title)
    for title, view in titles.items():
        dataset.save_view(title, view, description=f"Made from {events}", overwrite=True)
    return list(titles)


def views_of(dataset: fo.Dataset, name: str) -> list[str]:
    """The saved views of a field's failures.

    Args:
        dataset: the dataset
        name: the field with the predictions, without ``frames.``
    """
    titles = dataset.list_saved_views()
    return [title for title in titles if title.startswith("HS2S: ") and title.endswith(f" ({name})")]


def label_list(samples: Samples, events: str) -> str | None:
    """The path of the labels in a field of events, on videos or on images; None if there are none."""
    paths = [f"{events}.{labels}" for labels in EVENT_LABELS.values()]
    return next((path for path in paths if samples.has_field(f"{path}.kind")), None)


def _worst_first(everything: Samples, labels: str | None, score: str) -> fo.DatasetView | None:
    if everything.has_field(score):
        return everything.exists(score).sort_by(score)
    if labels is None:
        return None
    conditions = [kind_in_words(label) for label in sorted(CONDITIONS)]
    severities = F(labels).filter(~F("kind").is_in(conditions)).map(F("severity"))
    return everything.match(severities.length() > 0).sort_by(severities.max(), reverse=True)

"""Runs: all that was written for one field of predictions, to list, group, rename or delete together."""

from __future__ import annotations

from dataclasses import dataclass, field

import fiftyone as fo

from fiftyone_hs2s.choices import did_you_mean
from fiftyone_hs2s.dataset.claims import any_claims
from fiftyone_hs2s.dataset.compat import Samples, root_dataset
from fiftyone_hs2s.dataset.database import explained
from fiftyone_hs2s.dataset.diagnose.event_labels import EVENT_LABELS
from fiftyone_hs2s.dataset.diagnose.failure_views import label_list, save_failure_views, views_of
from fiftyone_hs2s.dataset.evaluate.compare import list_evaluations
from fiftyone_hs2s.dataset.evaluate.evaluation_backend import PropagationEvaluation
from fiftyone_hs2s.dataset.evaluate.evaluation_key import FAILURE_FIELDS
from fiftyone_hs2s.dataset.frame_paths import field_name, frame_path, is_frame_path
from fiftyone_hs2s.dataset.label_schemas import give_label_schema, take_label_schema
from fiftyone_hs2s.dataset.propagate.own_labels import remove_own_labels
from fiftyone_hs2s.dataset.sidebar import group_fields, remove_group
from fiftyone_hs2s.errors import HS2SError

_STATUS, _EVENTS, _CUTS, _NEXT = "_status", "_events", "_scene_cuts", "_next_frame"


@dataclass(frozen=True)
class Run:
    """What was written for one field of predictions."""

    name: str
    """The name of the field with the labels, without ``frames.``."""
    label_field: str | None
    """Its path; None if it is gone."""
    fields: list[str] = field(default_factory=list)
    """Status, events and their summary, scene cuts and the next frame, as far as they are there."""
    evaluations: dict[str, list[str]] = field(default_factory=dict)
    """The fields of each evaluation of it, by key; those of labels not included."""
    views: list[str] = field(default_factory=list)
    """The saved views of its events."""

    @property
    def paths(self) -> list[str]:
        """All of its fields."""
        labels = [self.label_field] if self.label_field else []
        return [*labels, *self.fields, *(path for paths in self.evaluations.values() for path in paths)]

    def __str__(self) -> str:
        parts = [self.label_field or f"{self.name} (its labels are gone)", *self.fields]
        parts += [f"evaluation {key}" for key in self.evaluations]
        views = f"{len(self.views)} saved views" if len(self.views) != 1 else "1 saved view"
        return ", ".join([*parts, *([views] if self.views else [])])


def list_runs(samples: Samples) -> list[Run]:
    """The runs of a dataset: each field that was propagated to, evaluated or searched for failures, with all
    that was written for it.

    Args:
        samples: the dataset, or a view of it

    Returns:
        the runs by name
    """
    dataset = root_dataset(samples)
    schema = dataset.get_field_schema()
    evaluated: dict[str, list[str]] = {}
    for key in list_evaluations(dataset):
        name = field_name(dataset.get_evaluation_info(key).config.pred_field)
        evaluated.setdefault(name, []).append(key)
    names = {n.removesuffix(_STATUS) for n, f in schema.items() if _is_status(dataset, n, f)}
    names |= {n.removesuffix(_EVENTS) for n, f in schema.items() if _is_events(dataset, n, f)}
    return [_run(dataset, name, evaluated.get(name, [])) for name in sorted(names | evaluated.keys())]


def get_run(samples: Samples, name: str) -> Run:
    """A run by its name.

    Args:
        samples: the dataset, or a view of it
        name: the name of its label field; ``frames.`` may be left out

    Raises:
        HS2SError: if there is none
    """
    runs = {run.name: run for run in list_runs(samples)}
    if (found := runs.get(field_name(name))) is None:
        fix = did_you_mean(field_name(name), runs) if runs else "there is none yet"
        raise HS2SError(f"{name!r} is not a run of the dataset {root_dataset(samples).name!r}: {fix}")
    return found


def group_run(samples: Samples, name: str) -> None:
    """Puts the fields of a run into one group of the App's sidebar; nothing if there is no such run."""
    dataset = root_dataset(samples)
    dataset.reload()  # other processes may have added fields
    if found := [run for run in list_runs(dataset) if run.name == field_name(name)]:
        group_fields(dataset, found[0].name, found[0].paths, found[0].evaluations)


@explained
def rename_run(samples: Samples, name: str, new_name: str) -> Run:
    """Renames a run with all that was written for it: labels, status, events, evaluations, saved views.

    Evaluations are renamed if their key begins with the run's name, so ``hs2s_eval`` of the run ``hs2s``
    becomes ``wide_eval`` of the run ``wide``. Views that somebody else has saved still have the old names.

    Args:
        samples: the dataset, or a view of it
        name: the run's name, which is that of its label field; ``frames.`` may be left out
        new_name: the new name

    Returns:
        the run as it is called now

    Raises:
        HS2SError: if there is no such run, the new name cannot be used, or a run is writing to the dataset
    """
    dataset = root_dataset(samples)
    run, new = get_run(dataset, name), field_name(new_name)
    _check_free(dataset)
    renamed = {path: f"{new}{path.removeprefix(run.name)}" for path in run.fields}
    keys = {key: f"{new}{key.removeprefix(run.name)}" for key in run.evaluations if _is_named(key, run.name)}
    _check_new(dataset, new, [*renamed.values(), *keys.values()])
    remove_group(dataset, run.name)
    if run.label_field:
        _rename_field(dataset, run.label_field, frame_path(new, is_frame_path(run.label_field)))
    for key in run.evaluations:
        config = dataset.get_evaluation_info(key).config
        config.pred_field = frame_path(new, is_frame_path(config.pred_field))
        PropagationEvaluation.update_run_config(dataset, key, config)
    dataset.clear_cache()
    if renamed:
        dataset.rename_sample_fields(renamed)
    for key, new_key in keys.items():
        dataset.rename_evaluation(key, new_key)
    for view in run.views:
        dataset.delete_saved_view(view)
    if run.views:
        of_run = [keys.get(key, key) for key in run.evaluations]
        save_failure_views(dataset, new, of_run[-1] if of_run else None)
    group_run(dataset, new)
    return get_run(dataset, new)


@explained
def delete_run(samples: Samples, name: str) -> str:
    """Deletes a run with all that was written for it: labels, status, events, evaluations, saved views.

    Masks that a person made in the run's field stay, and so do labels of other trackers: what is deleted of
    the labels is what ``propagate()`` and ``repropagate()`` have made. If nothing else is there the field is
    deleted. Tags of samples stay, which do not say of which run they are.

    Args:
        samples: the dataset, or a view of it
        name: the run's name, which is that of its label field; ``frames.`` may be left out

    Returns:
        what became of it, in a sentence

    Raises:
        HS2SError: if there is no such run, or a run is writing to the dataset
    """
    dataset = root_dataset(samples)
    run = get_run(dataset, name)
    _check_free(dataset)
    for key in run.evaluations:
        dataset.delete_evaluation(key)
    for view in run.views:
        dataset.delete_saved_view(view)
    dataset.delete_sample_fields(run.fields, error_level=2)
    kept = remove_own_labels(dataset, run.label_field) if run.label_field else 0
    remove_group(dataset, run.name)
    if kept:
        labels = "1 label that no run" if kept == 1 else f"{kept} labels that no run"
        return f"The run {run.name!r} is deleted; {labels} of fiftyone-hs2s made stay in {run.label_field!r}"
    return f"The run {run.name!r} is deleted"


def _run(dataset: fo.Dataset, name: str, keys: list[str]) -> Run:
    label_field = _label_field(dataset, name)
    suffixes = (_STATUS, _EVENTS, _CUTS, _NEXT, *(f"_{part}" for part in FAILURE_FIELDS))
    fields = [f"{name}{suffix}" for suffix in suffixes if dataset.has_sample_field(f"{name}{suffix}")]
    evaluations = {key: _evaluation_fields(dataset, key) for key in keys}
    return Run(name, label_field, fields, evaluations, views_of(dataset, name))


def _label_field(dataset: fo.Dataset, name: str) -> str | None:
    paths = [frame_path(name), name] if dataset.media_type in ("video", "group") else [name]
    return next((path for path in paths if dataset.has_field(path)), None)


def _evaluation_fields(dataset: fo.Dataset, key: str) -> list[str]:
    config = dataset.get_evaluation_info(key).config
    paths = [path for path in config.build().get_fields(dataset, key) if "." not in field_name(path)]
    paths += [f"{key}_{part}" for part in FAILURE_FIELDS]
    return [path for path in paths if dataset.has_field(path)]


def _is_status(dataset: fo.Dataset, name: str, kind: fo.Field) -> bool:
    ours = name.endswith(_STATUS) and isinstance(kind, fo.StringField)
    return ours and _label_field(dataset, name.removesuffix(_STATUS)) is not None


def _is_events(dataset: fo.Dataset, name: str, kind: fo.Field) -> bool:
    ours = isinstance(kind, fo.EmbeddedDocumentField) and kind.document_type in EVENT_LABELS
    return name.endswith(_EVENTS) and ours and label_list(dataset, name) is not None


def _is_named(key: str, run: str) -> bool:
    return key == run or key.startswith(f"{run}_")


def _rename_field(dataset: fo.Dataset, path: str, new: str) -> None:
    rename = dataset.rename_frame_fields if is_frame_path(path) else dataset.rename_sample_fields
    schema = take_label_schema(dataset, path)
    rename({field_name(path): field_name(new)})
    give_label_schema(dataset, new, schema)


def _check_free(dataset: fo.Dataset) -> None:
    if any_claims(dataset):
        raise HS2SError(f"a run is writing to the dataset {dataset.name!r}: wait until it has finished")


def _check_new(dataset: fo.Dataset, new: str, more: list[str]) -> None:
    if not new.isidentifier():
        raise HS2SError(f"{new!r} cannot name a run: use letters, digits and underscores")
    frames = dataset.get_frame_field_schema() or {}
    taken = [name for name in (new, *more) if dataset.has_sample_field(name) or name in frames]
    taken += [key for key in more if key in dataset.list_evaluations()]
    if taken:
        raise HS2SError(f"{taken[0]!r} is in use in the dataset {dataset.name!r}: choose another name")

"""One evaluation of a name at a time, all of it or nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import fiftyone.core.fields as fof
import fiftyone.utils.eval.detection as foud
from bson import ObjectId

from fiftyone_hs2s.dataset.claims import Claim
from fiftyone_hs2s.dataset.compat import Samples, root_dataset
from fiftyone_hs2s.dataset.database import (
    DatabaseError,
    DeletedFieldError,
    check_there,
    declared_fields,
    explain,
    unset,
)
from fiftyone_hs2s.dataset.frame_paths import field_name
from fiftyone_hs2s.errors import HS2SError

FAILURE_FIELDS = {
    "num_occlusions": fof.IntField,
    "longest_occlusion": fof.IntField,
    "recovered": fof.BooleanField,
    "worst_event": fof.StringField,
    "track_back_J": fof.FloatField,
}
"""The sample fields ``<key>_...`` that ``find_failures()`` writes, and their types."""


@contextmanager
def evaluation_key(method: foud.DetectionEvaluation, samples: Samples, eval_key: str) -> Iterator[str]:
    """A context in which an evaluation is made.

    An earlier one of the same name stays until the new one is complete; what fails leaves nothing behind.

    Args:
        method: the evaluation method, which declares its fields
        samples: the samples
        eval_key: the evaluation's name

    Yields:
        the name to write under

    Raises:
        ClaimedError: if another run is making an evaluation of that name
        HS2SError: if it was deleted in the meantime
    """
    dataset = root_dataset(samples)
    with Claim(dataset, f"the evaluation {eval_key!r}"):
        dataset.reload()  # other processes may have made evaluations
        _remove_leftovers(samples, eval_key)
        replaced = eval_key in samples.list_evaluations()
        if replaced:
            method.validate_run(samples, eval_key)
        key = f"{eval_key}_{ObjectId()}" if replaced else eval_key
        method.register_run(samples, key)
        fields: list[str] = []

        def check() -> None:
            check_there(dataset, fields=[method.config.pred_field, method.config.gt_field])
            if not declared_fields(dataset).issuperset(fields):
                raise HS2SError(
                    f"the evaluation {eval_key!r} was deleted or renamed while it was being made: make it"
                    " again"
                )

        try:
            method.register_samples(samples, key)
            fields += (path for path in method.get_fields(samples, key) if "." not in field_name(path))
            yield key
            check()
        except BaseException as error:
            found = explain(error, check) if isinstance(error, Exception) else error
            if not isinstance(found, DatabaseError) or isinstance(found, DeletedFieldError):
                _discard(samples, key, fields)
            raise found from (error.__cause__ if found is error else error)
        if replaced:
            samples.delete_evaluation(eval_key)
            samples.rename_evaluation(key, eval_key)


def _remove_leftovers(samples: Samples, eval_key: str) -> None:
    """Removes what a killed process left of an evaluation: under its claim nobody else is making one."""
    leftover = re.compile(rf"{eval_key}_[0-9a-f]{{24}}")
    for key in filter(leftover.fullmatch, samples.list_evaluations()):
        samples.delete_evaluation(key)


def _discard(samples: Samples, key: str, fields: list[str]) -> None:
    """Removes an evaluation that failed, and values that came into its fields after somebody else had
    deleted those."""
    dataset = root_dataset(samples)
    unset(dataset, set(fields) - declared_fields(dataset))
    dataset.reload()
    if key in samples.list_evaluations():
        samples.delete_evaluation(key)

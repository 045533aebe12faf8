"""How a field is annotated in the App: its label schema, which goes where the field goes."""

from __future__ import annotations

from typing import Any, NamedTuple

import fiftyone as fo


class LabelSchema(NamedTuple):
    """A field's label schema."""

    schema: dict[str, Any]
    active: bool
    """Whether the App offers it in Annotate."""


def take_label_schema(dataset: fo.Dataset, path: str) -> LabelSchema | None:
    """Takes away the label schema of a field.

    Renaming or deleting a frame field that has one fails half-way: FiftyOne looks for it without ``frames.``.

    Args:
        dataset: the dataset
        path: the field, with ``frames.`` if it is one of frames

    Returns:
        what :func:`give_label_schema` takes; None if there is none, or FiftyOne has none yet
    """
    schema = getattr(dataset, "label_schemas", {}).get(path)
    if schema is None:
        return None
    taken = LabelSchema(schema, path in dataset.active_label_schemas)
    if taken.active:
        dataset.deactivate_label_schemas(path)
    dataset.delete_label_schemas(path)
    return taken


def give_label_schema(dataset: fo.Dataset, path: str, taken: LabelSchema | None) -> None:
    """Gives a field the label schema that was taken away from another one."""
    if taken is not None:
        dataset.update_label_schema(path, taken.schema)
        if taken.active:
            dataset.activate_label_schemas(path)

"""The App's sidebar, where the fields of a run stand in one group."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import fiftyone as fo

_PREFIX = "run: "
_SHARED = frozenset({"tags", "metadata", "labels", "frame labels", "primitives", "other"})
"""Groups that FiftyOne makes."""
_LABELS = ("labels", "frame labels")
"""Those after which the runs come, the latest first."""


def group_name(run: str) -> str:
    """What the group of a run is called."""
    return f"{_PREFIX}{run}"


def sidebar_groups(dataset: fo.Dataset) -> list[dict[str, Any]] | None:
    """The groups of the sidebar as an open App takes them, which needs that of tags; None if it is to make
    its own.

    Returns:
        rows with ``name``, ``paths`` and ``expanded``
    """
    groups = dataset.app_config.sidebar_groups
    if not groups:
        return None
    rows = [{"name": group.name, "paths": list(group.paths), "expanded": group.expanded} for group in groups]
    return rows if any(row["name"] == "tags" for row in rows) else [{"name": "tags", "paths": []}, *rows]


def group_fields(dataset: fo.Dataset, run: str, paths: Collection[str], evaluations: Collection[str]) -> None:
    """Puts the fields of a run into one group, which opens while those of other runs are closed.

    A field that somebody has put into a group of their own stays there.

    Args:
        dataset: the dataset
        run: the run's name
        paths: its fields
        evaluations: the keys of its evaluations, whose groups are dissolved
    """
    name = group_name(run)
    groups = list(dataset.app_config.sidebar_groups or fo.DatasetAppConfig.default_sidebar_groups(dataset))
    open_to_us = _SHARED | set(evaluations) | {name}
    own = {path for group in groups if group.name not in open_to_us for path in group.paths}
    moved = [path for path in paths if path not in own]
    for group in groups:
        if group.name in open_to_us:
            group.paths = [path for path in group.paths if path not in moved]
        if group.name.startswith(_PREFIX):
            group.expanded = False
    kept = [g for g in groups if g.name != name and (g.paths or g.name not in evaluations)]
    ours = fo.SidebarGroupDocument(name=name, paths=moved, expanded=True)
    place = max((k for k, group in enumerate(kept, start=1) if group.name in _LABELS), default=len(kept))
    dataset.app_config.sidebar_groups = [*kept[:place], ours, *kept[place:]]
    dataset.save()


def remove_group(dataset: fo.Dataset, run: str) -> None:
    """Removes the group of a run."""
    if groups := dataset.app_config.sidebar_groups:
        dataset.app_config.sidebar_groups = [g for g in groups if g.name != group_name(run)]
        dataset.save()

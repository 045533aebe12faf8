"""A dataset or a view as another process can read it: FiftyOne's own objects cannot be sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import fiftyone as fo

from fiftyone_hs2s.dataset.compat import build_view, root_dataset, view_stages


@dataclass(frozen=True, eq=False)  # two of one name may be of two datasets, one after the other
class StoredView:
    """What makes a view.

    Attributes:
        dataset: its dataset's name
        stages: its stages, as FiftyOne writes them
    """

    dataset: str
    stages: list[dict[str, Any]]

    @classmethod
    def of(cls, samples: fo.Dataset | fo.DatasetView) -> StoredView:
        """Packs a dataset or a view."""
        stages = view_stages(samples)
        return cls(root_dataset(samples).name, stages)

    def load(self) -> fo.DatasetView:
        """The view, made anew."""
        return build_view(fo.load_dataset(self.dataset), self.stages)

"""A dataset or a view that can be sent to another process, which FiftyOne's own objects cannot be."""

from __future__ import annotations

from typing import Any

import fiftyone as fo

from fiftyone_hs2s.dataset.compat import Samples, build_view, root_dataset, view_stages


class StoredView:
    """Holds a dataset or a view; another process makes it again at its first use.

    Args:
        samples: the dataset or the view
    """

    def __init__(self, samples: Samples) -> None:
        self._samples: Samples | None = samples
        self._made_of: tuple[str, list[dict[str, Any]]] | None = None

    @property
    def samples(self) -> Samples:
        """The dataset or the view."""
        if self._samples is None:
            assert self._made_of is not None
            name, stages = self._made_of
            self._samples = build_view(fo.load_dataset(name), stages)
        return self._samples

    def __getstate__(self) -> dict[str, Any]:
        made_of = self._made_of or (root_dataset(self.samples).name, view_stages(self.samples))
        return {"_samples": None, "_made_of": made_of}

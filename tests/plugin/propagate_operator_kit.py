"""What the tests of the propagate operator share."""

from __future__ import annotations

import fiftyone.operators as foo

URI = "@hs2s/hs2s/propagate"
SPEED = {"device": "auto", "precision": "auto", "runtime": "auto", "size": (256, 448)}
LOADED = {"adapt": 0, "average": "none", "mask_maker": "auto", **SPEED}
"""What the form leaves as it is."""


def execute(dataset, *, context=None, **params):
    params = {"prompt_field": "frames.gt", "label_field": "pred", **params}
    return foo.execute_operator(URI, {"dataset": dataset, **(context or {})}, params=params)

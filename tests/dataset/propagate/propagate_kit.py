"""What the tests of :func:`fiftyone_hs2s.propagate` share."""

from __future__ import annotations

from fiftyone_hs2s import propagate


def run(samples, model, **options):
    options = {"prompt_field": "frames.gt", "label_field": "pred", "skip_failures": False, **options}
    return propagate(samples, model, **options)

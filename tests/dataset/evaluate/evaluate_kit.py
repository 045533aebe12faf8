"""What the tests of :func:`fiftyone_hs2s.evaluate_propagation` share."""

from __future__ import annotations

from evaluation_kit import shifted
from fiftyone_kit import truth

from fiftyone_hs2s import evaluate_propagation
from fiftyone_hs2s.metrics import boundary_f_measure

J_LATE = 0.6  # two squares of 16 pixels, 4 apart: 12 columns of 20
F_LATE = boundary_f_measure(truth(9)[1], shifted(truth(9)[1], 4))


LATE, COUNTED = 5, 10  # of the frames 2..11, those from 7 on


def evaluate(samples, key="ev", **options):
    return evaluate_propagation(samples, "frames.pred", "frames.gt", key, **options)


def all_paths(dataset) -> set[str]:
    schemas = dataset.get_field_schema(flat=True), dataset.get_frame_field_schema(flat=True) or {}
    return {path for schema in schemas for path in schema}

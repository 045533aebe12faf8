"""What the tests of :func:`fiftyone_hs2s.propagate` share."""

from __future__ import annotations

import numpy as np

from fiftyone_hs2s import propagate


def run(samples, model, **options):
    options = {"prompt_field": "frames.gt", "label_field": "pred", "skip_failures": False, **options}
    return propagate(samples, model, **options)


class ByColor:
    """Makes a mask of what has the color in the middle of the box, or under the first point."""

    name = "by-color"

    def __call__(self, frame, hints):
        masks = []
        for hint in hints:
            x, y = hint.positive[0] if hint.box is None else np.reshape(hint.box, (2, 2)).mean(0)
            masks.append((np.abs(frame.astype(int) - frame[int(y), int(x)]) < 60).all(2))
        return masks

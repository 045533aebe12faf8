"""Colors in which objects can be told apart, in the App."""

from __future__ import annotations

import fiftyone as fo

SCHEME = {
    "color_by": "instance",
    "color_pool": [
        *(
            "#f02424",
            "#c75d00",
            "#927a00",
            "#56890e",
            "#0e8f39",
            "#008b7f",
            "#0082c3",
            "#3274f9",
            "#855dff",
            "#be3bea",
        ),
        *("#db2caf", "#e72e6c", "#a17158", "#5c8470", "#6c7c9b"),
    ],
}
"""The App writes on these colors in white, or in its light theme in black: they are in between, unlike its
own."""


def has_own_colors(dataset: fo.Dataset) -> bool:
    """Whether somebody has chosen how the App colors the labels of a dataset, or of all datasets."""
    return dataset.app_config.color_scheme is not None or fo.app_config.color_by != "field"


def color_by_instance(dataset: fo.Dataset) -> None:
    """Makes the App color a dataset's labels by object, so that an identity switch is seen.

    By default all labels of a field have one color. Colors that somebody has chosen are left alone.
    """
    if not has_own_colors(dataset):
        dataset.app_config.color_scheme = fo.ColorScheme(**SCHEME)
        dataset.save()

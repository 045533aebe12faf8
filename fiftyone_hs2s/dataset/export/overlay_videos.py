"""Videos of masks over the frames, in the colors of the App."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import fiftyone as fo
import numpy as np
from PIL import ImageColor

from fiftyone_hs2s.dataset.compat import Samples, root_dataset
from fiftyone_hs2s.dataset.frame_paths import field_path
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.overlay import draw_overlay
from fiftyone_hs2s.track_files.tracks import Tracks, TrackWriter
from fiftyone_hs2s.video_writer import VideoWriter


@dataclass(frozen=True)
class AppColors:
    """How the App colors the labels of a field.

    Attributes:
        pool: its colors, uint8 (N, 3) RGB, which it deals out in order
        by: ``field``, ``value`` or ``instance``: what has a color of its own
        field: the color of the field, or None
        values: colors of labels
        opacity: of masks, 0..1
    """

    pool: np.ndarray
    by: str
    field: np.ndarray | None
    values: dict[str, np.ndarray]
    opacity: float

    def of(self, labels: dict[int, str]) -> np.ndarray:
        """The color of each object, uint8 (largest id + 1, 3) RGB.

        Args:
            labels: of the objects, by id
        """
        colors = np.zeros((max(labels, default=0) + 1, 3), np.uint8)
        names = sorted({*labels.values()})
        for place, (object_id, label) in enumerate(sorted(labels.items())):
            if self.by == "instance":
                colors[object_id] = self.pool[place % len(self.pool)]
            elif self.by == "value":
                colors[object_id] = self.values.get(label, self.pool[names.index(label) % len(self.pool)])
            else:
                colors[object_id] = self.pool[0] if self.field is None else self.field
        return colors


def app_colors(samples: Samples, field: str) -> AppColors:
    """The colors that the App gives the labels of a field: those of the dataset's color scheme, else of the
    App.

    Args:
        samples: the samples
        field: the field, without ``frames.``
    """
    scheme = root_dataset(samples).app_config.color_scheme or fo.ColorScheme()
    path = field_path(samples, field)
    custom: dict[str, Any] = next((f for f in scheme.fields or () if f.get("path") == path), {})
    pool = [_rgb(color) for color in scheme.color_pool or fo.app_config.color_pool]
    by = custom.get("colorByAttribute") or scheme.color_by or fo.app_config.color_by
    values = {str(v["value"]): _rgb(v["color"]) for v in custom.get("valueColors") or () if v.get("color")}
    opacity = 0.7 if scheme.opacity is None else scheme.opacity
    own = _rgb(custom["fieldColor"]) if custom.get("fieldColor") else None
    kind = by if by in ("field", "instance") else "value"
    return AppColors(np.array(pool, np.uint8), kind, own, values, opacity)


def _rgb(color: str) -> np.ndarray:
    try:
        return np.array(ImageColor.getrgb(color)[:3], np.uint8)
    except ValueError as error:
        raise HS2SError(
            f"the App's color scheme has the color {color!r}, which is not a color: correct it"
        ) from error


@dataclass
class OverlayWriter(TrackWriter):
    """``<sequence>.mp4``: the exported frames with their masks; frames without labels as they are."""

    colors: AppColors | None = None

    def add(self, tracks: Tracks) -> int:
        file = self.folder / f"{tracks.name}.mp4"
        self.check_free(file)
        palette = self.colors.of(dict(tracks.labels)) if self.colors else None
        opacity = self.colors.opacity if self.colors else 0.5
        masks, count = tracks.masks(), 0
        following = next(masks, None)
        with VideoWriter(file, tracks.fps / tracks.every) as video:
            for index, image in enumerate(tracks.images() if tracks.images else ()):
                if following is not None and following[0] == index:
                    image = draw_overlay(image, tracks.label_map(following[1])[0], opacity, palette)
                    following = next(masks, None)
                if index % tracks.every == 0:
                    video.write(image)
                    count += 1
            if following is not None:
                raise HS2SError(
                    f"{tracks.name} has masks on frame {following[0] + 1}, which its video does not have"
                )
        return count

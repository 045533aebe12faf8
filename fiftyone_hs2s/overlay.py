"""Masks drawn over frames, for people: pictures, contact sheets, and videos of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from fiftyone_hs2s.files import PathLike
from fiftyone_hs2s.masks import VOID, davis_palette
from fiftyone_hs2s.video_writer import write_video


def draw_overlay(
    frame: np.ndarray, label_map: np.ndarray, opacity: float = 0.5, palette: np.ndarray | None = None
) -> np.ndarray:
    """Tints each object in its color and lines its border.

    Args:
        frame: uint8 (H, W, 3), RGB
        label_map: uint8 or uint16 (H, W); void (255 in uint8) is left as it is
        opacity: of the tint, 0..1
        palette: the colors of all ids, uint8 (N, 3) RGB; None for those of DAVIS

    Returns:
        uint8 (H, W, 3), RGB
    """
    visible = label_map > 0
    if label_map.dtype == np.uint8:
        visible &= label_map != VOID
    if palette is None:
        colors = davis_palette()[np.where(label_map > 254, (label_map - 1) % 254 + 1, label_map)]
    else:
        colors = palette[np.where(visible, label_map, 0)]
    result = frame.copy()
    tinted = cv2.addWeighted(frame, 1 - opacity, colors, opacity, 0)
    result[visible] = tinted[visible]
    border = _border(label_map) & visible
    result[border] = colors[border] // 2 + 127  # light, so that dark colors stand out on dark ground
    return result


def draw_attention(frame: np.ndarray, attention: np.ndarray, strength: float = 0.8) -> np.ndarray:
    """Shows where an object looks in its first frame, from blue to red over the darkened frame.

    Args:
        frame: the object's first frame, uint8 (H, W, 3), RGB
        attention: float32 (H, W) in 0..1, see ``Tracker.first_frame_attention``
        strength: how much of the color covers the frame where the attention is greatest, 0..1

    Returns:
        uint8 (H, W, 3), RGB
    """
    colors = cv2.applyColorMap(np.round(attention * 255).astype(np.uint8), cv2.COLORMAP_JET)[..., ::-1]
    cover = strength * attention[..., None]
    return np.round(frame * 0.6 * (1 - cover) + colors * cover).astype(np.uint8)


def _border(label_map: np.ndarray) -> np.ndarray:
    """Pixels near a pixel of another label; the line is about a 300th of the shorter side wide."""
    width = max(1, round(min(label_map.shape) / 300))
    kernel = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    return cv2.dilate(label_map, kernel) != cv2.erode(label_map, kernel)


def contact_sheet(images: Sequence[np.ndarray], columns: int = 4, gap: int = 4) -> np.ndarray:
    """Puts pictures side by side, row by row, on white.

    Args:
        images: uint8 (H, W, 3); all are brought to the size of the first
        columns: how many in a row
        gap: pixels between them

    Returns:
        uint8 (H', W', 3)
    """
    if not images:
        raise ValueError("A contact sheet needs at least one picture.")
    height, width = images[0].shape[:2]
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for index, image in enumerate(images):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        if image.shape[:2] != (height, width):
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        sheet[top : top + height, left : left + width] = image
    return sheet


def write_overlay(
    path: PathLike,
    frames: Iterable[np.ndarray],
    label_maps: Iterable[np.ndarray | None],
    fps: float = 25,
) -> None:
    """Writes a video of label maps over the frames they belong to.

    Args:
        path: the file (MP4)
        frames: uint8 (H, W, 3), RGB
        label_maps: uint8 or uint16 (H, W) for each frame, None to show the frame as it is; may be longer than
            frames
        fps: frames per second

    Raises:
        HS2SError: as :func:`write_video`
    """
    pairs = zip(frames, label_maps)  # noqa: B905  (the label maps may be endless)
    write_video(
        path,
        (frame if label_map is None else draw_overlay(frame, label_map) for frame, label_map in pairs),
        fps,
    )

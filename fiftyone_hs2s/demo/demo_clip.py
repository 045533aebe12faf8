"""The demo clip: a dahlia and a flying saucer over a lake, with exact masks by construction.

Layers of photographs are moved in the plane of the scenery, seen by a camera that pans, zooms and shakes, and
blended over the time that the shutter is open. While they are blended, the share that every layer has in each
pixel is counted: the label map is that count, decided. A look-alike passes close to the dahlia, and a column
passes in front of everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from fiftyone_hs2s.demo import assets

LENGTH, HEIGHT, WIDTH, FPS = 84, 480, 854, 24
OBJECTS = {1: "dahlia", 2: "saucer"}
SHUTTER, EXPOSURES = 0.5, 3  # open for half of a frame's time, seen at so many moments of it
GRAIN = 2.0  # noise of the sensor, in gray levels


class Pose(NamedTuple):
    """Where a layer is: its center in pixels of the scenery, its scale, its turn in degrees."""

    x: float
    y: float
    scale: float
    degrees: float = 0.0


@dataclass(frozen=True)
class Layer:
    """A cut-out in motion. `id` is 0 for what is not labeled; `pose` takes the time in 0..1."""

    picture: NDArray[np.float32]
    id: int
    pose: Callable[[float], Pose]


def render_clip(
    length: int = LENGTH, layers: list[Layer] | None = None
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Makes the clip, the same every time.

    Args:
        length: number of frames over which the whole story is told.
        layers: another cast than that of `make_layers`, from the back to the front.

    Yields:
        frame: uint8 (480, 854, 3), RGB.
        label_map: uint8 (480, 854), 0 background, ids as in `OBJECTS`; only what is visible is labeled.
    """
    scenery = assets.load_photo("scenery")
    layers = layers or make_layers()
    noise = np.random.default_rng(0)
    for index in range(length):
        moments = [(index + SHUTTER * step / EXPOSURES) / length for step in range(EXPOSURES)]
        image, shares = (
            sum(parts) / EXPOSURES
            for parts in zip(*(expose(scenery, layers, t) for t in moments), strict=True)
        )
        image += noise.normal(0, GRAIN / 255, image.shape[:2])[..., None]
        yield np.rint(image.clip(0, 1) * 255).astype(np.uint8), shares.argmax(axis=0).astype(np.uint8)


def make_layers() -> list[Layer]:
    """The cast, from the back to the front."""
    return [
        Layer(assets.cup(), 2, saucer_pose),
        Layer(assets.look_alike(), 0, look_alike_pose),
        Layer(assets.dahlia(), 1, dahlia_pose),
        Layer(assets.column(), 0, column_pose),
    ]


def expose(
    scenery: NDArray[np.uint8], layers: list[Layer], time: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """One moment of the clip.

    Returns:
        image: float32 (H, W, 3) in 0..1.
        shares: float32 (1 + objects, H, W), what part of each pixel shows which id; they add up to 1.
    """
    view = to_matrix(camera_pose(time), (WIDTH / 2, HEIGHT / 2), inverse=True)
    backdrop = cv2.warpAffine(
        scenery, view[:2], (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    image = backdrop.astype(np.float32) / 255
    shares = np.zeros((1 + len(OBJECTS), HEIGHT, WIDTH), np.float32)
    shares[0] = 1
    for layer in layers:
        height, width = layer.picture.shape[:2]
        blend(image, shares, layer, view @ to_matrix(layer.pose(time), (width / 2, height / 2)))
    return image, shares


def blend(
    image: NDArray[np.float32], shares: NDArray[np.float32], layer: Layer, placement: NDArray[np.float64]
) -> None:
    """Lays a layer over `image` and `shares`, in place; `placement` takes its pixels to the frame's."""
    height, width = layer.picture.shape[:2]
    corners = placement @ np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]])
    left, top = np.floor(corners[:2].min(axis=1)).clip(0, (WIDTH, HEIGHT)).astype(int)
    right, bottom = np.ceil(corners[:2].max(axis=1)).clip(0, (WIDTH, HEIGHT)).astype(int)
    if right <= left or bottom <= top:
        return
    local = placement[:2] - [[0, 0, left], [0, 0, top]]
    picture = cv2.warpAffine(
        layer.picture, local, (int(right - left), int(bottom - top)), flags=cv2.INTER_LINEAR
    )
    color, alpha = picture[..., :3], picture[..., 3]
    box = slice(top, bottom), slice(left, right)
    image[box] = color + image[box] * (1 - alpha[..., None])
    shares[:, box[0], box[1]] *= 1 - alpha
    shares[layer.id][box] += alpha


def to_matrix(pose: Pose, center: tuple[float, float], inverse: bool = False) -> np.ndarray:
    """The (3, 3) affine matrix that puts the point `center` of a picture at `pose`, or (a camera's) the
    way back."""
    angle = np.deg2rad(pose.degrees)
    turn = pose.scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.eye(3)
    matrix[:2, :2] = turn
    matrix[:2, 2] = np.array([pose.x, pose.y]) - turn @ center
    return np.linalg.inv(matrix) if inverse else matrix


def camera_pose(t: float) -> Pose:
    """Pans to the right, closes in, and is held by hand. Its scale is pixels of scenery per pixel of the
    frame."""
    shake_x, shake_y = 1.5 * np.sin(31 * t) + np.sin(53 * t), 1.2 * np.sin(37 * t + 1) + 0.8 * np.sin(61 * t)
    return Pose(255 + 130 * t + shake_x, 195 + 25 * t + shake_y, 0.57 - 0.1 * t, 1.5 * np.sin(5 * t))


def dahlia_pose(t: float) -> Pose:
    """Rises from the pagoda to the right, comes nearer and turns."""
    return Pose(130 + 330 * t, 262 - 85 * np.sin(np.pi * 0.75 * t), 0.42 + 0.22 * t, 200 * t)


def look_alike_pose(t: float) -> Pose:
    """Comes the other way and passes close above the dahlia."""
    return Pose(430 - 330 * t, 105 + 10 * t, 0.46 + 0.06 * np.sin(6 * t), -150 * t)


def saucer_pose(t: float) -> Pose:
    """Sways over the lake like a falling leaf."""
    return Pose(455 - 130 * t**3, 270 + 2 * t + 8 * np.sin(14 * t), 0.4 + 0.06 * t, 22 * np.sin(6 * t))


def column_pose(t: float) -> Pose:
    """Stands near the camera, so that the pan drives it across the frame."""
    return Pose(1000 - 950 * t, 210, 0.68)

"""Bodies, how they move, and how they look from somewhere: all that is asked of PyBullet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
import pybullet

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.training.synthetic.camera import FAR, NEAR

RATE = 240  # steps a second
STEPS_PER_FRAME = 10


@dataclass(frozen=True)
class Part:
    """A part of an object: a mesh and its texture, how it is scaled, and where it is; the first is at the
    middle."""

    mesh: Path
    texture: Path
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)


class World:
    """A physics world with a floor that is not seen (the ground is painted), used as a context manager."""

    def __init__(self) -> None:
        self._client = pybullet.connect(pybullet.DIRECT)
        self._parts: dict[int, int] = {}  # how many a body has
        self._do(pybullet.setGravity, 0, 0, -9.8)
        unseen = self._do(pybullet.createVisualShape, pybullet.GEOM_SPHERE, radius=1e-3)
        floor = self._do(pybullet.createCollisionShape, pybullet.GEOM_BOX, halfExtents=[40, 40, 0.5])
        self.floor = self._do(pybullet.createMultiBody, 0, floor, unseen, [0, 0, -0.5])
        self._do(
            pybullet.changeDynamics,
            self.floor,
            -1,
            lateralFriction=0.8,
            rollingFriction=0.002,
            restitution=0.5,
        )

    def __enter__(self) -> World:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._do(pybullet.disconnect)

    def _do(self, function: Callable, *args: Any, **kwargs: Any) -> Any:
        return function(*args, physicsClientId=self._client, **kwargs)

    def weightless(self) -> None:
        """No gravity and no floor from now on."""
        self._do(pybullet.setGravity, 0, 0, 0)
        self._do(pybullet.removeBody, self.floor)

    def add(self, parts: Sequence[Part], size: float, mass: float = 0.3) -> int:
        """Adds an object of one or several parts, each as its convex hull collides; returns its number.

        Raises:
            HS2SError: if PyBullet cannot load a part
        """
        shapes = [self._shape(part, size) for part in parts]
        collisions, visuals = zip(*shapes[1:], strict=True) if len(shapes) > 1 else ((), ())
        count = len(collisions)
        body = self._do(
            pybullet.createMultiBody,
            mass,
            *shapes[0],
            linkMasses=[mass / 4] * count,
            linkCollisionShapeIndices=collisions,
            linkVisualShapeIndices=visuals,
            linkPositions=[[size * x for x in part.offset] for part in parts[1:]],
            linkOrientations=[[0, 0, 0, 1]] * count,
            linkInertialFramePositions=[[0, 0, 0]] * count,
            linkInertialFrameOrientations=[[0, 0, 0, 1]] * count,
            linkParentIndices=[0] * count,
            linkJointTypes=[pybullet.JOINT_FIXED] * count,
            linkJointAxis=[[0, 0, 1]] * count,
        )
        for link, part in enumerate(parts, -1):
            self.paint(body, part.texture, link)
        self._parts[body] = len(parts)
        self.friction(body, 0.6, 0.35)
        return body

    def add_box(self, half: np.ndarray, texture: Path, at: np.ndarray) -> int:
        """Adds a box that stands still."""
        shape = {"shapeType": pybullet.GEOM_BOX, "halfExtents": list(half)}
        body = self._do(pybullet.createMultiBody, 0, *self._shapes(shape), list(at))
        self.paint(body, texture)
        return body

    def _shape(self, part: Part, size: float) -> tuple[int, int]:
        scale = [size * factor for factor in part.scale]
        try:
            return self._shapes(
                {"shapeType": pybullet.GEOM_MESH, "fileName": str(part.mesh), "meshScale": scale}
            )
        except pybullet.error as error:
            raise HS2SError(f"PyBullet cannot load {part.mesh}; replace or remove it") from error

    def _shapes(self, shape: dict[str, Any]) -> tuple[int, int]:
        return self._do(pybullet.createCollisionShape, **shape), self._do(pybullet.createVisualShape, **shape)

    def paint(self, body: int, texture: Path, link: int = -1) -> None:
        """Gives a body, or one of its parts after the first, another texture.

        Raises:
            HS2SError: if PyBullet cannot load it
        """
        try:
            image = self._do(pybullet.loadTexture, str(texture))
        except pybullet.error as error:
            raise HS2SError(f"PyBullet cannot load {texture}; replace it or remove the object") from error
        self._do(pybullet.changeVisualShape, body, link, textureUniqueId=image)

    def place(self, body: int, at: np.ndarray, euler: np.ndarray) -> None:
        """Puts a body somewhere, turned by angles about x, y and z in radians; ``at[2]`` NaN: on the
        ground."""
        turn = pybullet.getQuaternionFromEuler(list(euler))
        height = at[2]
        if np.isnan(height):
            self._do(pybullet.resetBasePositionAndOrientation, body, [at[0], at[1], 0], turn)
            links = range(-1, self._parts[body] - 1)
            height = 0.005 - min(self._do(pybullet.getAABB, body, link)[0][2] for link in links)
        self._do(pybullet.resetBasePositionAndOrientation, body, [at[0], at[1], height], turn)

    def push(self, body: int, velocity: np.ndarray, spin: np.ndarray) -> None:
        """Sets a body's velocity, units a second, and spin, radians a second."""
        self._do(pybullet.resetBaseVelocity, body, list(velocity), list(spin))

    def friction(self, body: int, lateral: float, restitution: float) -> None:
        """How a body slides and bounces."""
        for link in range(-1, self._parts[body] - 1):
            surface = {"lateralFriction": lateral, "restitution": restitution, "rollingFriction": 0.002}
            self._do(pybullet.changeDynamics, body, link, **surface)

    def settle(self, steps: int) -> None:
        """Lets time pass before the clip begins."""
        for _ in range(steps):
            self._do(pybullet.stepSimulation)

    def simulate(self, bodies: list[int], driven: dict[int, np.ndarray], steps: int) -> np.ndarray:
        """Lets the clip happen.

        Args:
            bodies: whose motion is wanted
            driven: paths (steps, 3) of x, y and heading that bodies follow whatever stands in their way
            steps: of the simulation

        Returns:
            position and quaternion of each body at each step, (steps, bodies, 7)
        """
        motion = np.empty((steps, len(bodies), 7))
        speeds = {body: np.diff(path, axis=0, append=path[-1:]) * RATE for body, path in driven.items()}
        for step in range(steps):
            for number, body in enumerate(bodies):
                place, turn = self._do(pybullet.getBasePositionAndOrientation, body)
                motion[step, number] = *place, *turn
            for body, speed in speeds.items():
                falling = min(self._do(pybullet.getBaseVelocity, body)[0][2], 0)  # it does not bounce
                self.push(body, np.array([*speed[step, :2], falling]), np.array([0, 0, speed[step, 2]]))
            self._do(pybullet.stepSimulation)
        return motion

    def move(self, bodies: list[int], poses: np.ndarray) -> None:
        """Brings bodies to poses (bodies, 7) of a motion."""
        for body, pose in zip(bodies, poses.tolist(), strict=True):
            self._do(pybullet.resetBasePositionAndOrientation, body, pose[:3], pose[3:])

    def draw(
        self,
        size: tuple[int, int],
        view: np.ndarray,
        projection: np.ndarray,
        light: np.ndarray,
        ambient: float,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The bodies from a camera.

        Returns:
            float32 RGB (H, W, 3); the body at each pixel (H, W), -1 for none; its depth (H, W), infinite for
            none
        """
        height, width = size
        seen = self._do(
            pybullet.getCameraImage,
            width,
            height,
            view.T.ravel().tolist(),
            projection.T.ravel().tolist(),
            lightDirection=light.tolist(),
            lightDistance=4,
            shadow=1,
            lightAmbientCoeff=ambient,
            lightDiffuseCoeff=1.1 - ambient,
            lightSpecularCoeff=0.08,
            renderer=pybullet.ER_TINY_RENDERER,
        )
        image = np.reshape(seen[2], (height, width, 4))[..., :3].astype(np.float32)
        bodies = np.reshape(seen[4], size).astype(np.int32)
        depth = 2 * FAR * NEAR / (FAR + NEAR - (2 * np.reshape(seen[3], size) - 1) * (FAR - NEAR))
        return image, bodies, np.where(bodies >= 0, depth, np.inf)

    def silhouette(self, side: int, view: np.ndarray, projection: np.ndarray) -> np.ndarray:
        """Where there is any body, float32 (side, side), 0 to 1."""
        seen = self._do(pybullet.getCameraImage,
            side, side, view.T.ravel().tolist(), projection.T.ravel().tolist(), shadow=0,
            renderer=pybullet.ER_TINY_RENDERER,
        )  # fmt: skip
        return (np.reshape(seen[4], (side, side)) >= 0).astype(np.float32)


def write_texture(path: Path, image: np.ndarray) -> Path:
    """Writes an RGB texture where PyBullet can load it."""
    cv2.imwrite(str(path), image[..., ::-1])
    return path

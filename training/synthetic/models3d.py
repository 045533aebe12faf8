"""The objects to show: textured meshes of a folder, and the procedural ones that come with PyBullet."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.training.synthetic.textures import pattern

HELD_OUT = frozenset(
    (
        "blue_cup",
        "scissors",
        "plastic_banana",
        "mini_claw_hammer_1",
        "stapler_2",
        "shampoo",
        "orion_pie",
        "remote_controller_1",
        "power_drill_pt",
        "mug_pt",
        "cracker_box_pt",
        "book_3_pt",
        "kk_car_taxi",
        "kk_car_hatchback",
        "kk_armchair_pillows",
        "kk_burger",
        "kk_cactus_medium_A",
        "kk_firehydrant",
        "kk_lamp_table",
        "kk_crate_tomatoes",
        "pb_teddy2",
        "pb_lego",
        "rand_045",
        "rand_339",
        "rand_633",
        "rand_927",
        "rand_969",
    )
)
"""Objects of all kinds that no training clip shows: rendered benchmarks are made of them."""

HELD_OUT_FROM = 900  # the procedural objects from this number on are held out too
SPLITS = ("train", "held-out")
# How often, by kind of texture.
REALISM = {
    "photo": 3.0,
    "material photo": 2.0,
    "procedural": 1.5,
    "palette": 1.0,
}
PROCEDURAL_SHARE = 0.15  # of the objects shown, where there is a folder of textured ones too


@dataclass(frozen=True)
class Model:
    """An object: its name, its mesh (longest side 1, centered), and its texture (None: a pattern is made)."""

    name: str
    mesh: Path
    texture: Path | None
    weight: float = 1.0


def is_held_out(name: str) -> bool:
    """Whether an object belongs to the held-out split."""
    number = re.fullmatch(r"rand_(\d{3})", name)
    return name in HELD_OUT or bool(number and int(number[1]) >= HELD_OUT_FROM)


def list_models(folder: Path | None, split: str) -> list[Model]:
    """The objects of a split, those of ``folder`` and PyBullet's own.

    Raises:
        HS2SError: if the folder holds no object of the split
    """
    own = [model for model in _procedural() if is_held_out(model.name) == (split == "held-out")]
    if folder is None:
        return own
    textured = [model for model in _textured(folder) if is_held_out(model.name) == (split == "held-out")]
    if not textured:
        raise HS2SError(
            f"No object of the {split} split in {folder}: it takes NAME/model.obj and NAME/texture.jpg"
        )
    share = PROCEDURAL_SHARE / (1 - PROCEDURAL_SHARE) * sum(model.weight for model in textured) / len(own)
    return textured + [Model(model.name, model.mesh, None, share) for model in own]


def _textured(folder: Path) -> list[Model]:
    manifest = folder / "manifest.json"
    kinds = json.loads(manifest.read_text()) if manifest.is_file() else {}
    found = []
    for mesh in sorted(folder.glob("*/model.obj")):
        texture = next(iter(sorted(mesh.parent.glob("texture.*"))), None)
        weight = REALISM.get(kinds.get(mesh.parent.name, {}).get("texture"), 1.0)
        found.append(Model(mesh.parent.name, mesh, texture, weight))
    return found


def _procedural() -> list[Model]:
    import pybullet_data

    meshes = sorted((Path(pybullet_data.getDataPath()) / "random_urdfs").glob("*/*.obj"))
    return [Model(f"rand_{mesh.stem}", mesh, None) for mesh in meshes]


def ground_pictures(folder: Path | None) -> list[Path]:
    """Photographs of materials for the ground, of a folder of objects."""
    return sorted((folder / "ground").glob("*.jpg")) if folder else []


def prepare(
    rng: np.random.Generator, model: Model, into: Path, photographs: list[np.ndarray]
) -> tuple[Path, Path]:
    """A mesh and a texture that PyBullet can load; what is made for that is written ``into`` a folder.

    A third of the textures of textured objects are tinted, so that there are more kinds than files.
    """
    number = len(list(into.iterdir()))  # PyBullet remembers files by name
    texture = into / f"{number:03d}.png"
    if model.texture is None:
        mesh = into / f"{number:03d}.obj"
        mesh.write_text(_box_mapped(model.mesh))
        cv2.imwrite(str(texture), pattern(rng, photographs))
        return mesh, texture
    if rng.random() > 1 / 3:
        return model.mesh, model.texture
    image = cv2.imread(str(model.texture), cv2.IMREAD_COLOR)
    if image is None:
        raise HS2SError(f"Cannot read the texture {model.texture}; replace it or remove the object")
    cv2.imwrite(str(texture), _tinted(rng, image))
    return model.mesh, texture


def _tinted(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV).astype(np.int32)
    hsv[..., 0] = (hsv[..., 0] + rng.integers(180)) % 180
    hsv[..., 1:] = np.clip(hsv[..., 1:] * rng.uniform(0.7, 1.2, 2), 0, 255)
    return cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2BGR)


def _box_mapped(mesh: Path) -> str:
    """A mesh of triangles as OBJ text with texture coordinates: each face as seen along its main axis."""
    lines = [line.split() for line in mesh.read_text().splitlines()]
    points = np.array([line[1:4] for line in lines if line and line[0] == "v"], float)
    faces = (
        np.array(
            [[part.split("/")[0] for part in line[1:4]] for line in lines if line and line[0] == "f"], int
        )
        - 1
    )
    points -= (points.max(0) + points.min(0)) / 2
    points /= np.ptp(points, axis=0).max()
    corners = points[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    out = ["v {:.5f} {:.5f} {:.5f}".format(*point) for point in points]
    across = np.array([[1, 2], [0, 2], [0, 1]])[np.abs(normals).argmax(1)]
    for place in np.take_along_axis(corners, across[:, None, :], 2).reshape(-1, 2) + 0.5:
        out.append("vt {:.5f} {:.5f}".format(*place))
    out += ["vn {:.5f} {:.5f} {:.5f}".format(*normal) for normal in normals]
    for number, face in enumerate(faces):
        out.append("f " + " ".join(f"{v + 1}/{3 * number + k + 1}/{number + 1}" for k, v in enumerate(face)))
    return "\n".join(out) + "\n"

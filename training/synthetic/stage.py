"""The stage of one clip: its actors, and drawing them by chance from what there is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fiftyone_hs2s.training.synthetic.models3d import Model, prepare
from fiftyone_hs2s.training.synthetic.picture_sets import Figure, PictureSets
from fiftyone_hs2s.training.synthetic.textures import pattern
from fiftyone_hs2s.training.synthetic.world import STEPS_PER_FRAME, Part, World, write_texture

GROUND = np.nan  # as a height: on the ground


@dataclass(frozen=True)
class Look:
    """What an actor looks like; actors of the same look are look-alikes."""

    number: int
    names: tuple[str, ...]
    parts: tuple[Part, ...]


@dataclass
class Actor:
    """Something that plays: a body of the world, or a figure cut out of a picture, which stands upright.

    Attributes:
        names: of the objects it is made of, or of the picture
        look: look-alikes have the same number
        body: in the world; None for a figure
        path: (S, 3): x, y and heading in radians, for what is driven and for figures
        figure: None for a body
        height: of a figure, in units
        labeled: whether it may get a label; what only stands in the way may not
    """

    names: tuple[str, ...]
    look: int
    body: int | None = None
    path: np.ndarray | None = None
    figure: Figure | None = None
    height: float = 0.0
    labeled: bool = True


class Stage:
    """Actors of one clip, in a world of their own.

    Args:
        rng: where all chance comes from
        world: for the bodies
        models: the objects to draw from
        pictures: photographs and figures to draw from
        photographs: some of them, for textures
        frames: of the clip
        folder: for the textures that are made
        compound: share of the objects that are made of several
    """

    def __init__(
        self,
        rng: np.random.Generator,
        world: World,
        models: list[Model],
        pictures: PictureSets,
        photographs: list[np.ndarray],
        frames: int,
        folder: Path,
        compound: float,
    ) -> None:
        self.rng, self.world, self.models, self.pictures = rng, world, models, pictures
        self.photographs, self.folder, self.compound = photographs, folder, compound
        self.steps = frames * STEPS_PER_FRAME
        self.actors: list[Actor] = []
        self.star: Actor | None = None  # whom the clip is about
        self.has_ground = True
        self.motion = np.empty((self.steps, 0, 7))
        self._looks = 0
        weights = np.array([model.weight for model in models])
        self._weights = weights / weights.sum()

    def look(self) -> Look:
        """Draws an object, in its own colors or tinted, now and then stretched, or made of several."""
        several = self.rng.random() < self.compound
        drawn = [self._part(first=True)] + [
            self._part() for _ in range(int(self.rng.integers(1, 4)) if several else 0)
        ]
        self._looks += 1
        names, parts = zip(*drawn, strict=True)
        return Look(self._looks, names, parts)

    def _part(self, first: bool = False) -> tuple[str, Part]:
        """An object; as a further part it is smaller and sits on a side or on top of the first."""
        rng = self.rng
        model = self.models[int(rng.choice(len(self.models), p=self._weights))]
        mesh, texture = prepare(rng, model, self.folder, self.photographs)
        x, y, z = rng.uniform(0.75, 1.3, 3) if rng.random() < 0.4 else np.ones(3)
        if first:
            return model.name, Part(mesh, texture, (x, y, z))
        angle, scale = rng.uniform(-np.pi, np.pi), rng.uniform(0.35, 0.75)
        offset = 0.3 * np.cos(angle), 0.3 * np.sin(angle), rng.uniform(-0.1, 0.4)
        return model.name, Part(mesh, texture, (scale * x, scale * y, scale * z), offset)

    def looks(self, count: int, twins: int) -> list[Look]:
        """Draws looks for ``count`` actors, the first ``twins`` of which are look-alikes."""
        first = self.look()
        return [first if number < twins else self.look() for number in range(count)]

    def put(
        self,
        look: Look,
        at: tuple[float, float, float],
        size: float,
        euler: np.ndarray | None = None,
        path: np.ndarray | None = None,
        mass: float = 0.3,
    ) -> Actor:
        """Puts an object of a look somewhere; upright with a random heading unless ``euler`` says
        otherwise."""
        turn = np.array([0, 0, self.rng.uniform(-np.pi, np.pi)]) if euler is None else euler
        body = self.world.add(look.parts, size, mass)
        self.world.place(body, np.array(at), turn)
        self.actors.append(Actor(look.names, look.number, body, path))
        return self.actors[-1]

    def throw(self, actor: Actor, velocity: np.ndarray, spin: np.ndarray) -> None:
        """Gives a body velocity and spin."""
        assert actor.body is not None
        self.world.push(actor.body, velocity, spin)

    def box(self, half: tuple[float, float, float], at: tuple[float, float]) -> None:
        """Puts a box that stands in the way; it never gets a label."""
        number = len(list(self.folder.iterdir()))
        texture = write_texture(self.folder / f"{number:03d}.png", pattern(self.rng, self.photographs))
        body = self.world.add_box(np.array(half), texture, np.array([*at, half[2]]))
        self._looks += 1
        self.actors.append(Actor(("box",), self._looks, body, labeled=False))

    def figures(self, paths: list[np.ndarray], heights: list[float], twins: int = 1) -> None:
        """Lets figures cut out of pictures walk along paths (S, 3), the first ``twins`` of them
        look-alikes."""
        if not self.pictures.has_figures:
            return
        first = None
        for number, (path, height) in enumerate(zip(paths, heights, strict=True)):
            figure = first if first is not None and number < twins else self._figure()
            if figure is None:
                continue
            if figure is not first:
                self._looks += 1
            first = first or figure
            if self.rng.random() < 0.5:
                figure = Figure(np.ascontiguousarray(figure.image[:, ::-1]), figure.name)
            self.actors.append(Actor((figure.name,), self._looks, path=path, figure=figure, height=height))

    def _figure(self) -> Figure | None:
        for _ in range(20):
            if figure := self.pictures.figure(self.rng):
                return figure
        return None

    def run(self, settle: int = 0) -> None:
        """Lets the clip happen, after some steps that are not shown."""
        self.world.settle(settle)
        driven = {
            actor.body: actor.path
            for actor in self.actors
            if actor.body is not None and actor.path is not None
        }
        self.motion = self.world.simulate(self.bodies, driven, self.steps)

    @property
    def bodies(self) -> list[int]:
        """The bodies of the actors that have one."""
        return [actor.body for actor in self.actors if actor.body is not None]

    def track(self, actor: Actor) -> np.ndarray:
        """Where an actor is at each step, (S, 3); for a figure, its middle."""
        if actor.body is not None:
            return self.motion[:, self.bodies.index(actor.body), :3]
        assert actor.path is not None
        return np.column_stack([actor.path[:, :2], np.full(self.steps, actor.height / 2)])

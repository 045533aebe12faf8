"""One network for several trackers: what they ask for at the same time goes through it as one batch."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Condition, Lock
from typing import Any

import torch

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.network import ImageFeatures, State
from fiftyone_hs2s.runtime.engine import Engine, Started, Stepped

logger = logging.getLogger(__name__)

PATIENCE = 0.1
"""Seconds that others wait for a tracker that is at something else, such as writing what it has found."""


@dataclass(eq=False)
class _Picture(ImageFeatures):
    """A picture that is encoded with those of others, when something is first asked of it."""

    features: ImageFeatures | None = None


@dataclass(eq=False)
class _Request:
    """Objects of one picture: to be advanced to it from their ``state``, or started on it where that is
    None."""

    picture: _Picture
    masks: torch.Tensor
    others: torch.Tensor | None
    state: State | None = None
    result: Any = None
    error: Exception | None = None

    @property
    def kind(self) -> tuple:
        """What requests have in common that can be one batch."""
        return self.state is None, self.masks.shape[1:], self.others is None


@dataclass(eq=False)
class _Call:
    """What a tracker waits for."""

    engine: JointEngine
    requests: list[_Request]
    done: bool = False


class Joint:
    """Computes what trackers ask for, each in a thread of its own; who asks last computes for all.

    It waits for those who were there the last time, though not for long. What fails is done again in halves,
    so that it fails for those alone whom it concerns.

    Args:
        engine: computes the network
        chunk_size: how many objects go through the network at once, of all trackers; where the memory does
            not suffice it is halved

    Raises:
        HS2SError: if the engine takes one picture at a time
    """

    def __init__(self, engine: Engine, chunk_size: int) -> None:
        if not engine.takes_pictures:
            raise HS2SError(
                f"several videos cannot go through {engine.name} as one batch: load the model with"
                ' runtime="torch", or leave batch_videos at 1'
            )
        self.engine, self._chunk_size = engine, chunk_size
        self._changed, self._making = Condition(), Lock()
        self._expected: set[JointEngine] = set()
        self._calls: list[_Call] = []
        self._busy, self._free_since = False, 0.0
        self._in_float32: Joint | None = None

    def in_float32(self) -> Joint:
        """The same in float32."""
        with self._making:
            self._in_float32 = self._in_float32 or Joint(self.engine.in_float32(), self._chunk_size)
            return self._in_float32

    def leave(self, engine: JointEngine) -> None:
        """Waits for a tracker no longer."""
        with self._changed:
            self._expected.discard(engine)
            self._changed.notify_all()

    def compute(self, engine: JointEngine, requests: list[_Request]) -> list[Any]:
        """Computes what a tracker asks for, with what others ask for."""
        call = _Call(engine, requests)
        if calls := self._gather(call):
            try:
                self._compute([request for each in calls for request in each.requests])
            finally:
                with self._changed:
                    for each in calls:
                        each.done = True
                    self._busy, self._free_since = False, time.monotonic()
                    self._changed.notify_all()
        for request in requests:
            if request.error:
                raise request.error
        return [request.result for request in requests]

    def _gather(self, call: _Call) -> list[_Call]:
        """Waits until the call is done, or it is up to this thread to do it, with the others returned."""
        with self._changed:
            self._calls.append(call)
            self._changed.notify_all()
            came = time.monotonic()
            while not call.done:
                left = max(came, self._free_since) + PATIENCE - time.monotonic()
                if self._busy:
                    self._changed.wait()
                elif left > 0 and not self._expected <= {each.engine for each in self._calls}:
                    self._changed.wait(left)
                else:
                    calls, self._calls, self._busy = self._calls, [], True
                    self._expected = {each.engine for each in calls}
                    return calls
        return []

    def _compute(self, requests: list[_Request]) -> None:
        kinds: dict[tuple, list[_Request]] = {}
        for request in requests:
            kinds.setdefault(request.kind, []).append(request)
        for alike in kinds.values():
            for batch in self._batches(alike):
                self._do(batch)

    def _batches(self, requests: Sequence[_Request]) -> Iterator[list[_Request]]:
        batch: list[_Request] = []
        for request in requests:
            if batch and _count([*batch, request]) > self._chunk_size:
                yield batch
                batch = []
            batch.append(request)
        yield batch

    def _do(self, batch: list[_Request]) -> None:
        try:
            for request, result in zip(batch, _results(self.engine, batch), strict=True):
                request.result = result
            return
        except Exception as error:
            if len(batch) == 1:
                batch[0].error = error
                return
            no_memory = isinstance(error, torch.OutOfMemoryError)
        # Out here, where what the error held is free.
        half = len(batch) // 2
        for part in self._smaller(batch) if no_memory else (batch[:half], batch[half:]):
            self._do(part)

    def _smaller(self, batch: list[_Request]) -> Iterator[list[_Request]]:
        """The same for less memory, which is what all others get from now on."""
        self._chunk_size, device = max(1, _count(batch) // 2), batch[0].masks.device
        if device.type == "cuda":
            torch.cuda.empty_cache()
        how = f"objects of all videos go through the network {self._chunk_size} at a time from now on"
        logger.warning("The memory of %s does not suffice: %s", device, how)
        return self._batches(batch)


class JointEngine(Engine):
    """What one of the trackers of a :class:`Joint` computes with.

    Args:
        joint: the joint
    """

    def __init__(self, joint: Joint) -> None:
        super().__init__(joint.engine.network, joint.engine.precision)
        self.name, self._joint = joint.engine.name, joint

    def leave(self) -> None:
        """The others wait for this tracker no longer, until it asks for something again."""
        self._joint.leave(self)

    def in_float32(self) -> JointEngine:
        self.leave()
        return JointEngine(self._joint.in_float32())

    def encode_image(self, frame: torch.Tensor) -> ImageFeatures:
        """Only the frame itself: it is encoded with those of others."""
        return _Picture(frame, {}, None)

    def start(self, image: ImageFeatures, masks: torch.Tensor, others: torch.Tensor | None = None) -> State:
        return self.starts([(image, masks, others)])[0]

    def step(self, image: ImageFeatures, state: State) -> Stepped:
        return self.steps([(image, state)])[0]

    def starts(self, given: Sequence[Started]) -> list[State]:
        return self._joint.compute(
            self, [_Request(_picture(image), masks, others) for image, masks, others in given]
        )

    def steps(self, given: Sequence[tuple[ImageFeatures, State]]) -> list[Stepped]:
        return self._joint.compute(
            self, [_Request(_picture(image), state.masks, state.others, state) for image, state in given]
        )


def _picture(image: ImageFeatures) -> _Picture:
    assert isinstance(image, _Picture)  # of encode_image()
    return image


def _count(batch: Sequence[_Request]) -> int:
    """How many objects there are."""
    return sum(len(request.masks) for request in batch)


def _results(engine: Engine, batch: list[_Request]) -> list[Any]:
    """Does requests of one kind as one batch."""
    _encode(engine, list(dict.fromkeys(r.picture for r in batch if r.picture.features is None)))
    images = [request.picture.features for request in batch if request.picture.features is not None]
    counts = [len(request.masks) for request in batch]
    image = _joined(images, counts)
    states = [request.state for request in batch if request.state is not None]
    stops = [sum(counts[: place + 1]) for place in range(len(batch))]
    parts = [range(stop - count, stop) for stop, count in zip(stops, counts, strict=True)]
    if not states:
        others = [request.others for request in batch if request.others is not None]
        masks = torch.cat([request.masks for request in batch])
        after = engine.start(image, masks, torch.cat(others) if others else None)
        # Copies: what is kept of a first frame would else keep that of all others.
        return [replace(after.select(list(p)), image=own) for p, own in zip(parts, images, strict=True)]
    before = replace(State.cat(states), image=_joined([state.image for state in states], counts))
    logits, after = engine.step(image, before)
    return [
        (
            logits[p.start : p.stop],
            replace(after.select(slice(p.start, p.stop)), image=own, first=state.first),
        )
        for p, own, state in zip(parts, images, states, strict=True)
    ]


def _encode(engine: Engine, pictures: list[_Picture]) -> None:
    if pictures:
        features = engine.encode_image(torch.cat([picture.joint for picture in pictures]))
        for place, picture in enumerate(pictures):
            picture.features = features.select(slice(place, place + 1))


def _joined(images: list[ImageFeatures], counts: list[int]) -> ImageFeatures:
    """The features of each object's picture; of one picture they stay as they are."""
    if len(images) == 1:
        return images[0]
    return ImageFeatures.cat([image.expand(count) for image, count in zip(images, counts, strict=True)])

"""Tracking objects through a video, one frame at a time, in memory that does not grow."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from threading import Lock
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from fiftyone_hs2s.choices import Runtime
from fiftyone_hs2s.errors import HS2SError, VideoError
from fiftyone_hs2s.network import HS2S
from fiftyone_hs2s.network.attention import first_frame_attention
from fiftyone_hs2s.runtime import Engine, choose_engine
from fiftyone_hs2s.runtime.device import choose_device
from fiftyone_hs2s.runtime.joint import Joint, JointEngine
from fiftyone_hs2s.runtime.torch_engine import TorchEngine
from fiftyone_hs2s.tracking.batch import Batch
from fiftyone_hs2s.tracking.frame_work import FrameWork
from fiftyone_hs2s.tracking.options import check_options
from fiftyone_hs2s.tracking.result import TrackedFrame
from fiftyone_hs2s.tracking.seen import SeenFrame, check_mask, see
from fiftyone_hs2s.tracking.views import AVERAGES

logger = logging.getLogger(__name__)

_MAKING = Lock()


class Tracker:
    """Follows objects from their masks on some frame through the frames that come after it.

    What it keeps of the past is each object's state in the network: constant, however long the video.

        tracker = Tracker(load_network("hs2s-lite"))
        tracker.add_objects(frames[0], {1: mask})
        for frame in frames[1:]:
            label_map = tracker.step(frame).label_map

    Args:
        network: the network; it is put to evaluation mode and moved to the device
        size: (h, w) at which the network sees a landscape frame, multiples of 32; a portrait frame is seen at
            (w, h)
        device: "auto" (CUDA where there is one) or a torch device
        precision: "auto", "float32", "bfloat16" or "float16". Where a lower one gives values that are not
            finite, tracking goes on in float32
        aggregation: how objects compete for a pixel, "soft" or "argmax"; see ``aggregation.aggregate``
        chunk_size: how many objects go through the network at once; bounds the memory, not the result. Where
            a GPU's memory does not suffice it is halved
        average: what the results of are averaged at each frame: "none" for the frame alone; "flip" for the
            frame and its mirror image (twice the time and memory); "scales" for the frame at 0.75, 1 and 1.25
            times ``size`` (3.1 times); "flip+scales" for all six (6.3 times)
        runtime: what computes the network: "torch", "openvino" or "onnxruntime" (on a CPU, with the extra
            ``fast``); "auto" for OpenVINO on a CPU where it is installed, else PyTorch

    Raises:
        HS2SError: if an argument cannot be used
    """

    def __init__(
        self,
        network: HS2S,
        size: tuple[int, int] = (256, 448),
        device: str | torch.device = "auto",
        precision: str = "auto",
        aggregation: str = "soft",
        chunk_size: int = 16,
        average: str = "none",
        runtime: Runtime = "auto",
    ) -> None:
        check_options(size, aggregation, average, chunk_size)
        self._asked = (size, device, precision, aggregation, chunk_size, average, runtime)
        self.device = choose_device(device)
        self.network = network.eval().to(self.device)
        self._engine = choose_engine(self.network, self.device, precision, runtime)
        self.size, self.aggregation, self.chunk_size = (size[0], size[1]), aggregation, chunk_size
        self.average, self._views = average, AVERAGES[average]
        self._joint: Joint | None = None
        about = network.config.name, self.device, str(self.precision)[6:], self.runtime
        logger.info("Tracking with %s on %s in %s by %s", *about)
        self.reset()

    @property
    def precision(self) -> torch.dtype:
        """The number format of the network's work."""
        return self._engine.precision

    @property
    def runtime(self) -> str:
        """What computes the network, for people."""
        return self._engine.name

    def reset(self) -> None:
        """Forgets all objects and the video, ready for another one."""
        self._batch = Batch(torch.empty(0, device=self.device), states=tuple(() for _ in self._views))
        self._frame_size = (0, 0)

    def __reduce__(self) -> tuple[Any, ...]:
        """For other processes: the network, and what was asked for, but nothing that is tracked."""
        network = self.network if self.device.type == "cpu" else deepcopy(self.network).cpu()
        return type(self), (network, *self._asked)

    def with_network(self, network: HS2S) -> Tracker:
        """A tracker with the same settings and another network, that tracks nothing yet.

        PyTorch computes it: exporting a network that is made for one video would take longer than the video.

        Args:
            network: in evaluation mode, on the same device
        """
        other = self._with_engine(TorchEngine(network, self.precision, self.device))
        if other.runtime != self.runtime:
            logger.info("PyTorch computes the network of this video")
        return other

    @contextmanager
    def beside_others(self) -> Iterator[Tracker]:
        """A tracker with the same settings for one of several videos that are tracked at once, in threads.

        What all of these ask of the network at about the same time goes through it as one batch, of at most
        ``chunk_size`` objects; the results are those of each by itself, but for rounding.

        Raises:
            HS2SError: if the runtime takes one picture at a time
        """
        other = self._with_engine(JointEngine(self.joint))
        try:
            yield other
        finally:
            if isinstance(other._engine, JointEngine):
                other._engine.leave()

    @property
    def joint(self) -> Joint:
        """What brings together the trackers of :meth:`beside_others`; the error is raised here."""
        with _MAKING:
            self._joint = self._joint or Joint(self._engine, self.chunk_size)
            return self._joint

    def _with_engine(self, engine: Engine) -> Tracker:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.network, other._engine, other._joint = engine.network, engine, None
        other.reset()
        return other

    @property
    def ids(self) -> tuple[int, ...]:
        """The objects that are being tracked, ascending."""
        return tuple(sorted(self._batch.ids))

    def add_objects(self, frame: np.ndarray, masks: Mapping[int, np.ndarray]) -> TrackedFrame:
        """Starts objects on the current frame, or anchors them again, from their masks.

        Other objects that are being tracked must be on this very frame; to anchor objects on the next one,
        use ``step(frame, masks)``.

        Args:
            frame: uint8 (H, W, 3), RGB
            masks: bool (H, W) by id, 1 to 65535; a mask of another size is fitted if its aspect is the
                frame's. Where masks overlap, the smaller one is on top

        Raises:
            MaskError: if a mask does not fit, or has no pixel
            VideoError: if the frame cannot be used
        """
        return self._run(frame, masks, advance=False)

    def see(self, frame: np.ndarray) -> SeenFrame:
        """Brings a frame to the network; in another thread, while :meth:`step` is at those before it.

        Args:
            frame: uint8 (H, W, 3), RGB

        Raises:
            VideoError: if the frame cannot be used
        """
        base = self.size_for((frame.shape[0], frame.shape[1])) if frame.ndim > 1 else self.size
        return see(frame, {view.size(base) for view in self._views}, self.device)

    def step(
        self, frame: np.ndarray | SeenFrame, masks: Mapping[int, np.ndarray] | None = None
    ) -> TrackedFrame:
        """Advances all objects to the next frame.

        Args:
            frame: uint8 (H, W, 3), RGB, of the same size as the frames before; or what :meth:`see` made of it
            masks: objects to start or to anchor again on it, as for :meth:`add_objects`; they are taken as
                they are

        Raises:
            HS2SError: if nothing is being tracked, or the network's output is not finite
            MaskError: if a mask does not fit, or has no pixel
            VideoError: if the frame cannot be used
        """
        if not self._batch.ids and not masks:
            raise HS2SError("There is no object to track: call add_objects first.")
        return self._run(frame, masks or {}, advance=True)

    def remove_objects(self, ids: Iterable[int]) -> None:
        """Stops tracking objects; unknown ids are ignored."""
        gone, before = set(ids), self._batch
        left = [index for index, object_id in enumerate(before.ids) if object_id not in gone]
        self._batch = before.keep(left, self.chunk_size)

    def first_frame_attention(self, object_id: int) -> np.ndarray:
        """Where in its first frame an object looks now: what its pixels are matched with (figure 1 of the
        paper).

        The first frame is the one on which it was started or anchored last. It is computed when asked for,
        from what is kept anyway.

        Returns:
            float32 (H, W) in 0..1, the greatest value 1; all 0 if the object is not in view now

        Raises:
            HS2SError: if the object is not being tracked, or the network does not read first frames
        """
        ids, states = self._batch.ids, self._batch.states
        if object_id not in ids:
            raise HS2SError(
                f"Object {object_id} is not being tracked, only {', '.join(map(str, self.ids)) or 'none'}."
            )
        chunk, place = divmod(ids.index(object_id), self.chunk_size)
        with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
            looked_at = first_frame_attention(self.network, states[0][chunk].select([place]))[None]
        large = F.interpolate(looked_at.float(), self._frame_size, mode="bilinear", align_corners=False)[0, 0]
        return (large / large.max().clamp(min=1e-12)).cpu().numpy()

    def _run(
        self, frame: np.ndarray | SeenFrame, masks: Mapping[int, np.ndarray], advance: bool
    ) -> TrackedFrame:
        seen = frame if isinstance(frame, SeenFrame) else self.see(frame)
        self._check_size(seen.size)
        masks = {object_id: check_mask(object_id, mask, seen.size) for object_id, mask in masks.items()}
        whole = self.chunk_size
        while True:
            try:
                work = self._work()
                with self._engine.at_work():
                    batch, tracked = work.do(self._batch, seen, masks, advance)
            except torch.OutOfMemoryError as error:
                self._make_room(len({*self._batch.ids, *masks}), error)
                continue
            if tracked is not None:
                break
            self._fall_back()
        if self.chunk_size < whole:
            how = f"objects go through the network {self.chunk_size} at a time from now on"
            logger.warning("The memory of %s does not suffice: %s", self.device, how)
        self._batch = batch
        return tracked

    def _make_room(self, objects: int, error: torch.OutOfMemoryError) -> None:
        count = min(self.chunk_size, objects)
        if count < 2:
            height, width = self.size_for(self._frame_size)
            raise HS2SError(
                f"The memory of {self.device} does not suffice for one object at {height}x{width}: "
                "take a smaller size, or another device."
            ) from error
        self.chunk_size = count // 2
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        self._batch = self._batch.chunked(self.chunk_size)

    def _fall_back(self) -> None:
        """Goes on in float32, where the frame was not finite in a lower precision."""
        name = self.network.config.name
        if self.precision == torch.float32:
            raise HS2SError(f"{name} gave values that are not finite: its weights are damaged.")
        logger.warning("%s gave values that are not finite in %s: float32", name, str(self.precision)[6:])
        self._engine, self._batch = self._engine.in_float32(), self._batch.float()

    def prepare(self, frame_size: tuple[int, int]) -> None:
        """Does now what the first frame of a size (H, W) would wait for: exporting and compiling graphs."""
        for view in self._views:
            self._engine = self._engine.ready(view.size(self.size_for(frame_size)))

    def _work(self) -> FrameWork:
        self.prepare(self._frame_size)
        base = self.size_for(self._frame_size)
        return FrameWork(self._engine, self._views, base, self.aggregation, self.chunk_size)

    def _check_size(self, size: tuple[int, int]) -> None:
        if self._batch.ids and size != self._frame_size:
            raise VideoError("The frame is {}x{} pixels, the last {}x{}.".format(*size, *self._frame_size))
        self._frame_size = size

    def size_for(self, frame_size: tuple[int, int]) -> tuple[int, int]:
        """The size (h, w) at which the network sees frames of the size (H, W)."""
        height, width = frame_size
        same_way = (height <= width) == (self.size[0] <= self.size[1])
        return self.size if same_way else (self.size[1], self.size[0])

"""What ``hs2s track`` does with a data set: its sequences, one by one or several at once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from fiftyone_hs2s.cli.network_arguments import make_tracker
from fiftyone_hs2s.cli.output import write_json
from fiftyone_hs2s.cli.track_video import TrackedVideo, track_video
from fiftyone_hs2s.engines import Engine, InThisProcess, get_engine
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.mask_files.layouts import list_sequences, read_split
from fiftyone_hs2s.progress import Progress, Report, reporting

if TYPE_CHECKING:
    from fiftyone_hs2s.tracking import Tracker

_MAKING = Lock()


def track_data_set(args: argparse.Namespace, images: Path) -> int:
    """Tracks the sequences; one that cannot be tracked is named, and the others are tracked all the same.

    Args:
        args: the command's arguments
        images: the folder with the folders of frames

    Raises:
        HS2SError: if an argument has no use, or a sequence was not tracked to its end
    """
    for name in ("overlay", "box", "points"):
        if getattr(args, name):
            raise HS2SError(f"--{name} is for one video: give one sequence of the data set.")
    masks = list_sequences(args.mask or args.video)
    names = read_split(args.video, args.split) if args.split else list(masks)
    engine = _engine(args, len(names))
    work = _SequenceWork(args, images, masks, isinstance(engine, InThisProcess))
    reports, failed = {}, []
    with reporting() as report:
        for number, done in _results(engine, work, names, report):
            if isinstance(done, TrackedVideo):
                reports[names[number]] = done.report
                print(done.printed, flush=True)
            problem = done.incomplete if isinstance(done, TrackedVideo) else done
            if problem:
                print(f"{names[number]}: {problem}", file=sys.stderr)
                failed.append(names[number])
    if args.json:
        write_json(args.json, {"sequences": {name: reports[name] for name in names if name in reports}})
    if failed:
        raise HS2SError(
            f"{len(failed)} of {len(names)} sequences were not tracked to their end: {', '.join(failed)}."
        )
    return 0


def _engine(args: argparse.Namespace, count: int) -> Engine:
    from fiftyone_hs2s.runtime.device import choose_device, gpu_environments

    environments = gpu_environments(choose_device(args.device)) if args.workers != 1 else [{}]
    return get_engine(args.workers, count, environments, args.batch_videos or 1)


def _results(
    engine: Engine, work: _SequenceWork, names: list[str], report: Report
) -> Iterator[tuple[int, TrackedVideo | str]]:
    """What comes of each sequence, or why nothing does, by its number."""
    begun: dict[int, Progress] = {}
    over = 0

    def show(number: int | None = None, within: Progress | None = None) -> None:
        if number is not None and within is not None:
            begun[number] = within
        first, *others = begun.values() or [None]
        report(Progress(over, len(names), "sequence", within=first, beside=tuple(filter(None, others))))

    with closing(engine.results(work, names, show)) as results:
        for number, value, lost in results:
            begun.pop(number, None)
            over += 1
            show()
            yield number, value if lost is None else lost


class _SequenceWork:
    """Tracks a sequence, by its name.

    Args:
        args: the command's arguments
        images: the folder with the folders of frames
        masks: where the masks of each sequence are
        alone: whether it is the only one that is tracked in its process
    """

    def __init__(
        self, args: argparse.Namespace, images: Path, masks: Mapping[str, Path], alone: bool
    ) -> None:
        self._given = args, images, masks, alone
        self._tracker: Tracker | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process makes a tracker for itself."""
        return type(self), self._given

    def __call__(self, name: str, show: Report) -> TrackedVideo | str:
        """What came of the sequence, or why nothing did."""
        args, images, masks, _ = self._given
        try:
            if name not in masks:
                raise HS2SError(f"There are no masks of it in {args.mask or args.video}.")
            own = {"video": images / name, "mask": masks[name], "out": args.out / name, "json": None}
            with self._own_tracker() as tracker:  # after which the arguments name the model
                return track_video(argparse.Namespace(**{**vars(args), **own}), lambda: tracker, show)
        except HS2SError as error:
            return str(error)

    @contextmanager
    def _own_tracker(self) -> Iterator[Tracker]:
        with _MAKING:
            tracker = self._tracker = self._tracker or make_tracker(self._given[0])
        if self._given[3]:
            yield tracker
            return
        with tracker.beside_others() as other:
            yield other

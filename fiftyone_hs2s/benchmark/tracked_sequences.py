"""The sequences of a benchmark: tracked one by one, and not again where they are done."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fiftyone_hs2s.benchmark.benchmark_data import BenchmarkData, check_sequence
from fiftyone_hs2s.benchmark.out_folder import read_json
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import prepare_folder
from fiftyone_hs2s.progress import Progress, Report
from fiftyone_hs2s.tables import write_json

if TYPE_CHECKING:
    from fiftyone_hs2s.tracking import Tracker

logger = logging.getLogger(__name__)
SequenceReport = dict[str, Any]
"""What is kept of a sequence that is done: its frames, prompted frames, confidences and time."""


def track_all(
    data: BenchmarkData,
    out: Path,
    tracker: Tracker,
    void: int | None,
    adapt: float,
    skip_failures: bool,
    report: Report,
) -> tuple[dict[str, SequenceReport], dict[str, str]]:
    """Tracks what is not done yet; gives the report of each sequence that is, and why the others are not."""
    reports: dict[str, SequenceReport] = {}
    failed: dict[str, str] = {}
    for number, name in enumerate(data.sequences):
        report(Progress(number, len(data.sequences), "sequence", note=name))
        file = out / "sequences" / f"{name}.json"
        if (done := _read_report(file, out / "masks" / name)) is not None:
            reports[name] = done
            continue

        def on_frame(within: Progress, number: int = number) -> None:
            report(Progress(number, len(data.sequences), "sequence", within))

        try:
            reports[name] = _track_sequence(data, name, out / "masks" / name, tracker, void, adapt, on_frame)
        except Exception as error:
            if not skip_failures:
                raise HS2SError(f"{name} cannot be tracked: {error}") from error
            failed[name] = str(error) or type(error).__name__
            logger.warning("%s was not tracked: %s", name, failed[name])
        else:
            write_json(file, reports[name])
    report(Progress(len(data.sequences), len(data.sequences), "sequence"))
    if not reports:
        raise HS2SError(
            f"No sequence of {data.root} could be tracked; {next(iter(failed))}: {failed[next(iter(failed))]}"
        )
    return reports, failed


def _read_report(file: Path, masks: Path) -> SequenceReport | None:
    """The report of a sequence that is done, None if it is not, or its masks are not there any more."""
    done = read_json(file) if file.is_file() else None
    return done if done and all((masks / f"{frame}.png").is_file() for frame in done["confidence"]) else None


def _track_sequence(
    data: BenchmarkData,
    name: str,
    folder: Path,
    tracker: Tracker,
    void: int | None,
    adapt: float,
    on_frame: Callable[[Progress], object],
) -> SequenceReport:
    from fiftyone_hs2s.adaptation import adapted_tracker
    from fiftyone_hs2s.tracking import PromptPlan, Steps, open_frames, plan_prompts
    from fiftyone_hs2s.tracking.folders import MaskFiles, track_to_folder

    images, masks = check_sequence(data, name)
    frames = open_frames(images)
    prompts = MaskFiles(masks, frames, void)
    plan: PromptPlan = plan_prompts(frames, prompts)
    prepare_folder(folder)
    tracker = adapted_tracker(tracker, frames, plan, adapt)
    tracker.prepare(frames.size)
    start = time.perf_counter()
    steps = Steps(frames, plan, on_frame)
    confidence = track_to_folder(tracker, frames, plan, folder, on_step=steps, overwrite=True)
    if steps.incomplete:
        raise HS2SError(steps.incomplete)
    return {
        "frames": [frames.name(index) for index in range(len(frames))],
        "size": list(frames.size),
        "prompts": {frames.name(index): ids for index, ids in plan.anchors.items()},
        "num_annotated": len(prompts),
        "num_frames": len(confidence),
        "seconds": time.perf_counter() - start,
        "confidence": confidence,
    }

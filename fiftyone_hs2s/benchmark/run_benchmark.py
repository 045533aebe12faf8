"""Tracks every sequence of a data set, scores what has truth, and writes numbers and the server's zip
file."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fiftyone_hs2s.benchmark.benchmark_data import BenchmarkData, check_sequence, find_benchmark
from fiftyone_hs2s.benchmark.benchmark_result import BenchmarkResult
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import PathLike, prepare_folder, read_text
from fiftyone_hs2s.mask_files.server_zip import write_server_zip
from fiftyone_hs2s.metrics import Evaluation, evaluate_folders
from fiftyone_hs2s.models import default_model, short_name
from fiftyone_hs2s.progress import Progress, ProgressOption, Report, reporting
from fiftyone_hs2s.run_lock import lock_run
from fiftyone_hs2s.tables import write_csv, write_json

if TYPE_CHECKING:
    from fiftyone_hs2s.tracking import Tracker

logger = logging.getLogger(__name__)

_Report = dict[str, Any]
"""What is kept of a sequence that is done: its frames, prompted frames, confidences and time."""


def run_benchmark(
    dataset_dir: PathLike,
    out_dir: PathLike,
    model: str | Tracker | None = None,
    *,
    split: str | None = None,
    kind: str | None = None,
    protocol: str | None = None,
    seen: PathLike | None = None,
    void: int | None = None,
    adapt: float = 0,
    method: str | None = None,
    num_workers: int = 1,
    skip_failures: bool = True,
    overwrite: bool = False,
    progress: ProgressOption = None,
) -> BenchmarkResult:
    """Runs the tracker over a benchmark: DAVIS 2016 or 2017, YouTube-VOS, MOSE, LVOS, SA-V.

    Each object starts from its first mask in ``Annotations``. Nothing is tracked twice: the same call resumes
    where an earlier one stopped, however it ended, and gives equal masks and numbers. FiftyOne is not used.

    Args:
        dataset_dir: the data set, see :func:`find_benchmark`
        out_dir: a folder of its own for ``masks/<sequence>/<frame>.png``, ``results.json``, ``objects.csv``
            and the zip file for the evaluation server, where there is one
        model: name of a model, or a tracker with settings of one's own; None for the default model
        split: the sequences, see :func:`find_benchmark`; None for all that have masks
        kind: ``davis2016``, ``davis2017``, ``youtube-vos``, ``mose``, ``lvos`` or ``sa-v``; None to tell by
            the files
        protocol: how to score; None for the data set's own
        seen: text file of the classes seen in training, see :func:`find_benchmark`
        void: the value of pixels to ignore in 16-bit masks
        adapt: seconds for which a copy of the network learns from each sequence's masks before it is tracked
        method: name for the table; None for that of the model
        num_workers: processes that score; more than one needs ``if __name__ == "__main__":`` in a script
        skip_failures: continue with the next sequence where one cannot be tracked; else its error is raised
        overwrite: begin anew in a folder that holds a benchmark with other settings
        progress: see :data:`fiftyone_hs2s.progress.ProgressOption`

    Raises:
        HS2SError: if the data set or an argument cannot be used, ``out_dir`` holds a benchmark with other
            settings or files of another kind, or no sequence could be tracked
    """
    data = find_benchmark(dataset_dir, split, kind, seen)
    out = Path(os.path.abspath(out_dir))
    _check_out(out, data)
    model = model or default_model()
    tracker = _make_tracker(model)
    settings = _settings(tracker, data, void, adapt)
    with lock_run(out, "benchmark"), reporting(progress) as report:
        _claim(out, settings, overwrite)
        reports, failed = _track_all(data, out, tracker, void, adapt, skip_failures, report)
        evaluation, notes = _score(data, out, reports, protocol, void, num_workers, progress)
        zip_file = _write_zip(data, out, reports, failed, notes)
        frames = sum(done["num_frames"] for done in reports.values())
        seconds = sum(done["seconds"] for done in reports.values()) / max(1, frames)
        name = method or (model if isinstance(model, str) else tracker.network.config.name)
        result = BenchmarkResult(
            data, name, settings, list(reports), failed, evaluation, zip_file, out, seconds, notes
        )
        _write_numbers(result)
    return result


def _make_tracker(model: str | Tracker) -> Tracker:
    from fiftyone_hs2s.network import load_network
    from fiftyone_hs2s.tracking import Tracker

    return Tracker(load_network(short_name(model))) if isinstance(model, str) else model


def _check_out(out: Path, data: BenchmarkData) -> None:
    """Keeps the data set's own files apart from the results."""
    real = Path(os.path.realpath(out))
    for part in (data.images, data.masks):
        inside = Path(os.path.realpath(part))
        if real in (inside, *inside.parents) or inside in real.parents:
            raise HS2SError(
                f"The results cannot go to {out}, which is part of the data set: give another folder."
            )
    if (
        out.is_dir()
        and {file.name for file in out.iterdir()} - {".lock"}
        and not (out / "settings.json").is_file()
    ):
        raise HS2SError(f"{out} holds other files: give an empty or a new folder for the results.")


def _settings(tracker: Tracker, data: BenchmarkData, void: int | None, adapt: float) -> dict[str, Any]:
    """All that the masks depend on."""
    digest = hashlib.sha256()
    for key, value in tracker.network.state_dict().items():
        digest.update(key.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return {
        "frames": str(data.images),
        "masks": str(data.masks),
        "model": tracker.network.config.name,
        "weights_sha256": digest.hexdigest(),
        "reset_period": tracker.network.config.reset_period,
        "size": list(tracker.size),
        "device": tracker.device.type,
        "precision": str(tracker.precision).removeprefix("torch."),
        "aggregation": tracker.aggregation,
        "average": tracker.average,
        "adapted_seconds": adapt,
        "void": void,
    }


def _claim(out: Path, settings: Mapping[str, Any], overwrite: bool) -> None:
    """Makes the folder that of these settings, or makes sure that it is."""
    file = out / "settings.json"
    if file.is_file():
        before = _read_json(file)
        other = [key for key in settings if before.get(key) != settings[key]]
        if not other:
            return
        if not overwrite:
            raise HS2SError(
                f"{out} holds a benchmark with another {', '.join(other)}: give another folder, or"
                " overwrite it."
            )
        for report in (out / "sequences").glob("*.json"):
            report.unlink()
    for folder in (out / "sequences", out / "masks"):
        prepare_folder(folder)
    write_json(file, settings)


def _read_json(file: Path) -> dict[str, Any]:
    try:
        return json.loads(read_text(file))
    except ValueError as error:
        raise HS2SError(f"{file} is damaged ({error}): remove it, and run the benchmark again.") from error


def _track_all(
    data: BenchmarkData,
    out: Path,
    tracker: Tracker,
    void: int | None,
    adapt: float,
    skip_failures: bool,
    report: Report,
) -> tuple[dict[str, _Report], dict[str, str]]:
    """Tracks what is not done yet; gives the report of each sequence that is, and why the others are not."""
    reports: dict[str, _Report] = {}
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


def _read_report(file: Path, masks: Path) -> _Report | None:
    """The report of a sequence that is done, None if it is not, or its masks are not there any more."""
    done = _read_json(file) if file.is_file() else None
    return done if done and all((masks / f"{frame}.png").is_file() for frame in done["confidence"]) else None


def _track_sequence(
    data: BenchmarkData,
    name: str,
    folder: Path,
    tracker: Tracker,
    void: int | None,
    adapt: float,
    on_frame: Callable[[Progress], object],
) -> _Report:
    from fiftyone_hs2s.adaptation import adapted_tracker
    from fiftyone_hs2s.tracking import Steps, open_frames, plan_prompts
    from fiftyone_hs2s.tracking.folders import MaskFiles, track_to_folder

    images, masks = check_sequence(data, name)
    frames = open_frames(images)
    prompts = MaskFiles(masks, frames, void)
    plan = plan_prompts(frames, prompts)
    prepare_folder(folder)
    tracker = adapted_tracker(tracker, frames, plan, adapt)
    start = time.perf_counter()
    steps = Steps(frames, plan, on_frame)
    confidence = track_to_folder(tracker, frames, plan, folder, on_step=steps, overwrite=True)
    if steps.incomplete:
        raise HS2SError(steps.incomplete)
    return {
        "frames": [frames.name(index) for index in range(len(frames))],
        "size": list(frames.size),
        "prompts": {frames.name(index): ids for index, ids in plan.anchors.items()},
        "num_annotated": len(prompts.indices),
        "num_frames": len(confidence),
        "seconds": time.perf_counter() - start,
        "confidence": confidence,
    }


def _score(
    data: BenchmarkData,
    out: Path,
    reports: Mapping[str, _Report],
    protocol: str | None,
    void: int | None,
    num_workers: int,
    progress: ProgressOption,
) -> tuple[Evaluation | None, list[str]]:
    """Scores the sequences that have truth: masks on frames on which no object starts."""
    scored = [name for name, done in reports.items() if done["num_annotated"] > len(done["prompts"])]
    notes = []
    if len(scored) < len(reports):
        without = [name for name in reports if name not in scored]
        notes.append(
            f"Not scored, since only first masks are there: {len(without)} sequences ({_some(without)})."
        )
    if not scored:
        return None, notes
    classes = {name: data.meta.classes[name] for name in scored if name in data.meta.classes} or None
    if data.kind == "youtube-vos" and (data.seen is None or classes is None):
        missing = "seen= (--seen) says which classes were" if classes else "meta.json has no categories"
        notes.append(f"Seen and unseen classes are not told apart: {missing}.")
    evaluation = evaluate_folders(
        out / "masks",
        data.masks,
        protocol or data.benchmark.protocol,
        classes=classes,
        seen=data.seen if classes else None,
        frames=data.meta.frames,
        void=void,
        split=scored,
        num_workers=num_workers,
        progress=progress,
    )
    notes += [f"{problem.sequence}: {problem.message}." for problem in evaluation.problems]
    return evaluation, notes


def _write_zip(
    data: BenchmarkData,
    out: Path,
    reports: Mapping[str, _Report],
    failed: Mapping[str, str],
    notes: list[str],
) -> Path | None:
    """Writes the zip file for the server if there is one; why it was not written is added to the notes."""
    server = data.benchmark.server
    if server is None:
        return None
    file = out / f"{data.kind}-{Path(data.split).stem if data.split else 'all'}.zip"
    file.unlink(missing_ok=True)  # that of an earlier run
    try:
        if failed:
            raise HS2SError(f"{_some(list(failed))} not tracked.")
        expected = {name: _expected(data, name, done) for name, done in reports.items()}
        write_server_zip(
            file, server, {name: _masks(out, name, done) for name, done in reports.items()}, expected
        )
    except HS2SError as error:
        notes.append(f"There is no zip file for the server: {error}")
        return None
    return file


def _expected(data: BenchmarkData, name: str, done: _Report) -> dict[str, tuple[int, int]]:
    """The frames that the server scores: those in ``meta.json``, else all."""
    listed = {frame for frames in data.meta.frames.get(name, {}).values() for frame in frames}
    return {frame: tuple(done["size"]) for frame in done["frames"] if not listed or frame in listed}


def _masks(out: Path, name: str, done: _Report) -> Iterator[tuple[str, np.ndarray | Path]]:
    """The masks of all frames; nothing is there before the first object."""
    for frame in done["frames"]:
        blank = frame not in done["confidence"]
        yield frame, np.zeros(done["size"], np.uint8) if blank else out / "masks" / name / f"{frame}.png"


def _write_numbers(result: BenchmarkResult) -> None:
    write_json(result.out_dir / "results.json", result.to_dict())
    write_csv(result.out_dir / "objects.csv", result.evaluation.object_rows() if result.evaluation else [])


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

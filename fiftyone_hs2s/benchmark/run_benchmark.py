"""Tracks every sequence of a data set, scores what has truth, and writes numbers and the server's zip
file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fiftyone_hs2s.benchmark.benchmark_data import BenchmarkData, find_benchmark
from fiftyone_hs2s.benchmark.benchmark_result import BenchmarkResult
from fiftyone_hs2s.benchmark.out_folder import check_out, claim_folder, tracker_settings
from fiftyone_hs2s.benchmark.submission import write_zip
from fiftyone_hs2s.benchmark.tracked_sequences import SequenceReport, track_all
from fiftyone_hs2s.errors import some
from fiftyone_hs2s.files import PathLike
from fiftyone_hs2s.metrics import Evaluation, evaluate_folders
from fiftyone_hs2s.models import default_model, short_name
from fiftyone_hs2s.progress import ProgressOption, reporting
from fiftyone_hs2s.run_lock import lock_run
from fiftyone_hs2s.tables import write_csv, write_json

if TYPE_CHECKING:
    from fiftyone_hs2s.tracking import Tracker


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
        model: name of a model, or a tracker with your own settings; None for the default model
        split: the sequences, see :func:`find_benchmark`; None for all that have masks
        kind: ``davis2016``, ``davis2017``, ``youtube-vos``, ``mose``, ``lvos`` or ``sa-v``; None to tell by
            the files
        protocol: how to score; None for the data set's own
        seen: text file of the classes seen in training, see :func:`find_benchmark`
        void: the value of pixels to ignore in 16-bit masks
        adapt: seconds for which a copy of the network learns from each sequence's masks before it is tracked
        method: name for the table; None for that of the model
        num_workers: processes that score
        skip_failures: continue with the next sequence where one cannot be tracked; else its error is raised
        overwrite: start over in a folder that holds a benchmark with other settings
        progress: see :data:`fiftyone_hs2s.progress.ProgressOption`

    Raises:
        HS2SError: if the data set or an argument cannot be used, ``out_dir`` holds a benchmark with other
            settings or files of another kind, or no sequence could be tracked
    """
    data = find_benchmark(dataset_dir, split, kind, seen)
    out = Path(os.path.abspath(out_dir))
    check_out(out, data)
    model = model or default_model()
    tracker = _make_tracker(model)
    settings = tracker_settings(tracker, data, void, adapt)
    with lock_run(out, "benchmark"), reporting(progress) as report:
        claim_folder(out, settings, overwrite)
        reports, failed = track_all(data, out, tracker, void, adapt, skip_failures, report)
        evaluation, notes = _score(data, out, reports, protocol, void, num_workers, progress)
        zip_file = write_zip(data, out, reports, failed, notes)
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


def _score(
    data: BenchmarkData,
    out: Path,
    reports: Mapping[str, SequenceReport],
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
            f"Not scored, since only first masks are there: {len(without)} sequences ({some(without)})."
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


def _write_numbers(result: BenchmarkResult) -> None:
    write_json(result.out_dir / "results.json", result.to_dict())
    write_csv(result.out_dir / "objects.csv", result.evaluation.object_rows() if result.evaluation else [])

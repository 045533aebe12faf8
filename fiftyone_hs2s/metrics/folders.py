"""Scoring folders of label maps in DAVIS layout, sequence by sequence, on several processors."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import as_completed
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import read_text
from fiftyone_hs2s.masks import list_label_maps, list_sequences, read_label_map
from fiftyone_hs2s.metrics.analysis import Analysis, analyze
from fiftyone_hs2s.metrics.protocols import Protocol, get_protocol
from fiftyone_hs2s.metrics.results import Evaluation, Problem, summarize
from fiftyone_hs2s.metrics.scores import SequenceScorer, SequenceScores
from fiftyone_hs2s.processes import run_in_processes

PathLike = str | os.PathLike[str]
Progress = Callable[[int, int], None]


def evaluate_folders(
    truth: PathLike,
    prediction: PathLike,
    protocol: str | Protocol = "davis2017",
    *,
    classes: Mapping[str, Mapping[int, str]] | None = None,
    seen: Collection[str] | None = None,
    frames: Mapping[str, Mapping[int, Collection[str]]] | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Evaluation:
    """Scores predicted label maps against true ones.

    A frame or a whole sequence without prediction counts as an empty prediction, and so does a frame of another size
    than the truth's; ids that are not in the truth are ignored. All of this is listed in the result's ``problems``.
    The official DAVIS code ends the program instead; what it would score is scored as it does. Predictions for frames
    without truth are passed over (YouTube-VOS annotates every fifth frame).

    Args:
        truth: folder of sequences ``<sequence>/<frame>.png``, or one sequence
        prediction: folder of the same layout. If both sides hold a single sequence and one of them is given directly
            as the folder of its frames, the two belong together whatever their names
        protocol: ``davis2016``, ``davis2017``, ``youtube-vos``, ``all``, or one of your own
        classes: class name of each object, by sequence and id, for the seen/unseen split
        seen: names of the classes that were seen in training
        frames: names of the frames of each object, by sequence and id, for ``youtube-vos``, see ``summarize``
        workers: number of processes; more than one needs ``if __name__ == "__main__":`` in a script that calls this
        progress: called with the number of sequences done and of all, after each

    Raises:
        HS2SError: if a folder holds no sequences, none is in both, or a file is damaged
    """
    protocol = get_protocol(protocol)
    sequences, problems = score_folders(truth, prediction, protocol, workers=workers, progress=progress)
    evaluation = summarize(sequences, protocol, classes, seen, frames)
    problems = [counted for problem in problems if (counted := _counted(problem, evaluation))]
    return replace(evaluation, problems=problems + evaluation.problems)


def _counted(problem: Problem, evaluation: Evaluation) -> Problem | None:
    """The problem, with those of its frames that count for some object; None if none does."""
    results = evaluation.sequences[problem.sequence].results
    relevant = {frame for result in results for frame in result.frames}
    frames = tuple(frame for frame in problem.frames if frame in relevant)
    return replace(problem, frames=frames) if frames else None


def analyze_folders(
    truth: PathLike,
    prediction: PathLike,
    fps: float = 6,
    protocol: str | Protocol = "youtube-vos",
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> tuple[Analysis, list[Problem]]:
    """Makes the analyses of the HS2S paper of folders, see ``analyze``.

    Args:
        truth: as for ``evaluate_folders``, and so are prediction, protocol, workers and progress
        fps: annotated frames per second: 6 for YouTube-VOS, 24 for DAVIS

    Returns:
        the analysis; what was wrong with the predictions
    """
    sequences, problems = score_folders(truth, prediction, protocol, workers=workers, progress=progress)
    return analyze(sequences, fps, protocol), problems


def score_folders(
    truth: PathLike,
    prediction: PathLike,
    protocol: str | Protocol = "all",
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> tuple[dict[str, SequenceScores], list[Problem]]:
    """The series of all sequences, for protocols, events and analyses, and what was wrong with the predictions.

    Args: as for ``evaluate_folders``. Of the protocol only the treatment of void and of several objects matters.
    """
    protocol = get_protocol(protocol)
    pairs = pair_sequences(truth, prediction)
    tasks = [(name, *folders, protocol.exclude_void, protocol.merge_objects) for name, folders in pairs.items()]
    done: dict[str, tuple[SequenceScores, list[Problem]]] = {}
    for name, scores, found in _run(tasks, min(workers, len(tasks))):
        done[name] = scores, found
        if progress:
            progress(len(done), len(tasks))
    return {name: done[name][0] for name in pairs}, [problem for name in pairs for problem in done[name][1]]


def pair_sequences(truth: PathLike, prediction: PathLike) -> dict[str, tuple[Path, Path | None]]:
    """The folder of each true sequence with that of its prediction, None where there is none.

    Args: as for ``evaluate_folders``.
    """
    true, predicted = list_sequences(truth), list_sequences(prediction)
    direct = Path(truth) in true.values() or Path(prediction) in predicted.values()
    if direct and len(true) == len(predicted) == 1:
        return {name: (folder, next(iter(predicted.values()))) for name, folder in true.items()}
    if not true.keys() & predicted.keys():
        raise HS2SError(
            f"No sequence of {truth} ({_some(true)}) is in {prediction} ({_some(predicted)}): "
            "name the folders of the predictions like those of the truth."
        )
    return {name: (folder, predicted.get(name)) for name, folder in true.items()}


def _some(names: Collection[str]) -> str:
    shown = list(names)[:3]
    return ", ".join(shown) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


_Task = tuple[str, Path, Path | None, bool, bool]


def _run(tasks: list[_Task], workers: int) -> Iterator[tuple[str, SequenceScores, list[Problem]]]:
    """Works the tasks off, in any order."""
    if workers <= 1:
        yield from map(_score_sequence, tasks)
        return
    with run_in_processes(_score_sequence, [(task,) for task in tasks], workers) as futures:
        yield from (future.result() for future in as_completed(futures))


def _score_sequence(task: _Task) -> tuple[str, SequenceScores, list[Problem]]:
    name, truth_folder, prediction_folder, exclude_void, merge_objects = task
    files = list_label_maps(prediction_folder) if prediction_folder else {}
    scorer = SequenceScorer(exclude_void, merge_objects)
    truth_files = list_label_maps(truth_folder)
    other_size = []
    for frame, path in truth_files.items():
        truth = read_label_map(path)
        prediction = read_label_map(files[frame]) if frame in files else None
        if prediction is not None and prediction.shape != truth.shape:
            other_size.append(frame)
            prediction = None
        scorer.update(truth, prediction)
    missing = tuple(frame for frame in truth_files if frame not in files)
    return name, scorer.finish(tuple(truth_files)), _file_problems(name, prediction_folder, missing, tuple(other_size))


def _file_problems(
    name: str, folder: Path | None, missing: tuple[str, ...], other_size: tuple[str, ...]
) -> list[Problem]:
    problems = []
    if folder is None:
        problems.append(Problem("missing-sequence", name, "not predicted: scored as empty", missing))
    elif missing:
        problems.append(Problem("missing-frame", name, "frames without prediction: scored as empty", missing))
    if other_size:
        problems.append(
            Problem("size", name, "predictions of another size than the truth: scored as empty", other_size)
        )
    return problems


class Meta(NamedTuple):
    """What a YouTube-VOS ``meta.json`` says of the objects, by sequence and id."""

    classes: dict[str, dict[int, str]]
    frames: dict[str, dict[int, tuple[str, ...]]]
    """Names of the frames that are listed for each object; objects without a list are left out."""


def read_meta(file: Path) -> Meta:
    """Reads a ``meta.json`` of YouTube-VOS.

    Raises:
        HS2SError: if it is none
    """
    text = read_text(file)
    try:
        objects = {
            name: {int(i): found for i, found in video["objects"].items()}
            for name, video in json.loads(text)["videos"].items()
        }
        classes = {name: {i: o["category"] for i, o in found.items()} for name, found in objects.items()}
        frames = {
            name: {i: tuple(map(str, o["frames"])) for i, o in found.items() if o.get("frames")}
            for name, found in objects.items()
        }
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise HS2SError(f"{file} is no meta.json of YouTube-VOS (videos, objects, category): {error!r}.") from error
    return Meta(classes, frames)


def read_lines(file: Path) -> set[str]:
    """The lines of a text file that are not empty."""
    return {line.strip() for line in read_text(file).splitlines() if line.strip()}

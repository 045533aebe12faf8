"""Scoring folders of label maps, sequence by sequence, on several processors."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from fiftyone_hs2s.engines import get_engine
from fiftyone_hs2s.errors import HS2SError, some
from fiftyone_hs2s.files import PathLike
from fiftyone_hs2s.mask_files.layouts import list_sequences, read_split
from fiftyone_hs2s.mask_files.sequence_masks import MaskSequence
from fiftyone_hs2s.metrics.analysis import Analysis, analyze
from fiftyone_hs2s.metrics.first_frame_match import check_match, match_problem
from fiftyone_hs2s.metrics.matched_masks import MatchedMasks
from fiftyone_hs2s.metrics.protocols import Protocol, get_protocol
from fiftyone_hs2s.metrics.results import Evaluation, Problem
from fiftyone_hs2s.metrics.scores import SequenceScorer, SequenceScores
from fiftyone_hs2s.metrics.summary import summarize
from fiftyone_hs2s.progress import ProgressOption, counted, reporting


def evaluate_folders(
    pred_dir: PathLike,
    gt_dir: PathLike,
    protocol: str | Protocol = "davis2017",
    *,
    classes: Mapping[str, Mapping[int, str]] | None = None,
    seen: Collection[str] | None = None,
    frames: Mapping[str, Mapping[int, Collection[str]]] | None = None,
    match: str = "identity",
    void: int | None = None,
    split: str | Sequence[str] | None = None,
    num_workers: int = 1,
    progress: ProgressOption = None,
) -> Evaluation:
    """Scores predicted label maps against true ones.

    A frame or a whole sequence without prediction counts as an empty prediction, and so does a frame of
    another size than the truth's; ids that are not in the truth are ignored. All of this is listed in the
    result's ``problems``. The official DAVIS code ends the program instead; what it would score is scored as
    it does. Predictions for frames without truth are skipped (YouTube-VOS annotates every fifth frame).

    Args:
        pred_dir: folder of sequences ``<sequence>/<frame>.png``, or ``<sequence>/<object>/<frame>.png`` as in
            SA-V, where objects may overlap and each is scored by itself; the root of such a data set; or one
            sequence
        gt_dir: the same of the truth, in either layout. If both sides hold a single sequence and one of them
            is given directly as the folder of its frames, the two belong together whatever their names
        protocol: ``davis2016``, ``davis2017``, ``youtube-vos``, ``all``, or one of your own
        classes: class name of each object, by sequence and id, for the seen/unseen split
        seen: names of the classes that were seen in training
        frames: names of the frames of each object, by sequence and id, for ``youtube-vos``, see ``summarize``
        match: ``identity``: predicted objects have the ids of the true ones; ``first_frame``: their ids mean
            nothing, and each true object is matched with the predicted one that overlaps it most on its first
            frame, see :class:`fiftyone_hs2s.metrics.first_frame_match.FirstFrames`
        void: the value of pixels to ignore in 16-bit masks, such as 10000 in KITTI MOTS
        split: the sequences to score, a list in the data set's ``ImageSets`` such as ``val``, or a text file;
            or their names
        num_workers: number of processes; more than one takes some seconds to start
        progress: whether to show a bar (None: on a terminal or in a notebook), or a function to call with a
            :class:`fiftyone_hs2s.progress.Progress` for each sequence

    Raises:
        HS2SError: if a folder holds no sequences, none is in both, frames have no name in common, or a file
            is damaged
    """
    protocol = get_protocol(protocol)
    sequences, problems = score_folders(
        pred_dir,
        gt_dir,
        protocol,
        match=match,
        void=void,
        split=split,
        num_workers=num_workers,
        progress=progress,
    )
    evaluation = summarize(sequences, protocol, classes, seen, frames)
    problems = [counted for problem in problems if (counted := _counted(problem, evaluation))]
    return replace(evaluation, problems=problems + evaluation.problems, match=match)


def _counted(problem: Problem, evaluation: Evaluation) -> Problem | None:
    """The problem, with those of its frames that count for some object; None if none of them does."""
    if not problem.frames:
        return problem
    results = evaluation.sequences[problem.sequence].results
    relevant = {frame for result in results for frame in result.frames}
    frames = tuple(frame for frame in problem.frames if frame in relevant)
    return replace(problem, frames=frames) if frames else None


def analyze_folders(
    pred_dir: PathLike,
    gt_dir: PathLike,
    fps: float = 6,
    protocol: str | Protocol = "youtube-vos",
    *,
    void: int | None = None,
    split: str | Sequence[str] | None = None,
    num_workers: int = 1,
    progress: ProgressOption = None,
) -> tuple[Analysis, list[Problem]]:
    """Makes the analyses of the HS2S paper of folders, see ``analyze``.

    Args:
        pred_dir: as for ``evaluate_folders``, and so are gt_dir, protocol, void, split, num_workers and
            progress
        fps: annotated frames per second: 6 for YouTube-VOS, 24 for DAVIS

    Returns:
        the analysis; what was wrong with the predictions
    """
    sequences, problems = score_folders(
        pred_dir, gt_dir, protocol, void=void, split=split, num_workers=num_workers, progress=progress
    )
    return analyze(sequences, fps, protocol), problems


def score_folders(
    pred_dir: PathLike,
    gt_dir: PathLike,
    protocol: str | Protocol = "all",
    *,
    match: str = "identity",
    void: int | None = None,
    split: str | Sequence[str] | None = None,
    num_workers: int = 1,
    progress: ProgressOption = None,
) -> tuple[dict[str, SequenceScores], list[Problem]]:
    """The series of all sequences, for protocols, events and analyses, and what was wrong with the
    predictions.

    Args: as for ``evaluate_folders``. Of the protocol only the treatment of void and of several objects
    matters.
    """
    protocol, match = get_protocol(protocol), check_match(match)
    pairs = pair_sequences(gt_dir, pred_dir, split)
    for folders in pairs.values():
        _check_names(*folders)
    tasks = [
        _Task(name, *folders, protocol.exclude_void, protocol.merge_objects, void, match)
        for name, folders in pairs.items()
    ]
    done: dict[str, tuple[SequenceScores, list[Problem]]] = {}
    with reporting(progress) as report, closing(_run(tasks, num_workers)) as results:
        for name, scores, found in counted(results, len(tasks), report, "sequence"):
            done[name] = scores, found
    return {name: done[name][0] for name in pairs}, [problem for name in pairs for problem in done[name][1]]


def pair_sequences(
    truth: PathLike, prediction: PathLike, split: str | Sequence[str] | None = None
) -> dict[str, tuple[Path, Path | None]]:
    """The folder of each true sequence with that of its prediction, None where there is none.

    Args: as for ``evaluate_folders``.
    """
    true, predicted = list_sequences(truth), list_sequences(prediction)
    direct = Path(truth) in true.values() or Path(prediction) in predicted.values()
    if split is not None:
        true = _in_split(true, Path(truth), split)
    if direct and len(true) == len(predicted) == 1:
        return {name: (folder, next(iter(predicted.values()))) for name, folder in true.items()}
    if not true.keys() & predicted.keys():
        raise HS2SError(
            f"No sequence of {truth} ({some(true)}) is in {prediction} ({some(predicted)}): "
            "name the folders of the predictions like those of the truth."
        )
    return {name: (folder, predicted.get(name)) for name, folder in true.items()}


def _in_split(sequences: dict[str, Path], folder: Path, split: str | Sequence[str]) -> dict[str, Path]:
    names = read_split(folder, split) if isinstance(split, str) else list(split)
    if lost := [name for name in names if name not in sequences]:
        which = f" {split}" if isinstance(split, str) else ""
        raise HS2SError(f"The split{which} names sequences that {folder} has no masks of: {some(lost)}.")
    return {name: sequences[name] for name in names}


def _check_names(truth: Path, prediction: Path | None) -> None:
    """Refuses a sequence none of whose frames would find its prediction."""
    if prediction is None:
        return
    true, predicted = MaskSequence(truth).names, MaskSequence(prediction).names
    if not {*true} & {*predicted}:
        raise HS2SError(
            f"No frame of {truth} ({some(true)}) is in {prediction} ({some(predicted)}): "
            "name the files of the predictions like those of the truth."
        )


class _Task(NamedTuple):
    name: str
    truth: Path
    prediction: Path | None
    exclude_void: bool
    merge_objects: bool
    void: int | None
    match: str = "identity"


def _run(tasks: list[_Task], num_workers: int) -> Generator[tuple[str, SequenceScores, list[Problem]]]:
    """Works the tasks off, in any order."""
    with closing(get_engine(num_workers, len(tasks)).results(_score_sequence, tasks)) as results:
        for result in results:
            if result.lost:
                raise HS2SError(f"the sequence {tasks[result.number].name} was not scored: {result.lost}")
            yield result.value


def _score_sequence(task: _Task, _: Any) -> tuple[str, SequenceScores, list[Problem]]:
    truth = MaskSequence(task.truth, task.void)
    files = MaskSequence(task.prediction, task.void, like=truth) if task.prediction else None
    there = set(files.names) if files else set()
    other_size = tuple(f for f in truth.names if files and f in there and files.size(f) != truth.size(f))
    problems = _file_problems(task, tuple(frame for frame in truth.names if frame not in there), other_size)
    there -= {*other_size}
    prediction: MaskSequence | MatchedMasks | None = files
    if files and task.match == "first_frame" and not task.merge_objects:
        prediction = MatchedMasks(files, truth, there)
        if doubts := match_problem({i: f"object {i}" for i in prediction.true_ids}, prediction.matches):
            problems.append(Problem("match", task.name, doubts))
    scorer = SequenceScorer(task.exclude_void, task.merge_objects, task.void)
    layered = not task.merge_objects and (
        truth.is_layered or (prediction is not None and prediction.is_layered)
    )
    for frame in truth.names:
        predicted = prediction if frame in there else None
        if layered:
            scorer.update_layers(truth.layers(frame), predicted.layers(frame) if predicted else {})
        else:
            scorer.update(truth.label_map(frame), predicted.label_map(frame) if predicted else None)
    notes = {note for sequence in (truth, prediction) if sequence and (note := sequence.note)}
    problems += [Problem("gray", task.name, note) for note in sorted(notes)]
    return task.name, scorer.finish(tuple(truth.names)), problems


def _file_problems(task: _Task, missing: tuple[str, ...], other_size: tuple[str, ...]) -> list[Problem]:
    problems, name = [], task.name
    if task.prediction is None:
        problems.append(Problem("missing-sequence", name, "not predicted: scored as empty", missing))
    elif missing:
        problems.append(Problem("missing-frame", name, "frames without prediction: scored as empty", missing))
    if other_size:
        problems.append(
            Problem("size", name, "predictions of another size than the truth: scored as empty", other_size)
        )
    return problems

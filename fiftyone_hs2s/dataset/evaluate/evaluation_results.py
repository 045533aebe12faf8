"""What an evaluation found: tables, reports and plots."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import fiftyone.utils.eval.detection as foud
import numpy as np

from fiftyone_hs2s.dataset.evaluate import figures
from fiftyone_hs2s.dataset.evaluate.compact_rows import CompactRows
from fiftyone_hs2s.dataset.evaluate.evaluation_tables import EvaluationTables
from fiftyone_hs2s.dataset.evaluate.stored_series import StoredSeries, unpack
from fiftyone_hs2s.dataset.sample_views import frame_rates
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.metrics import (
    Evaluation,
    SequenceScores,
    get_protocol,
    summarize,
)
from fiftyone_hs2s.metrics.analysis import steps
from fiftyone_hs2s.metrics.events import worst_frame
from fiftyone_hs2s.tables import data_frame, percent, text_table

if TYPE_CHECKING:
    import pandas
    import plotly.graph_objects as go

_LABELS = ("ytrue", "ypred", "ious", "confs", "ytrue_ids", "ypred_ids", "classes")
"""What FiftyOne's results hold of labels that were found or missed."""
_ROWS = {"J": "J (region similarity)", "F": "F (boundary similarity)", "J&F": "J&F (mean of J and F)"}


class PropagationResults(foud.DetectionResults):
    """Results of :func:`fiftyone_hs2s.evaluate_propagation`.

    Beyond what all detection evaluations of FiftyOne have (their labels are those of objects found or missed
    on single frames), these hold scores by object.

    Args:
        samples: the samples
        config: the evaluation's configuration
        eval_key: the evaluation's key
        tables: what was found
        **kwargs: as in ``DetectionResults``
    """

    def __init__(
        self, samples: Any, config: Any, eval_key: str | None, tables: EvaluationTables, **kwargs: Any
    ) -> None:
        super().__init__(samples, config, eval_key, [], **kwargs)
        for name in _LABELS:
            self.__dict__.pop(name, None)
        self._tables, self._classes = tables, kwargs.get("classes")
        self.custom_metrics: dict[str, Any] = {**(kwargs.get("custom_metrics") or {}), **self._panel_rows()}

    def __getattr__(self, name: str) -> Any:
        """FiftyOne's arrays of labels, which are large: they are made when they are asked for."""
        if name not in _LABELS:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        rows, options = list(self._tables.match_rows()), {"classes": self._classes, "missing": self.missing}
        made = foud.DetectionResults(
            self.samples, self.config, self.key, rows, **options, backend=self.backend
        )
        for label in _LABELS:
            self.__dict__.setdefault(label, getattr(made, label))
        return self.__dict__[name]

    @property
    def objects(self) -> CompactRows:
        """One row per scored object, see :meth:`to_dataframe`."""
        return self._tables.objects

    @property
    def series(self) -> dict[str, StoredSeries]:
        """The frame by frame values of each video, clip or group, packed, by key."""
        return self._tables.series

    @property
    def problems(self) -> list[dict[str, str]]:
        """What was odd or could not be scored: ``sample_id`` and ``message``."""
        return self._tables.problems

    @property
    def J(self) -> float:
        """Mean region similarity over objects."""
        return float(self.objects.column("J").mean())

    @property
    def F(self) -> float:
        """Mean boundary similarity over objects."""
        return float(self.objects.column("F").mean())

    @property
    def JF(self) -> float:
        """(J + F) / 2."""
        return (self.J + self.F) / 2

    @property
    def prompts_note(self) -> str:
        """What became of the masks that the tracker was given, in a sentence; empty if none would count."""
        count = self.objects.column("prompts").sum()
        if not count:
            return ""
        masks = "1 mask that was a prompt" if count == 1 else f"{count} masks that were prompts"
        if get_protocol(self.config.protocol).skip_prompts:
            return f"{masks} left out of the scores"
        return f"{masks} counted as if tracked: the protocol {self.config.protocol} takes all frames"

    def scores(self, key: str) -> SequenceScores:
        """The frame by frame values of a video.

        Args:
            key: the sample's id; for a clip ``<id>:<first>-<last>``

        Raises:
            HS2SError: if it was not scored
        """
        if key not in self.series:
            raise HS2SError(f"sample {key!r} was not scored by the evaluation {self.key!r}: run it again")
        return unpack(self.series[key].data)

    def names(self, key: str) -> dict[int, str]:
        """What to call the objects of a video, by number."""
        return dict(self.series[key].names)

    def evaluation(self, seen: Collection[str] | None = None) -> Evaluation:
        """The official numbers with all their parts, from the stored series.

        Args:
            seen: the labels that were seen in training; with them ``splits`` has J and F of these and of the
                other labels apart, and YouTube-VOS's G, the mean of the four
        """
        classes: dict[str, dict[int, str]] = {}
        for row in self.objects if seen is not None else ():
            classes.setdefault(row["key"], {})[row["object"]] = row["label"]
        return summarize({key: self.scores(key) for key in self.series}, self.config.protocol, classes, seen)

    def report(self, classes: Sequence[str] | None = None) -> dict[str, Any]:
        """The scores, and FiftyOne's classification report of the labels that were found or missed.

        Args:
            classes: classes of the latter; None for all

        Returns:
            ``J``, ``F`` (each with ``mean``, ``recall``, ``decay``), ``J&F``, ``protocol``, ``match``,
            ``objects``, ``samples``, and the report's own entries
        """
        statistics = {name: self._statistics(name) for name in ("J", "F")}
        counts = {"objects": len(self.objects), "samples": len({row["sample_id"] for row in self.objects})}
        own = {
            **statistics,
            "J&F": self.JF,
            "protocol": self.config.protocol,
            "match": self.config.match,
            **counts,
        }
        return {**super().report(classes=classes), **own}

    def print_report(self, classes: Sequence[str] | None = None, digits: int = 3, worst: int = 5) -> None:
        """Prints the scores and the worst objects in percent, and FiftyOne's classification report.

        Args:
            classes: classes of the classification report; None for all
            digits: number of digits of the classification report
            worst: how many objects to list
        """
        self.print(worst)
        print()
        super().print_report(classes=classes, digits=digits)

    def print(self, worst: int = 5) -> None:
        """Prints the scores and the worst objects in percent.

        Args:
            worst: how many objects to list
        """
        report = self.report()
        counts = f"{report['objects']} objects, {report['samples']} samples"
        print(f"J&F {percent(self.JF)}  ({report['protocol']}: {counts})")
        if self.config.match == "first_frame":
            print("objects matched by overlap on their first frame, not by identity")
        for name in ("J", "F"):
            print(name, "  ".join(f"{part} {percent(value)}" for part, value in report[name].items()))
        print("\nworst objects")
        columns = ("name", "sample_id", "frames")
        rows = sorted(self.objects, key=lambda row: row["JF"])[:worst]
        lines = [
            (*(row[name] for name in columns), *(percent(row[name]) for name in ("J", "F", "JF")))
            for row in rows
        ]
        print(text_table([("object", "sample", "frames", "J", "F", "J&F"), *lines]))
        if self.prompts_note:
            print(f"note: {self.prompts_note}")
        for problem in self.problems:
            print(f"note: sample {problem['sample_id']}: {problem['message']}")

    def to_dataframe(self) -> pandas.DataFrame:
        """One row per object.

        Columns: ``sample_id``; ``key`` (the same, for a clip with its frames); ``object`` (its number);
        ``name``; ``label``; ``J``, ``F``, ``JF``; ``J_recall``, ``F_recall``, ``J_decay``, ``F_decay``;
        ``frames`` that counted; ``prompts`` (frames left out because their mask was given to the tracker; by
        the protocol ``all`` they count); ``length`` (frames from its first to its last visible one);
        ``occlusions`` and ``longest_occlusion`` (annotated frames without it, after its first one); where
        objects were matched by overlap, ``matched`` says with which predicted one, None for none.

        Raises:
            HS2SError: if pandas is not installed
        """
        return data_frame(self.objects)

    def plot_histogram(self) -> go.Figure:
        """How many samples have which J&F."""
        return figures.figure([figures.histogram(self.sample_scores())[0]], figures.HISTOGRAM)

    def plot_over_time(self) -> go.Figure:
        """J&F against time since an object's first frame, mean over objects; early and late as the paper
        has them."""
        traces = figures.over_time(self.curves())
        return figures.figure(traces, figures.time_layout(max(traces[0]["x"])))

    def plot_worst_objects(self, limit: int = 20) -> go.Figure:
        """The objects with the lowest J&F."""
        return figures.figure(figures.worst_objects(self.objects, limit), figures.WORST)

    def sample_scores(self) -> dict[str, float]:
        """J&F by sample id."""
        return self._tables.means_by_sample("JF")

    def worst_frame(self, sample_id: str, object: str | None = None) -> int:
        """The frame on which the masks of a sample are worst, to begin a correction with.

        Args:
            sample_id: the sample's id
            object: the name of one of its objects; None for the object that is worst

        Raises:
            HS2SError: if this was not scored
        """
        found: list[tuple[float, int]] = []
        for key, entry in self.series.items():
            if entry.sample_id == sample_id:
                names, series = self.names(key), self.scores(key)
                for number in series.true_ids:
                    if object in (None, names.get(number)):
                        scores = series.objects[number]
                        frame = worst_frame(scores)
                        found.append((float(scores.JF[scores.frames == frame][0]), frame))
        if not found:
            raise HS2SError(f"the evaluation {self.key!r} scored no such object of sample {sample_id!r}")
        return min(found)[1]

    def curves(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """By object, the time of each counted frame in steps of 1/6 s since its first one, float (K,), and
        J&F."""
        curves = {}
        fps = frame_rates(self.samples, {entry.sample_id for entry in self.series.values()})
        for result in self.evaluation().results:
            scores = self.scores(result.sequence).objects[result.object_id]
            times = steps(scores, fps[self.series[result.sequence].sample_id])
            counted = times[np.isin(scores.frames, result.frames)]
            curves[f"{result.sequence} {result.object_id}"] = counted, (result.J_frames + result.F_frames) / 2
        return curves

    def serialize(self, *_: Any, **__: Any) -> dict[str, Any]:
        """What is stored."""
        own = {"classes": self._classes, "missing": self.missing, "custom_metrics": self.custom_metrics}
        return {"cls": self.cls, **own, **self._tables.to_dict()}

    def _statistics(self, name: str) -> dict[str, float]:
        columns = {"mean": name, "recall": f"{name}_recall", "decay": f"{name}_decay"}
        return {part: float(self.objects.column(column).mean()) for part, column in columns.items()}

    def _panel_rows(self) -> dict[str, dict[str, Any]]:
        """J, F, J&F as rows of the App's Model Evaluation panel."""
        values = zip(_ROWS.items(), (self.J, self.F, self.JF), strict=True)
        return {
            f"@hs2s/hs2s/{name}": {"key": name, "value": value, "label": label, "lower_is_better": False}
            for (name, label), value in values
        }

    @classmethod
    def _from_dict(
        cls, d: dict[str, Any], samples: Any, config: Any, eval_key: str, **kwargs: Any
    ) -> PropagationResults:
        options = {name: d.get(name) for name in ("classes", "missing", "custom_metrics")}
        return cls(samples, config, eval_key, EvaluationTables.from_dict(d), **options, **kwargs)

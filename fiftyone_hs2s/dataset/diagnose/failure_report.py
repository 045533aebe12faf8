"""What :func:`fiftyone_hs2s.find_failures` found."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fiftyone_hs2s.dataset.evaluate import figures
from fiftyone_hs2s.tables import data_frame, text_table

if TYPE_CHECKING:
    import pandas
    import plotly.graph_objects as go


@dataclass
class FailureReport:
    """What was found, as it is written to the samples.

    The sample field ``<pred_field>_events`` holds the events as temporal detections. Their labels name kind,
    object and severity, such as ``lost: dog 2 (0.31)``, in the App and as what
    ``dataset.to_clips("<pred_field>_events")`` calls its clips; their attributes are ``kind``, ``object``,
    ``explanation`` (in words), ``severity`` (0..1) and ``worst_frame``, where a correction should begin. The
    App shows them while they last, ``filter_labels("<pred_field>_events", F("kind") == "lost")`` picks some.
    Images of groups have the events that happen on them as classifications instead, with the same attributes
    and ``first``, ``last`` and ``worst``: the first and last image, by position, and whether this one is the
    worst.

    To filter samples there are ``<key>_num_occlusions``, ``<key>_longest_occlusion`` (frames),
    ``<key>_recovered`` (whether all objects were tracked again after their occlusions),
    ``<key>_worst_event``, and ``<key>_track_back_J``, J of the prompts with what tracking back made of them,
    mean over the sample's objects. The key is that of the evaluation, to which these fields then belong: they
    are renamed and deleted with it. Without one it is the field of the predictions.

    Attributes:
        events: rows with ``sample_id`` (of a group that of the worst image), ``kind``, ``object`` (its name),
            ``first`` and ``last`` frame, ``severity``, ``worst_frame``, ``explanation``
        track_back: rows with ``sample_id``, ``object``, and ``J`` of its prompt with what tracking back has
            made of it
        problems: samples that could not be examined, and why
        field: the field that holds the events
        match: how predicted objects were matched with true ones; None without ground truth
    """

    field: str
    events: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    track_back: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    problems: list[dict[str, str]] = dataclasses.field(default_factory=list)
    match: str | None = None

    @property
    def counts(self) -> dict[str, int]:
        """The number of events by kind, the most frequent first."""
        return dict(Counter(row["kind"] for row in self.events).most_common())

    def print(self) -> None:
        """Prints the events, worst first, and what could not be examined."""
        columns = ("kind", "object", "first", "last", "severity", "explanation")
        rows = sorted(self.events, key=lambda row: -row["severity"])
        lines = [(row["sample_id"], *(_cell(row[name]) for name in columns)) for row in rows]
        print(text_table([("sample", *columns), *lines]) if lines else "no events")
        if self.match == "first_frame":
            print("objects matched by overlap on their first frame, not by identity")
        for problem in self.problems:
            print(f"note: sample {problem['sample_id']}: {problem['message']}")

    def to_dataframe(self) -> pandas.DataFrame:
        """The rows of ``events``."""
        columns = ("sample_id", "kind", "object", "first", "last", "severity", "worst_frame", "explanation")
        return data_frame(self.events, columns)

    def plot(self) -> go.Figure:
        """How many events there are of each kind."""
        return figures.figure([figures.counts(self.counts)], figures.EVENTS)

    def __str__(self) -> str:
        found = ", ".join(f"{count} {kind}" for kind, count in self.counts.items()) or "no events"
        return (
            f"{found} (objects matched by overlap on their first frame)"
            if self.match == "first_frame"
            else found
        )


def _cell(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)

"""What is finished: a sample field beside the propagated labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import inf
from typing import Literal, cast

import fiftyone as fo

from fiftyone_hs2s.dataset.database import check_there, is_empty
from fiftyone_hs2s.dataset.sequences import LabeledSequence
from fiftyone_hs2s.errors import HS2SError

State = Literal["started", "complete", "incomplete", "failed"]
# That of a whole sample is the first.
_NEXT = re.compile(r", (?=(?:started|complete|incomplete|failed) \d+-\d+)")
_ENTRY = re.compile(r"(started|complete|incomplete|failed)(?: (\d+-\d+))?(?:: (.*))?", re.DOTALL)


class StatusField:
    """The sample field ``<label_field>_status``.

    It holds ``"started"`` while a sample is tracked (or when this was interrupted), then ``"complete"``,
    ``"incomplete"`` where the video ended early, or ``"failed: "`` and why, if there are no masks. Clips of a
    sample have entries of their own: ``"complete 10-40, failed 50-60: no frame has ..."``.

    Args:
        dataset: the dataset
        label_field: the field that the labels go to, without ``frames.``

    Raises:
        HS2SError: if the dataset has a field of this name and another type
    """

    def __init__(self, dataset: fo.Dataset, label_field: str) -> None:
        self.name = f"{label_field}_status"
        self.dataset, self._label_field = dataset, label_field
        field = dataset.get_field(self.name)
        if field is not None and not isinstance(field, fo.StringField):
            raise HS2SError(
                f"the field {self.name!r} is in use, and the status of samples would be written to it: "
                f"choose another label field than {label_field!r}"
            )

    def get(self, sequence: LabeledSequence) -> State | None:
        """The state of the sequence's labels; None if there are none of earlier runs.

        A clip of a complete video is complete. What has been started, or has failed, within a sequence since
        makes it ``"started"`` until that is complete.
        """
        return _state(self._read(sequence), sequence.span)

    def states(self, sequences: Sequence[LabeledSequence]) -> list[State | None]:
        """The states of many sequences of the dataset at once, as :meth:`get` has them."""
        noted = sequences and self.dataset.has_sample_field(self.name)
        columns = sequences[0].all_samples.values(["id", self.name]) if noted else ()
        texts = dict(zip(*columns, strict=True))
        return [_state(_parse(texts.get(sequence.sample_id)), sequence.span) for sequence in sequences]

    def check_own(self, sequences: Iterable[LabeledSequence]) -> None:
        """Makes sure that not all of the sequences have labels that something else put into the field.

        Raises:
            HS2SError: if all have
        """
        foreign = [self.get(s) is None and s.has_labels(self._label_field) for s in sequences]
        if foreign and all(foreign):
            raise HS2SError(
                f"the field {self._label_field!r} has labels that come from elsewhere: choose another label"
                " field, or overwrite=True (Overwrite in the form) to replace them"
            )

    def set(self, sequence: LabeledSequence, state: State | None, why: str = "") -> None:
        """Notes the sequence's state.

        Args:
            sequence: the sequence
            state: its state; None removes it, but what overlaps it has lost labels then: ``"started"``
            why: the reason of a failure
        """
        states = self._read(sequence) if sequence.span else {}
        states.pop(sequence.span, None)
        if state is None and any(_overlap(span, sequence.span) for span in states):
            state = "started"
        if state is not None:
            states[sequence.span] = (state, why)
        entries = (
            f"{f'{state} {span}'.strip()}{why and f': {why}'}" for span, (state, why) in states.items()
        )
        text = ", ".join(entries) or None
        self.declare()
        check_there(self.dataset, fields=[self.name])
        sequence.samples.set_values(
            self.name, dict.fromkeys(sequence.samples.values("id"), text), key_field="id"
        )

    def declare(self) -> None:
        """Adds the field, unless it is there."""
        self.dataset.add_sample_field(self.name, fo.StringField)

    def remove_if_empty(self) -> None:
        """Removes the field if nothing is noted for any sample."""
        if is_empty(self.dataset, self.name):
            self.dataset.delete_sample_field(self.name, error_level=2)

    def _read(self, sequence: LabeledSequence) -> dict[str, tuple[State, str]]:
        """The states, and why, by span, in the order in which they were noted."""
        if not self.dataset.has_sample_field(self.name):
            return {}
        texts = set(sequence.samples.values(self.name))
        if len(texts) > 1:  # images that were added to a group
            return {"": ("started", "")}
        return _parse((texts and texts.pop()) or "")


def _parse(text: str | None) -> dict[str, tuple[State, str]]:
    entries = (_ENTRY.fullmatch(entry) for entry in _NEXT.split(text or ""))
    return {entry[2] or "": (cast("State", entry[1]), entry[3] or "") for entry in entries if entry}


def _state(entries: dict[str, tuple[State, str]], span: str) -> State | None:
    """The state of a span, ``""`` for all of a sample."""
    found: State | None = None
    for other, (state, _) in entries.items():  # what was noted later counts
        lost = found is not None if state == "failed" else state != "complete" or found is None
        if other in ("", span):
            found = None if state == "failed" else state
        elif lost and _overlap(other, span):
            found = "started"
    return found


def _overlap(span: str, other: str) -> bool:
    """Whether two spans share frames; an empty one is the whole video."""
    (first, last), (start, end) = (map(int, s.split("-")) if s else (1, inf) for s in (span, other))
    return first <= end and start <= last

"""What is finished: a sample field beside the propagated labels."""

from __future__ import annotations

from typing import Literal

import fiftyone as fo

from fiftyone_hs2s.dataset.sequences import LabeledSequence
from fiftyone_hs2s.errors import HS2SError

State = Literal["started", "complete", "incomplete"]


class StatusField:
    """The sample field ``<label_field>_status``.

    It holds ``"started"`` while a sample is tracked (or when this was interrupted), then ``"complete"``, or
    ``"incomplete"`` where the video broke off. Clips of a sample have entries of their own: ``"complete 10-40"``.

    Args:
        dataset: the dataset
        label_field: the field that the labels go to, without ``frames.``

    Raises:
        HS2SError: if the dataset has a field of this name and another type
    """

    def __init__(self, dataset: fo.Dataset, label_field: str) -> None:
        self.name = f"{label_field}_status"
        self._dataset = dataset
        field = dataset.get_field(self.name)
        if field is not None and not isinstance(field, fo.StringField):
            raise HS2SError(
                f"the field {self.name!r} is in use, where it would be noted which samples are finished: "
                f"choose another label field than {label_field!r}"
            )

    def get(self, sequence: LabeledSequence) -> State | None:
        """The sequence's state; a clip of a complete video is complete. None if it was never started."""
        states = self._read(sequence)
        return states[""] if states.get("") == "complete" else states.get(sequence.span)

    def set(self, sequence: LabeledSequence, state: State | None) -> None:
        """Notes the sequence's state; None removes it."""
        states = self._read(sequence) if sequence.span else {}
        states.pop(sequence.span, None)
        if state is not None:
            states[sequence.span] = state
        text = ", ".join(f"{state} {span}".strip() for span, state in states.items()) or None
        self._dataset.add_sample_field(self.name, fo.StringField)
        self._dataset.set_values(self.name, dict.fromkeys(sequence.sample_ids, text), key_field="id")

    def _read(self, sequence: LabeledSequence) -> dict[str, State]:
        """The states by span."""
        if not self._dataset.has_sample_field(self.name):
            return {}
        text = self._dataset.select(sequence.sample_ids[0]).values(self.name)[0]
        entries = (entry.partition(" ") for entry in text.split(", ")) if text else ()
        return {span: state for state, _, span in entries}

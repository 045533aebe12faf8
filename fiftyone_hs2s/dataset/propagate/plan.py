"""What a propagation would do, before it is started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import fiftyone as fo

from fiftyone_hs2s.dataset.compat import root_dataset
from fiftyone_hs2s.dataset.fields import check_fields
from fiftyone_hs2s.dataset.find_sequences import find_sequences, have_prompts
from fiftyone_hs2s.dataset.propagate.status import StatusField


@dataclass(frozen=True)
class Plan:
    """How many samples (or clips, or groups) a propagation would do.

    Attributes:
        todo: those that it would track
        done: those that are finished already, and are skipped
        unmasked: those with nothing to start from, which would fail; groups of images are not looked into
    """

    todo: int
    done: int
    unmasked: int

    def __str__(self) -> str:
        parts = [f"{self.todo} to do", f"{self.done} done before"]
        if self.unmasked:
            parts.append(f"{self.unmasked} with nothing to start from")
        return f"Samples: {', '.join(parts)}"


def plan(
    samples: fo.Dataset | fo.DatasetView,
    prompt_field: str | Sequence[str],
    label_field: str,
    overwrite: bool = False,
    boxes: bool = True,
) -> Plan:
    """Counts what :func:`fiftyone_hs2s.propagate` would do, without reading a mask.

    Args:
        samples: as for ``propagate()``; filters of labels are not looked at
        prompt_field: the field, or fields, with the masks, boxes or points to start from
        label_field: the field for the results
        overwrite: whether finished samples would be done again
        boxes: whether masks would be made of boxes and points

    Raises:
        HS2SError: if the fields cannot work
    """
    prompts, label = check_fields(samples, prompt_field, label_field)
    sequences = find_sequences(samples)
    states = StatusField(root_dataset(samples), label).states(sequences)
    done = [not overwrite and state == "complete" for state in states]
    masked = have_prompts(sequences, prompts, boxes)
    unmasked = sum(not there and not over for there, over in zip(masked, done, strict=True))
    return Plan(len(sequences) - sum(done) - unmasked, sum(done), unmasked)

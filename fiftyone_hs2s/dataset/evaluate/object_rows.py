"""The rows of an evaluation's table of objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fiftyone_hs2s.dataset.evaluate.scoring import ScoredSequence
from fiftyone_hs2s.metrics import (
    ObjectScores,
    Protocol,
    SequenceResult,
)
from fiftyone_hs2s.metrics.events import runs
from fiftyone_hs2s.metrics.protocols import counted_prompts


def object_rows(scored: ScoredSequence, result: SequenceResult, protocol: Protocol) -> list[dict[str, Any]]:
    """The rows of the objects table that belong to a sequence."""
    return [
        {
            "sample_id": scored.source.sample_id,
            "key": scored.source.key,
            "object": number,
            "name": scored.names.get(number, f"object {number}"),
            "label": scored.classes.get(number),
            "J": found.J.mean,
            "F": found.F.mean,
            "JF": found.JF,
            "J_recall": found.J.recall,
            "F_recall": found.F.recall,
            "J_decay": found.J.decay,
            "F_decay": found.F.decay,
            "frames": len(found.frames),
            "prompts": counted_prompts(scored.sequence.objects[number], protocol),
            **_visibility(scored.sequence.objects[number]),
            **({"matched": scored.matched.get(number)} if scored.matched else {}),
        }
        for number, found in result.objects.items()
    ]


def _visibility(scores: ObjectScores) -> Mapping[str, int]:
    frames, visible = scores.frames[scores.annotated], scores.visible()[scores.annotated]
    occlusions = [stop - start for start, stop in runs(~visible & np.logical_or.accumulate(visible))]
    seen = frames[visible]
    return {
        "length": int(seen[-1] - seen[0]) + 1,
        "occlusions": len(occlusions),
        "longest_occlusion": max(occlusions, default=0),
    }

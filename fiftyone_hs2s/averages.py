"""The ways to see a frame whose results can be averaged, by name; nothing here needs torch."""

from __future__ import annotations

_SCALES = (1.0, 0.75, 1.25)

WAYS = {
    "none": ((False, 1.0),),
    "flip": ((False, 1.0), (True, 1.0)),
    "scales": tuple((False, scale) for scale in _SCALES),
    "flip+scales": tuple((mirrored, scale) for scale in _SCALES for mirrored in (False, True)),
}
"""(mirrored, factor of the network's size) of each view, by the name of the average; the plain view comes
first."""

LABELS = {
    "none": "the frame alone",
    "flip": "with the mirror image (twice the time)",
    "scales": "with 0.75 and 1.25 times the size (3.1 times the time)",
    "flip+scales": "with both (6.2 times the time)",
}

"""Examples of tests that give anything to anything; HS2S_FUZZ multiplies their number."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from fiftyone_hs2s.errors import HS2SError

MORE = int(os.environ.get("HS2S_FUZZ", "1"))


def bounded(examples: int) -> Callable:
    """Settings of a test: so many examples, none of which may hang."""
    return settings(
        max_examples=examples * MORE,
        deadline=timedelta(seconds=30),
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


NUMBERS = st.sampled_from(
    [0, 1, 2, 3, 5, 7, 64, -1, 10**9, 10**30, 0.5, -0.5, 1e300, float("inf"), float("nan")]
)


TEXTS = st.sampled_from(
    ["", "first", "cosine", "attention", "1e-4", "no", "bf16", "hs2s-lite", "\0", "\ud800", "x" * 9999]
)


LEAVES = st.none() | st.booleans() | NUMBERS | TEXTS | st.text(max_size=3)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(LEAVES, inner, max_size=2),
    max_leaves=6,
)


def refused_or(make: Callable[[], Any]) -> Any:
    """What is made, or None where it is refused; a refusal is one line that can be printed."""
    try:
        return make()
    except HS2SError as error:
        assert str(error) and "\n" not in str(error)
        str(error).encode(errors="backslashreplace")
        return None

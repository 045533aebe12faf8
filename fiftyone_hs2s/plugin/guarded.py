"""What goes wrong in an event of the panel becomes a sentence in it."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

import fiftyone.operators as foo

from fiftyone_hs2s.errors import HS2SError

logger = logging.getLogger(__name__)


def guarded(event: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps an event of the panel: what goes wrong becomes a sentence in the panel, never a page of
    traceback."""

    @functools.wraps(event)
    def handler(self: Any, ctx: foo.ExecutionContext) -> Any:
        try:
            return event(self, ctx)
        except Exception as error:
            if not isinstance(error, HS2SError):
                logger.exception("The HS2S panel failed")
            ctx.panel.set_state("message", f"{_sentence(error)}. Choose another evaluation, or run it again.")
            ctx.panel.set_state("shown", "nothing")

    return handler


def _sentence(error: Exception) -> str:
    text = str(error).strip().rstrip(".") or type(error).__name__
    return text[:1].upper() + text[1:]

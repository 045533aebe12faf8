"""What becomes of a run when one of its samples fails."""

from __future__ import annotations

import logging
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

from fiftyone_hs2s.dataset.database import DatabaseError, reason
from fiftyone_hs2s.dataset.sequences import LabeledSequence
from fiftyone_hs2s.errors import HS2SError


@contextmanager
def skipping(
    sequence: LabeledSequence,
    failed: MutableMapping[str, str],
    skip_failures: bool,
    logger: logging.Logger,
    traceback: bool = False,
) -> Iterator[None]:
    """A context for the work on one sequence, whose failure does not end the run.

    Args:
        sequence: the sequence
        failed: gets the reason, by name
        skip_failures: whether to note and log a failure; else its error is raised
        logger: is told what was skipped, and why
        traceback: whether the log has the traceback of an error that is not an :class:`HS2SError`

    Raises:
        DatabaseError: if no other sample can be done either
        Exception: what failed, without ``skip_failures``
    """
    try:
        yield
    except Exception as error:
        found = sequence.explain(error)
        if not skip_failures or isinstance(found, DatabaseError):
            raise found from (error.__cause__ if found is error else error)
        failed[sequence.name] = reason(found)
        unexpected = traceback and not isinstance(found, HS2SError)
        logger.warning("Skipped %s: %s", sequence.name, reason(found), exc_info=unexpected)

"""Scores many samples, in several processes if asked to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fiftyone_hs2s.dataset.compat import root_dataset
from fiftyone_hs2s.dataset.database import DatabaseError, check_there, explain
from fiftyone_hs2s.dataset.evaluate.scoring import ScoredPiece, score_piece
from fiftyone_hs2s.dataset.pieces import Piece
from fiftyone_hs2s.dataset.stored_view import StoredView
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.metrics import Protocol
from fiftyone_hs2s.processes import run_in_processes

Scored = ScoredPiece | HS2SError


def score_pieces(
    pieces: list[Piece], truth: str, prediction: str, protocol: Protocol, num_workers: int = 1, match: str = "identity"
) -> Iterator[tuple[Piece, Scored]]:
    """Scores pieces, with their labels.

    Args:
        pieces: videos, clips or groups
        truth: field of the ground truth
        prediction: field of the predictions
        protocol: how void and several objects are taken
        num_workers: number of processes
        match: how objects are matched

    Yields:
        in order, each piece and its scores, or why it has none
    """
    if min(num_workers, len(pieces)) <= 1:
        yield from ((piece, _score(piece, truth, prediction, protocol, match)) for piece in pieces)
        return
    tasks = ((StoredView.of(p.view), replace(p, view=None), truth, prediction, protocol, match) for p in pieces)
    with run_in_processes(_score_remotely, tasks, min(num_workers, len(pieces))) as futures:
        for piece, future in zip(pieces, futures, strict=True):
            scored = future.result()
            yield piece, scored if isinstance(scored, HS2SError) else replace(scored, piece=piece)


def _score(piece: Piece, truth: str, prediction: str, protocol: Protocol, match: str) -> Scored:
    try:
        return score_piece(piece, truth, prediction, protocol, keep_labels=True, match=match)
    except Exception as error:
        found = explain(error, lambda: check_there(root_dataset(piece.view), [piece.sample_id]))
        if isinstance(found, HS2SError) and not isinstance(found, DatabaseError):
            return found
        raise found from (error.__cause__ if found is error else error)


def _score_remotely(
    stored: StoredView, piece: Piece, truth: str, prediction: str, protocol: Protocol, match: str
) -> Scored:
    scored = _score(replace(piece, view=stored.load()), truth, prediction, protocol, match)
    return scored if isinstance(scored, HS2SError) else replace(scored, piece=piece)

"""Scores of video object segmentation: label maps in, numbers out.

``evaluate_folders`` scores folders; ``SequenceScorer`` takes label maps frame by frame, and ``summarize``
makes the official numbers of what it collected.
"""

from __future__ import annotations

from fiftyone_hs2s.metrics.analysis import Analysis, LengthTable, OcclusionRow, analyze
from fiftyone_hs2s.metrics.boundary import boundary_f_measure
from fiftyone_hs2s.metrics.evaluate_folders import analyze_folders, evaluate_folders, score_folders
from fiftyone_hs2s.metrics.events import Event, EventOptions
from fiftyone_hs2s.metrics.find_events import EventSummary, find_events, summarize_events
from fiftyone_hs2s.metrics.frame_scores import FrameScore, score_label_maps
from fiftyone_hs2s.metrics.protocols import PROTOCOLS, Protocol, Statistics, get_protocol
from fiftyone_hs2s.metrics.region import jaccard
from fiftyone_hs2s.metrics.results import Evaluation, ObjectResult, Problem, SequenceResult
from fiftyone_hs2s.metrics.scores import ObjectScores, SequenceScorer, SequenceScores
from fiftyone_hs2s.metrics.summary import summarize

__all__ = [
    "PROTOCOLS",
    "Analysis",
    "Evaluation",
    "Event",
    "EventOptions",
    "EventSummary",
    "FrameScore",
    "LengthTable",
    "ObjectResult",
    "ObjectScores",
    "OcclusionRow",
    "Problem",
    "Protocol",
    "SequenceResult",
    "SequenceScorer",
    "SequenceScores",
    "Statistics",
    "analyze",
    "analyze_folders",
    "boundary_f_measure",
    "evaluate_folders",
    "find_events",
    "get_protocol",
    "jaccard",
    "score_folders",
    "score_label_maps",
    "summarize",
    "summarize_events",
]

"""Frames in, label maps out: tracking objects through videos without any database."""

from __future__ import annotations

from fiftyone_hs2s.tracking.frames import Frames, open_frames
from fiftyone_hs2s.tracking.prompt_plan import MissingFrameError, PromptPlan, Prompts, plan_prompts
from fiftyone_hs2s.tracking.propagation import Steps, track
from fiftyone_hs2s.tracking.result import TrackedFrame
from fiftyone_hs2s.tracking.tracker import Tracker

__all__ = [
    "Frames",
    "MissingFrameError",
    "PromptPlan",
    "Prompts",
    "Steps",
    "TrackedFrame",
    "Tracker",
    "open_frames",
    "plan_prompts",
    "track",
]
